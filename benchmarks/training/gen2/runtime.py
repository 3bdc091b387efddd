"""Static 8-bit graphs in ONNX Runtime against LiteRT: speed, equality, memory, start -> runtime.json.

What one thread does is measured in processor time of that thread, so that other work on the machine counts for little
(it still takes cache and bandwidth); runtimes take turns. Pin it to one core (`taskset -c 1`), but not for "threads".
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from baselines import Lite, float_onnx, lite
from common import write_result
from shapes import LATENT, SHAPES, macs

from aecodec.bench.machine import describe_machine, library_versions
from aecodec.train.onnx_graphs import to_onnx
from aecodec.train.static import SIGNED, Add, Conv, Network
from aecodec.train.static_numpy import run_numpy

HERE = Path(__file__).parent
SIDES = (24, 32, 40, 56, 80)  # latents along the edge of a window
ROUNDS = 9


def onnx_session(data: bytes, arena: bool = True):
    """One-thread session of ONNX Runtime; the arena keeps memory from call to call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = arena
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run_onnx(session, y: np.ndarray) -> np.ndarray:
    return session.run(None, {"y": y[None]})[0][0]


def interleaved(calls: dict[str, Callable], rounds: int = ROUNDS, clock=time.thread_time) -> dict[str, list[float]]:
    """Call all in turn, `rounds` times after one for warming up -> [median, minimum] of seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if turn:
                seconds[name].append(clock() - start)
    return {name: [statistics.median(s), min(s)] for name, s in seconds.items()}


def speed(folder: Path) -> list[dict]:
    """Milliseconds a megapixel of each shape by each runtime and window, one thread; no halo is taken off."""
    random = np.random.default_rng(2)
    runs: dict[str, dict[str, Callable]] = {}
    for shape, build in SHAPES.items():
        network = build()
        integer, single = onnx_session(to_onnx(network)), onnx_session(float_onnx(network))
        runs[shape] = {
            "onnxruntime int8": lambda y, s=integer: run_onnx(s, y),
            "onnxruntime float32": lambda y, s=single: s.run(
                None, {"y": y.astype(np.float32).transpose(2, 0, 1)[None]}
            ),
            "litert int8": Lite((folder / f"{shape}.int8.tflite").read_bytes()),
            "litert float32": Lite((folder / f"{shape}.float.tflite").read_bytes()),
        }
    rows = []
    for shape in SHAPES:
        for side in SIDES:
            y = random.integers(0, 256, (side, side, LATENT)).astype(np.uint8)
            found = interleaved({name: lambda run=run, y=y: run(y) for name, run in runs[shape].items()})
            ms = {name: [round(1e9 * t / (side * 16) ** 2, 1) for t in both] for name, both in found.items()}
            rows.append(
                {"shape": shape, "kmac_per_pixel": round(macs(SHAPES[shape]()), 2), "window": side, "ms_per_mp": ms}
            )
            print(rows[-1], flush=True)
    return rows


def kernels() -> list[dict]:
    """Single layers: what channels and kinds of layers cost, one thread."""
    from shapes import _Stack

    random, calls, sizes = np.random.default_rng(3), {}, {}
    cases = [("dense", 40, 1, c, c) for c in (288, 256, 224, 192, 128)]
    cases += [("dense", 40, 1, 384, 288), ("dense", 40, 1, 672, 768)]
    cases += [("dense", 80, 1, c, c) for c in (64, 72, 80, 96, 128)]
    cases += [("dense", 80, 1, c, 192) for c in (64, 96)] + [("dense", 80, 3, c, c) for c in (64, 96)]
    cases += [("depthwise", side, k, c, c) for side, c in ((40, 288), (40, 224), (80, 64), (80, 96)) for k in (3, 5)]
    cases += [
        ("add", 40, 0, 256, 256),
        ("add", 80, 0, 96, 96),
        ("unfold", 40, 2, 384, 96),
        ("product", 40, 1, 384, 768),
    ]
    for kind, side, k, a, b in cases:
        stack = _Stack()
        stack.channels = a
        match kind:
            case "dense":
                stack.dense(b, k)
            case "depthwise":
                stack.depthwise(k)
            case "add":
                stack.add("y")
            case "unfold":
                stack.unfold(k)
            case "product":
                stack.product(b)
        session = onnx_session(to_onnx(Network({"y": (a, SIGNED)}, stack.layers)))
        y = random.integers(0, 256, (side, side, a)).astype(np.uint8)
        name = f"{kind} {k}x{k} {a} -> {b}, {side}x{side}"
        calls[name] = lambda session=session, y=y: run_onnx(session, y)
        sizes[name] = side * side * b * (k * k if kind == "depthwise" else a * k * k if k and kind != "unfold" else 0)
    found = interleaved(calls)
    return [
        {"layer": n, "ms": [round(1e3 * t, 3) for t in found[n]], "gmac_per_s": round(sizes[n] / found[n][1] / 1e9, 1)}
        for n in calls
    ]


def equality() -> list[dict]:
    """Outputs of ONNX Runtime that differ from NumPy's, of whole networks and of layers with too large weights."""
    random, rows = np.random.default_rng(4), []
    inputs = {
        "random": lambda h, w: random.integers(0, 256, (h, w, LATENT)),
        "255": lambda h, w: np.full((h, w, LATENT), 255),
        "0 or 255": lambda h, w: 255 * random.integers(0, 2, (h, w, LATENT)),
        "sparse": lambda h, w: random.integers(0, 256, (h, w, LATENT)) * (random.random((h, w, LATENT)) < 0.2),
    }
    for shape, build in SHAPES.items():
        network = build()
        session = onnx_session(to_onnx(network))
        for kind, make in inputs.items():
            values = differ = 0
            for h, w in ((1, 1), (3, 17), (16, 16), (24, 33)):
                y = make(h, w).astype(np.uint8)
                ours, theirs = run_numpy(network, {"y": y})[0], run_onnx(session, y)
                values, differ = values + ours.size, differ + int((ours != theirs).sum())
            rows.append({"network": shape, "input": kind, "values": values, "differ": differ})
    return rows + _single_layers(random)


def _single_layers(random: np.random.Generator) -> list[dict]:
    """Layers with weights of 63, 64 and 127 at most, signed or unsigned with zero point 128, and all sums of two."""
    rows = []
    for depthwise, k, zero in itertools.product((False, True), (1, 3, 5), (0, SIGNED)):
        for reach in (63, 64, 127):
            values = differ = 0
            for channels in (64, 96, 288):
                shape = (k, k, 1 if depthwise else channels, channels)
                weight = random.integers(-reach, reach + 1, shape).astype(np.int8)
                weight[..., ::7] = random.choice([-reach, reach], weight[..., ::7].shape)
                bias = random.integers(-(2**14), 2**14, channels).astype(np.int32)
                scale = np.exp(random.uniform(-9, -4, channels)).astype(np.float32)
                network = Network({"y": (channels, zero)}, {"out": Conv("y", weight, bias, scale, depthwise, zero)})
                y = random.integers(0, 256, (9, 11, channels)).astype(np.uint8)
                y[:4] = 255
                ours = run_numpy(network, {"y": y})[0]
                theirs = run_onnx(onnx_session(to_onnx(network, checked=False)), y)
                values, differ = values + ours.size, differ + int((ours != theirs).sum())
            kind = f"{'depthwise' if depthwise else 'dense'} {k}x{k}, zero point {zero}"
            rows.append({"layer": kind, "weights_to": reach, "values": values, "differ": differ})
    a, b = (x[None] for x in np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8)))
    for zero, scales in itertools.product((0, SIGNED), ((1.0, 1.0), (0.5, 1.0), (2.0, 0.25), (0.37, 0.81))):
        network = Network({"a": (256, zero), "b": (256, SIGNED)}, {"out": Add("a", "b", *scales, SIGNED)})
        session = onnx_session(to_onnx(network, checked=False))
        theirs = session.run(None, {"a": a[None], "b": b[None]})[0][0]
        differ = int((theirs != run_numpy(network, {"a": a, "b": b})[0]).sum())
        rows.append({"layer": f"add, zero point {zero}", "scales": scales, "values": a.size, "differ": differ})
    return rows


def bypass(side: int = 40) -> list[dict]:
    """Ways to multiply latents of up to 12 bits by the linear part, 384 -> 768, exactly, so the same everywhere.

    Latents are integers, weights too; float32 is exact as long as no sum can reach 2^24.
    """
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(6)
    strong, reach = 48, np.where(np.arange(LATENT) < 48, 1 << 11, 127)
    weight = random.integers(-63, 64, (LATENT, 768)).astype(np.int8)
    weight[:, np.abs(weight.astype(int)).T @ reach >= 1 << 24] //= 4  # the bound that a real net would be checked for
    assert (np.abs(weight.astype(int)).T @ reach).max() < 1 << 24
    y = random.integers(-reach, reach + 1, (side * side, LATENT)).astype(np.int32)
    expected = y @ weight.astype(np.int32)
    single, single_weight = y.astype(np.float32), weight.astype(np.float32)

    def session(nodes, constants: dict[str, np.ndarray], kind: int):
        spec = helper.make_tensor_value_info("y", kind, ["n", None])
        out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 768])
        initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "bypass", [spec], [out], initializer=initial)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return onnx_session(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())

    def integers(weight: np.ndarray, zero: int):
        constants = {"w": weight, "one": np.float32(1), "zero": np.uint8(zero), "wz": np.int8(0)}
        inputs = ["y", "w", "one", "one", "zero", "wz"]
        return session(
            [helper.make_node("MatMulIntegerToFloat", inputs, ["out"], domain="com.microsoft")], constants, 2
        )

    gemm = session([helper.make_node("MatMul", ["y", "w"], ["out"])], {"w": single_weight}, TensorProto.FLOAT)
    low, high = integers(weight, 0), integers(weight[:strong], SIGNED)
    weak = integers(np.where(np.arange(LATENT)[:, None] < strong, 0, weight).astype(np.int8), SIGNED)

    def planes() -> np.ndarray:
        """y = 256 * high + low; only strong channels have a high plane, which is not 0."""
        top = y[:, :strong] >> 8
        rest = y.copy()
        rest[:, :strong] -= top << 8
        rest[:, strong:] += SIGNED
        out = low.run(None, {"y": rest.astype(np.uint8)})[0] - shift
        out += 256 * high.run(None, {"y": (top + SIGNED).astype(np.uint8)})[0]
        return out

    shift = (SIGNED * weight[strong:].astype(np.int32).sum(0)).astype(np.float32)

    def split() -> np.ndarray:
        out = weak.run(None, {"y": (np.clip(y, -128, 127) + SIGNED).astype(np.uint8)})[0]
        out += single[:, :strong] @ single_weight[:strong]
        return out

    calls = {
        "float32 product of integers, ONNX Runtime": lambda: gemm.run(None, {"y": single})[0],
        "float32 product of integers, NumPy": lambda: single @ single_weight,
        "strong 48 in float32 (NumPy), the others in 8 bits": split,
        "two planes of 8 bits for the strong 48, one for the others": planes,
    }
    wrong = {name: int((call() != expected).sum()) for name, call in calls.items()}
    found = interleaved(calls)
    mp = side * side * 256 / 1e6
    return [
        {"how": name, "ms_per_mp": [round(1e3 * t / mp, 1) for t in found[name]], "differ": wrong[name]}
        for name in calls
    ]


def threads(side: int = 40) -> list[dict]:
    """Two Python threads: one session that both run, two sessions, and one thread; ms for 8 windows."""
    y = np.random.default_rng(5).integers(0, 256, (side, side, LATENT)).astype(np.uint8)
    return [row for shape in ("today", "Slim") for row in _threads(shape, y)]


def _threads(shape: str, y: np.ndarray) -> list[dict]:
    data = to_onnx(SHAPES[shape]())
    shared, own = onnx_session(data), [onnx_session(data), onnx_session(data)]
    windows = [np.ascontiguousarray(y[i:, i // 2 :]) for i in range(8)]  # of eight sizes
    wanted = [run_onnx(shared, part) for part in windows]
    with ThreadPoolExecutor(2) as pool:
        calls = {
            "one thread": lambda: [run_onnx(shared, y) for _ in range(8)],
            "two threads, one session": lambda: list(pool.map(lambda _: run_onnx(shared, y), range(8))),
            "two threads, two sessions": lambda: list(pool.map(lambda i: run_onnx(own[i % 2], y), range(8))),
        }
        seconds = interleaved(calls, clock=time.perf_counter)
        wrong = 0
        for _ in range(20):  # sizes mixed in one session, from two threads
            found = pool.map(lambda part: run_onnx(shared, part), windows)
            wrong += sum((one != other).any() for one, other in zip(found, wanted, strict=True))
    rows = [{"shape": shape, "how": how, "ms": [round(1e3 * t, 1) for t in both]} for how, both in seconds.items()]
    return [
        *rows,
        {"shape": shape, "how": "sizes mixed in one session from two threads", "runs": 160, "wrong": int(wrong)},
    ]


START = """
import sys
from time import process_time
sys.path.insert(0, sys.argv[3])
import numpy as np
from runtime import Lite, memory, onnx_session, run_onnx
start, before = process_time(), memory()
if sys.argv[1].startswith("onnxruntime"):
    import onnxruntime
    imported = process_time()
    session = onnx_session(open(sys.argv[2], "rb").read(), arena="no arena" not in sys.argv[1])
    run = lambda y: run_onnx(session, y)
else:
    import ai_edge_litert.interpreter
    imported = process_time()
    run = Lite(open(sys.argv[2], "rb").read())
made = process_time()
run(np.zeros((4, 4, 384), np.uint8))
first = process_time()
run(np.zeros((4, 4, 384), np.uint8))
second, small = process_time(), memory()
for side in (40, 24, 40, 33):
    run(np.zeros((side, side, 384), np.uint8))
times = [1e3 * (b - a) for a, b in ((start, imported), (imported, made), (made, first), (first, second))]
print([*times, small - before, memory() - before])
"""


def memory() -> float:
    """The largest resident memory of this process so far, MB; Linux. (`ru_maxrss` would count the parent's.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def start(folder: Path, repeats: int = 5) -> list[dict]:
    """Fresh processes: processor time to import, make a session and run 4x4 latents twice; memory that it all takes."""
    rows = []
    for shape in ("today", "Slim"):
        (folder / f"{shape}.onnx").write_bytes(to_onnx(SHAPES[shape]()))
        runs = {
            "onnxruntime int8": "onnx",
            "onnxruntime int8, no arena": "onnx",
            "litert int8": "int8.tflite",
            "litert float32": "float.tflite",
        }
        for name, ending in runs.items():
            command = [sys.executable, "-c", START, name, str(folder / f"{shape}.{ending}"), str(HERE)]
            outputs = [
                subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(repeats)
            ]
            numbers = [json.loads(output.splitlines()[-1]) for output in outputs]
            keys = ("import_ms", "session_ms", "first_call_ms", "second_call_ms", "mb_4x4", "mb_40x40")
            middle = [round(statistics.median(column), 1) for column in zip(*numbers, strict=True)]
            rows.append({"shape": shape, "how": name, **dict(zip(keys, middle, strict=True))})
            print(rows[-1], flush=True)
    return rows


def processor_flags() -> list[str]:
    """Which of the instructions that matter for 8 bits this processor has; Linux on x86-64."""
    wanted = {"avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8"}
    return sorted(wanted & set(Path("/proc/cpuinfo").read_text().split()))


def installed(package: str) -> float:
    """Megabytes of a package's own files."""
    files = metadata.files(package) or []
    return round(sum(Path(f.locate()).stat().st_size for f in files if Path(f.locate()).exists()) / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=["equality", "kernels", "bypass", "speed", "threads", "start"])
    parser.add_argument("--cache", type=Path, help="folder for LiteRT graphs, which take a minute to make")
    arguments = parser.parse_args()
    target = HERE / "runtime.json"
    result = json.loads(target.read_text()) if target.exists() else {}
    runtimes = {p: metadata.version(p) for p in ("onnxruntime", "onnx")}
    result |= {"machine": describe_machine(), "versions": library_versions() | runtimes}
    result["flags"] = processor_flags()
    result["installed_mb"] = {p: installed(p) for p in ("onnxruntime", "ai-edge-litert", "onnx")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.cache or Path(temporary)
        if {"speed", "start"} & set(arguments.parts):
            for shape, build in SHAPES.items():
                for kind in ("int8", "float"):
                    path = folder / f"{shape}.{kind}.tflite"
                    if not path.exists():
                        path.write_bytes(lite(build(), kind == "int8"))
        tables = {
            "equality": equality,
            "kernels": kernels,
            "bypass": bypass,
            "speed": lambda: speed(folder),
            "threads": threads,
        }
        tables["start"] = lambda: start(folder)
        for part in arguments.parts:
            result[part] = tables[part]()
            write_result(target.stem, result, HERE)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
