"""Which channels of the latents take the bits of a file: channels.py photo.aez"""

import sys
from pathlib import Path

import numpy as np

from aecodec import research

contents = research.examine(Path(sys.argv[1]).read_bytes())
bits = contents.r_bits.sum((0, 1))
share = np.cumsum(np.sort(bits)[::-1]) / bits.sum()
print(f"{len(bits)} channels; half of the bits are in {np.searchsorted(share, 0.5) + 1}, 99 % in "
      f"{np.searchsorted(share, 0.99) + 1}")  # fmt: skip
print(f"{(contents.scale_indexes > 0).mean():.1%} of the latents are coded, {(contents.r != 0).mean():.1%} are not 0")
