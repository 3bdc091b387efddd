"""A process of its own that codes one image once and prints how much memory that took, in MB (10^6 bytes).

    python -m aecodec.bench.memory encode|decode CODEC QUALITY PICTURE.npy

decode reads the file PICTURE.bin. What the process holds before does not count: Python, NumPy, the image or the file.
What a codec loads on its first use counts. Prints nothing where the system does not tell.
"""

import sys
from pathlib import Path

import numpy as np

from aecodec.bench.codecs import known_codecs


def main(way: str, name: str, quality: str, image: str) -> None:
    codec, path = known_codecs()[name], Path(image)
    if way == "encode":
        pixels = np.load(path)
        before = _peak(restart=True)
        codec.encode(pixels, float(quality))
    else:
        data = path.with_suffix(".bin").read_bytes()
        before = _peak(restart=True)
        codec.decode(data)
    after = _peak()
    if before is not None and after is not None:
        print(round((after - before) / 1e6, 1))


def _peak(restart: bool = False) -> float | None:
    """Return the most bytes that this process has held in memory so far; from now on, where the system can."""
    try:
        if restart:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux, or not allowed
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak * (1 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    main(*sys.argv[1:])
