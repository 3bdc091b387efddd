"""Plots from the results: rd_<folder>.json -> rd_<folder>.svg and .png (matplotlib, needed for the benchmarks only)."""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
from common import RESULTS

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "aecodec"  # the same file for the same numbers

import matplotlib.pyplot as plt  # noqa: E402

STYLE = {
    "aez": {"color": "#d1495b", "linewidth": 2.4, "marker": "o", "zorder": 5},
    "jpeg": {"color": "#6c757d", "marker": "."},
    "jpeg-opt": {"color": "#adb5bd", "marker": "."},
    "webp": {"color": "#2a9d8f", "marker": "."},
    "avif": {"color": "#30638e", "marker": "."},
    "avif-slow": {"color": "#003d5b", "marker": ".", "linestyle": "--"},
}


def plot_rd(source: Path) -> None:
    """Draw the mean curves of each group of a result of rd.py, side by side, as SVG and PNG beside it."""
    result = json.loads(source.read_text())
    groups = result["groups"]
    figure, axes = plt.subplots(1, len(groups), figsize=(7 * len(groups), 5.2), squeeze=False, layout="constrained")
    for axis, (title, group) in zip(axes[0], groups.items(), strict=True):
        for name, codec in group["codecs"].items():
            points = [point for point in codec.get("points", ()) if point["psnr"] is not None]
            if not points:
                continue
            delta = group["bd_rate"].get(name)
            label = f"{name} ({delta['percent']:+.0f} %)" if delta else name
            axis.plot([p["bpp"] for p in points], [p["psnr"] for p in points], label=label, **STYLE.get(name, {}))
        axis.set_xscale("log")
        ticks = [0.1, 0.2, 0.5, 1, 2, 4]
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel("bits per pixel")
        axis.set_ylabel("PSNR-RGB, dB")
        axis.set_title(f"{source.stem.removeprefix('rd_')}: {title}, mean of {group['pictures']} pictures")
        axis.grid(alpha=0.3)
        axis.legend(title=f"BD-rate against {result['anchor']}", loc="lower right")
    for extension in (".svg", ".png"):
        figure.savefig(source.with_suffix(extension), dpi=120, metadata={"Date": None} if extension == ".svg" else None)
    plt.close(figure)
    print(f"wrote {source.stem}.svg and {source.stem}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="*", help="default: all rd_*.json of results/")
    for source in parser.parse_args().results or sorted(RESULTS.glob("rd_*.json")):
        plot_rd(source)


if __name__ == "__main__":
    main()
