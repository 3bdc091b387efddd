"""Give the visual tuning of a run finer steps for some channels: python tilt.py CHECKPOINT.npz OUT.npz COARSE CHROMA

Channels are principal components, dealt over the four groups of the context like cards. The logarithm of a channel's
gain grows by COARSE for each time that its rank is e times smaller, and by CHROMA where its patches have no grey in
them; that of its inverse falls as much; in weights and average alike. What was best is forgotten.
`aecodec train photo --resume` goes on from there.
"""

import json
import sys
from pathlib import Path

import numpy as np

GROUPS = 4  # of the context
GAIN, INVERSE = 0, 1  # numbers of the model's variables
USUAL = 4.5  # logarithm of the rank whose gain stays, about
PATCH = 16 * 16 * 3


def chroma(arrays: dict[str, np.ndarray], latent: int) -> np.ndarray:
    """Which channels are colour alone, (latent,): of the linear synthesis's patches, grey has less than half."""
    (kernel,) = (a for name, a in arrays.items() if name[0] == "w" and a.shape == (latent, PATCH))
    patches = kernel.reshape(latent, -1, 3)
    grey = 3 * np.square(patches.mean(-1)).sum(-1)
    return grey < np.square(patches).sum((1, 2)) / 2


def main(source: Path, target: Path, coarse: float, colour: float) -> None:
    with np.load(source) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays["meta"]))
    knots, latent = meta["shape"]["knots"], meta["shape"]["latent"]
    channel = np.arange(latent)
    rank = channel % (latent // GROUPS) * GROUPS + channel // (latent // GROUPS)
    change = (coarse * (USUAL - np.log(rank + 1)) + colour * chroma(arrays, latent)).astype(np.float32)
    for kind in "wa":
        arrays[f"{kind}{GAIN:04d}"][knots:] += change
        arrays[f"{kind}{INVERSE:04d}"][knots:] -= change
    arrays["meta"] = np.array(json.dumps(meta | {"judge": None}))
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
