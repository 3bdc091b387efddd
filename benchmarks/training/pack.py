"""Pack the moving average of a run, to keep it in little space: python benchmarks/training/pack.py RUN OUT.npz

A run goes on from it on another machine: put it into an empty folder as average.npz, and `aecodec train photo --resume
--out FOLDER --minutes M ...`. The optimizer starts anew, with a warm-up.
"""

import argparse
from pathlib import Path

from aecodec.train.checkpoint import pack_average


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("run", type=Path, help="folder of the run; its checkpoint is taken, and without one its average")
    ap.add_argument("out", type=Path)
    a = ap.parse_args()
    source = a.run / "checkpoint.npz"
    pack_average(source if source.exists() else a.run / "average.npz", a.out)
    print(f"{a.out}: {a.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
