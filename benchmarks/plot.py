"""Plots from the results: rd_<folder>.json -> rd_<folder>.svg and .png; other metrics -> rd_<folder>_metrics.*"""

import argparse
import json
from pathlib import Path

from common import RESULTS

from aecodec.bench.plots import draw_curves


def plot_rd(source: Path) -> None:
    """Draw the mean curves of each group of a result of rd.py, side by side, beside it."""
    result = json.loads(source.read_text())
    folder = source.stem.removeprefix("rd_")
    blocks = [
        (f"{folder}: {title}, mean of {group['pictures']} pictures", group) for title, group in result["groups"].items()
    ]
    files = draw_curves(source.stem, blocks, ["psnr"], result["anchor"])
    if others := [metric for metric in result["columns"][2:] if metric != "psnr"]:
        files |= draw_curves(f"{source.stem}_metrics", blocks, others, result["anchor"])
    for name, data in files.items():
        source.with_name(name).write_bytes(data)
    print(f"wrote {', '.join(files)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="*", help="default: all rd_*.json of results/")
    for source in parser.parse_args().results or sorted(RESULTS.glob("rd_*.json")):
        plot_rd(source)


if __name__ == "__main__":
    main()
