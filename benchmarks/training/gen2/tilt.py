"""Give the visual tuning of a run finer steps for coarse channels: python tilt.py CHECKPOINT.npz OUT.npz AMOUNT

Channels are principal components, dealt over the four groups of the context like cards; the logarithm of a channel's
gain grows by AMOUNT for each time that its rank is e times smaller, and that of its inverse falls, in weights and
average alike. What was best is forgotten. `aecodec train photo --resume` goes on from there.
"""

import json
import sys
from pathlib import Path

import numpy as np

GROUPS = 4  # of the context
GAIN, INVERSE = 0, 1  # numbers of the model's variables
USUAL = 4.5  # logarithm of the rank whose gain stays, about


def main(source: Path, target: Path, amount: float) -> None:
    with np.load(source) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays["meta"]))
    knots, latent = meta["shape"]["knots"], meta["shape"]["latent"]
    channel = np.arange(latent)
    rank = channel % (latent // GROUPS) * GROUPS + channel // (latent // GROUPS)
    change = (amount * (USUAL - np.log(rank + 1))).astype(np.float32)
    for kind in "wa":
        arrays[f"{kind}{GAIN:04d}"][knots:] += change
        arrays[f"{kind}{INVERSE:04d}"][knots:] -= change
    arrays["meta"] = np.array(json.dumps(meta | {"judge": None}))
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
