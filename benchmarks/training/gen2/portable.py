"""Whether another processor, a real or an emulated one, gives the same bits as integers in NumPy.

python portable.py make FOLDER                                 graphs, inputs and what NumPy makes of them
qemu-x86_64-static -cpu Nehalem python portable.py check FOLDER      needs numpy and onnxruntime alone
"""

import sys
from pathlib import Path

import numpy as np

NETWORKS = ("Slim", "Flat-16", "Flat-16+")
SIZES = ((1, 1), (5, 6), (9, 4))


def make(folder: Path) -> None:
    from shapes import LATENT, SHAPES

    from aecodec.train.onnx_graphs import to_onnx
    from aecodec.train.static_numpy import run_numpy

    random, cases = np.random.default_rng(9), {}
    for name in NETWORKS:
        network = SHAPES[name]()
        (folder / f"{name}.onnx").write_bytes(to_onnx(network))
        for number, size in enumerate(SIZES):
            y = random.integers(0, 256, (*size, LATENT)).astype(np.uint8)
            y = np.where(y < 128, np.uint8(0), np.uint8(255)) if number == 2 else y
            cases[f"{name} {number} y"], cases[f"{name} {number} x"] = y, run_numpy(network, {"y": y})[0]
    np.savez(folder / "cases.npz", **cases)


def check(folder: Path) -> int:
    import onnxruntime

    wrong, cases = 0, np.load(folder / "cases.npz")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for name in NETWORKS:
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
        for number, _ in enumerate(SIZES):
            expected = cases[f"{name} {number} x"]
            differ = int((session.run(None, {"y": cases[f"{name} {number} y"][None]})[0][0] != expected).sum())
            print(f"{name}, {number}: {differ} of {expected.size} differ", flush=True)
            wrong += differ
    return min(wrong, 1)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    sys.exit({"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2])))
