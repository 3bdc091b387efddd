"""The report as plain text, at most 100 columns, and as CSV."""

import csv
import io
from collections.abc import Iterator

from aecodec.bench.report import Json, is_sweep
from aecodec.bench.rivals import SUBJECT

_MANY = 10  # a codec with more qualities than this shows every second one
_SMALL = 0.5  # megapixels
_METRICS = {"psnr": ("PSNR", 2), "psnr-y": ("PSNR-Y", 2), "ms-ssim": ("MS-SSIM", 4), "ssimulacra2": ("SSIM 2", 1)}


def format_report(report: Json, *, pictures: bool = True) -> str:
    """Return the table of a report made by build_report: each picture (unless `pictures` is false), then the mean."""
    return "\n".join(_lines(report, pictures)) + "\n"


def _lines(report: Json, pictures: bool) -> Iterator[str]:
    shown = report["pictures"]
    if pictures or len(shown) == 1:
        for picture in shown:
            title = f"{picture['name']}, {picture['width']}x{picture['height']}"
            yield from _block(f"{title} ({picture['note']})" if picture["note"] else title, picture, report)
            yield ""
    if len(shown) > 1:
        yield from _block(f"mean of {len(shown)} pictures", report["mean"], report)
        yield ""
    if "speed" in report:
        yield from _speeds(report["speed"])
        yield ""
    yield from _notes(report)


def _block(title: str, block: Json, report: Json) -> Iterator[str]:
    metrics = list(report["metrics"])
    yield title
    heads = "".join(f"{_METRICS[name][0]:>9}" for name in metrics)
    yield f"codec     quality     bytes    bpp{heads}   at this PSNR".rstrip()
    for name, codec in block["codecs"].items():
        if "failed" in codec:
            yield f"{name:<10}failed: {codec['failed']}"
            continue
        points = codec["points"]
        for point in points[::2] if len(points) > _MANY else points:
            yield _row(name, point, metrics, report)
    if block["bd_rate"]:
        yield from _deltas(block["bd_rate"], report)


def _row(name: str, point: Json, metrics: list[str], report: Json) -> str:
    quality = "" if name in report["lossless"] else f"{point['quality']:g}"
    row = f"{name:<10}{quality:>7}{point['bytes']:>10.0f}{point['bpp']:>7.3f}"
    for metric in metrics:
        row += f"{_value(metric, point):>9}"
    if not point["reached"]:
        return f"{row}   cannot do it, the nearest"
    other = report["anchor"] if name == SUBJECT else SUBJECT
    size = point["bytes_at_this_psnr"].get(other)
    if name in report["lossless"] or other not in point["bytes_at_this_psnr"]:
        return row
    if size is None:
        return f"{row}   {other}: out of range"
    ours, theirs = (point["bytes"], size) if name == SUBJECT else (size, point["bytes"])
    return f"{row}   {other} {size:.0f}, {SUBJECT} {100 * (ours / theirs - 1):+.0f} %"


def _value(metric: str, point: Json) -> str:
    if metric not in point:
        return "-"
    return "lossless" if point[metric] is None else f"{point[metric]:.{_METRICS[metric][1]}f}"


def _deltas(deltas: Json, report: Json) -> Iterator[str]:
    yield f"BD-rate against {report['anchor']}, mean difference of bits at equal"
    heads = [f"{report['metrics'][metric]['title']:<22}" for metric in deltas]
    yield f"{'':<10}{''.join(heads)}".rstrip()
    for name in next(iter(deltas.values())):
        cells = [f"{format_delta(own.get(name)):<22}" for own in deltas.values()]
        yield f"{name:<10}{''.join(cells)}".rstrip()


def format_delta(delta: Json | None) -> str:
    """Return one BD-rate of a report with the range of levels it was taken over.

    >>> format_delta({"percent": -44.23, "low": 22.4, "high": 43.67})
    '-44.2 % (22.4..43.7)'
    """
    if delta is None:
        return "no overlap"
    return f"{delta['percent']:+.1f} % ({delta['low']:.1f}..{delta['high']:.1f})"


def _speeds(speed: Json) -> Iterator[str]:
    near = f", qualities near {speed['near_psnr']:.1f} dB" if speed["near_psnr"] is not None else ""
    repeats = f"medians of {speed['repeats']} after a warm-up"
    yield f"speed on {speed['picture']}, {speed['width']}x{speed['height']}{near}, {repeats}"
    counts = list(dict.fromkeys(n for one in speed["codecs"].values() for n in one.get("encode_mps", ())))
    cores = "".join(f"{n + (' core' if n == '1' else ' cores'):>9}" for n in counts)
    yield f"{'':<17}{'encode MP/s':<{9 * len(counts)}}  {'decode MP/s':<{9 * len(counts)}}   peak memory, MB"
    yield f"codec     quality{cores}  {cores}   encode  decode"
    for name, one in speed["codecs"].items():
        if "failed" in one:
            yield f"{name:<10}failed: {one['failed']}"
            continue
        encode, decode = (
            "".join(f"{one[way].get(n, 0):>9.1f}" for n in counts) for way in ("encode_mps", "decode_mps")
        )
        peaks = "".join(
            f"{'-' if one[way] is None else format(one[way], '.0f'):>8}" for way in ("encode_mb", "decode_mb")
        )
        yield f"{name:<10}{one['quality']:>7g}{encode}  {decode} {peaks}"
    if speed["width"] * speed["height"] < _SMALL * 1e6:
        yield f"speeds of pictures under {_SMALL} MP are mostly fixed costs"


def _notes(report: Json) -> Iterator[str]:
    kind, values = report["mode"]["kind"], ", ".join(f"{value:g}" for value in report["mode"]["values"])
    if kind == "at-bpp":
        yield f"every codec at its highest quality whose file has at most so many bits per pixel: {values}"
    elif kind == "at-psnr":
        yield f"every codec at its lowest quality whose PSNR-RGB is at least: {values} dB"
    for name, about in report["codecs"].items():
        yield f"{name}: {about}"
    for name, reason in report["not_measured"].items():
        yield f"{name}: not measured: {reason}"
    for picture in report["pictures"]:
        if picture["too_small_for"]:
            titles = " and ".join(report["metrics"][name]["title"] for name in picture["too_small_for"])
            yield f"too small for {titles}: {picture['name']}, {picture['width']}x{picture['height']}"
    for name, reason in report["skipped"].items():
        yield f"skipped: {name}: {reason}"
    versions = [f"{name} {version}" for name, version in report["versions"].items()]
    for i in range(0, len(versions), 5):
        yield ("versions: " if i == 0 else "          ") + ", ".join(versions[i : i + 5])
    machine = report["machine"]
    yield f"machine: {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    if is_sweep(report):
        yield "BD-rates: PCHIP on the logarithm of the rate, over the range in brackets (MS-SSIM in dB)"
        yield f"shown of a codec with more than {_MANY} qualities: every second one; --json and --csv hold them all"


def format_csv(report: Json) -> str:
    """Return all points as CSV, one line each, pictures first, then their mean; metrics of lossless points are inf."""
    metrics = list(report["metrics"])
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["picture", "width", "height", "codec", "quality", "bytes", "bpp", *metrics, "reached"])
    blocks = [([one["name"], one["width"], one["height"]], one) for one in report["pictures"]]
    if len(blocks) > 1:
        blocks.append(([f"mean of {len(blocks)}", "", ""], report["mean"]))
    for head, block in blocks:
        for name, codec in block["codecs"].items():
            for point in codec.get("points", ()):
                values = ["inf" if point.get(metric, "") is None else point.get(metric, "") for metric in metrics]
                writer.writerow(
                    [*head, name, point["quality"], point["bytes"], point["bpp"], *values, point["reached"]]
                )
    return file.getvalue()
