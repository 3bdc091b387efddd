"""Plots of a report as PNG and SVG, by matplotlib (in the extra `bench`)."""

import importlib.util
import io
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aecodec.bench.codecs import SUBJECT, colours, dashed
from aecodec.bench.metrics import METRICS
from aecodec.bench.report import Json, comparable, has_mean, mean_title, shown_level

_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def missing() -> str | None:
    """Return why plots cannot be drawn here, or None."""
    return None if importlib.util.find_spec("matplotlib") else "plots need matplotlib, pip install 'aecodec[bench]'"


def draw_report(report: Json) -> dict[str, bytes]:
    """Return all plots of a report by file name: mean curves, one plot per image, speed against BD-rate."""
    metrics, anchor = list(report["metrics"]), report["anchor"]
    files: dict[str, bytes] = {}
    if has_mean(report):
        blocks = [(mean_title(report), report["mean"])]
        files |= draw_curves("mean", blocks, metrics, anchor)
    for number, image in enumerate(report["images"], 1):
        name = re.sub(r"[^\w.-]+", "_", image["name"])
        title = f"{image['name']}, {image['width']}x{image['height']}"
        files |= draw_curves(f"{number:02}_{Path(name).stem}", [(title, image)], metrics, anchor)
    if report["mean"]["bd_rate"].get("psnr") and "speed" in report:
        files |= draw_speed("speed", report["speed"], report["mean"]["bd_rate"]["psnr"], anchor)
    return files


def draw_curves(stem: str, blocks: Sequence[tuple[str, Json]], metrics: Sequence[str], anchor: str) -> dict[str, bytes]:
    """Return rate-distortion plots of titled blocks of a report, one column per block and metric, as SVG and PNG."""
    panels = [(title, block, metric) for title, block in blocks for metric in metrics]
    figure, axes = _figure(len(panels))
    for axis, (title, block, metric) in zip(axes, panels, strict=True):
        styles = colours(list(block["codecs"]))
        for name, codec in block["codecs"].items():
            lossy = [point for point in codec.get("points", ()) if point["psnr"] is not None]
            levels = [(point["bpp"], shown_level(metric, point.get(metric))) for point in lossy]
            levels = [(bpp, level) for bpp, level in levels if level is not None]
            if not levels:
                continue
            delta = block["bd_rate"].get(metric, {}).get(name)
            label = _plain(f"{name} ({comparable(delta):+.0f} %)" if delta else name)
            first = name == SUBJECT
            look = {"linewidth": 2.6 if first else 1.4, "zorder": 5 if first else 2, "color": styles[name]}
            marker = "D" if len(levels) == 1 else "o" if first else "."
            dashes = "--" if dashed([name]) else "-"
            axis.plot(*zip(*levels, strict=True), marker=marker, linestyle=dashes, label=label, **look)
        unit = METRICS[metric].unit
        _label(axis, METRICS[metric].title + (unit and f", {unit}"), title)
        head = f"BD-rate against {anchor}"
        if shared := block.get("shared_range", {}).get(metric):
            head += f", {shared[0]:.1f} to {shared[1]:.1f}" + (unit and f" {unit}")
        axis.legend(title=head, loc="best", fontsize="small", title_fontsize="small")
    return _save(figure, stem)


def draw_speed(stem: str, speed: Json, deltas: Mapping[str, Json | None], anchor: str) -> dict[str, bytes]:
    """Return the plot of BD-rate against the speed of encoding on all cores, as SVG and PNG."""
    figure, (axis,) = _figure(1)
    styles = colours(list(speed["codecs"]))
    cores = "1"
    for name, row in speed["codecs"].items():
        delta = {"percent": 0.0} if name == anchor else deltas.get(name)
        if "failed" in row or not delta:
            continue
        cores = list(row["encode_mps"])[-1]
        at = (row["encode_mps"][cores], comparable(delta))
        axis.scatter(*at, s=90 if name == SUBJECT else 45, color=styles[name], zorder=3)
        axis.annotate(_plain(name), at, xytext=(8, -4), textcoords="offset points")
    axis.set_xscale("log")
    axis.margins(x=0.15)
    axis.set_xlabel(f"encoding, MP/s on {cores} core{'' if cores == '1' else 's'}")
    axis.set_ylabel(f"BD-rate against {anchor}, % (PSNR-RGB), lower is better")
    axis.set_title(_plain(f"{speed['image']}, {speed['width']}x{speed['height']}"))
    axis.grid(alpha=0.3)
    return _save(figure, stem)


def _plain(text: str) -> str:
    """Names with dollars, between which matplotlib looks for mathematics."""
    return text.replace("$", r"\$")


def _figure(panels: int) -> tuple[Any, list[Any]]:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # not a word on how it finds its fonts
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(panels, 2)
    rows = -(-panels // columns)
    figure = Figure(figsize=(7 * columns, 5.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[panels:]:
        axis.remove()
    return figure, axes[:panels]


def _label(axis: Any, level: str, title: str) -> None:
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("bits per pixel")
    axis.set_ylabel(level)
    axis.set_title(_plain(title))
    axis.grid(alpha=0.3)


def _save(figure: Any, stem: str) -> dict[str, bytes]:
    import matplotlib as mpl

    files = {}
    with mpl.rc_context({"svg.hashsalt": "aecodec"}):  # the same file for the same numbers
        for extension in (".svg", ".png"):
            file = io.BytesIO()
            metadata = {"Date": None} if extension == ".svg" else None
            figure.savefig(file, format=extension[1:], dpi=120, metadata=metadata)
            files[stem + extension] = file.getvalue()
    return files
