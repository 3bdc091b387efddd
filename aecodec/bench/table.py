"""The report as plain text, at most 100 columns, and as CSV."""

import csv
import io
import textwrap
from collections.abc import Callable, Iterable, Iterator

from aecodec.bench.codecs import SUBJECT, Codec
from aecodec.bench.metrics import METRICS
from aecodec.bench.report import Json, has_mean, is_sweep, mean_title

_MANY = 10  # a codec with more qualities than this shows every second one
_SMALL = 0.5  # megapixels
_WIDE = 100  # columns


def format_report(report: Json, *, images: bool = True) -> str:
    """Return the table of a report made by build_report: each image (unless `images` is false), then the mean."""
    return "\n".join(_lines(report, images)) + "\n"


def format_lossless(report: Json) -> str:
    """Return the bytes of every lossless codec: of each image, of all together, and these against the smallest."""
    names = [name for name in report["lossless"] if "points" in report["mean"]["codecs"].get(name, {})]
    wide = max(len(image["name"]) for image in report["images"]) + 2
    wide = max(wide, len("against the smallest") + 2)

    def row(title: str, cells: Iterable[str]) -> str:
        return title.ljust(wide) + "".join(f"{cell:>15}" for cell in cells)

    def size(image: Json, name: str) -> str:
        points = image["codecs"][name].get("points")
        return f"{points[0]['bytes']:,.0f}" if points else "failed"

    lines = [row("bytes, lossless", report["lossless"])]
    lines += [row(image["name"], (size(image, name) for name in report["lossless"])) for image in report["images"]]
    totals = {name: len(report["images"]) * report["mean"]["codecs"][name]["points"][0]["bytes"] for name in names}
    smallest = min(totals.values(), default=0)
    cells = [f"{totals[name]:,.0f}" if name in totals else "-" for name in report["lossless"]]
    lines.append(row(f"all {len(report['images'])} images", cells))
    cells = [f"{100 * (totals[name] / smallest - 1):+.1f} %" if name in totals else "-" for name in report["lossless"]]
    lines.append(row("against the smallest", cells))
    return "\n".join([*lines, *_notes(report)]) + "\n"


def format_codecs(codecs: Iterable[Codec]) -> str:
    """Return a list of codecs: their names and settings, and why some cannot be measured here."""
    codecs = list(codecs)
    wide = max(len(codec.name) for codec in codecs) + 2
    lines = []
    for codec in codecs:
        reason = codec.missing()
        text = codec.about + (f" (not here: {reason})" if reason else "")
        lines += textwrap.wrap(codec.name.ljust(wide) + text, _WIDE, subsequent_indent=" " * wide)
    return "\n".join(lines) + "\n"


def _lines(report: Json, images: bool) -> Iterator[str]:
    shown = report["images"]
    if images or len(shown) == 1:
        for image in shown:
            title = f"{image['name']}, {image['width']}x{image['height']}"
            yield from _block(f"{title} ({image['note']})" if image["note"] else title, image, report)
            yield ""
    if has_mean(report):
        yield from _block(mean_title(report), report["mean"], report, several=True)
        yield ""
    if "speed" in report:
        yield from _speeds(report["speed"], report)
        yield ""
    yield from _notes(report)


def _block(title: str, block: Json, report: Json, several: bool = False) -> Iterator[str]:
    yield title
    heads = "".join(f"{METRICS[name].short:>9}" for name in report["metrics"])
    yield f"{_first('codec', report)}quality     bytes    bpp{heads}   at this PSNR"
    for name, codec in block["codecs"].items():
        if "points" not in codec:
            yield _first(name, report) + _why_not(codec)
            continue
        points = codec["points"]
        for point in points[::2] if len(points) > _MANY else points:
            missed = "not met by every image" if several else "cannot do it, the nearest"
            yield _row(name, point, report, missed)
    if block["bd_rate"]:
        yield from format_bd_rates(block, report)


def _first(name: str, report: Json) -> str:
    """Return a cell of the first column."""
    return name.ljust(max(10, *(len(codec) + 1 for codec in report["codecs"])))


def _why_not(codec: Json) -> str:
    return f"failed: {codec['failed']}" if "failed" in codec else f"not measured: {codec['not_measured']}"


def _row(name: str, point: Json, report: Json, missed: str) -> str:
    quality = "" if name in (*report["lossless"], *report["fixed_quality"]) else f"{point['quality']:g}"
    row = f"{_first(name, report)}{quality:>7}{point['bytes']:>10.0f} {point['bpp']:>6.3f}"
    row += "".join(f"{_value(metric, point):>9}" for metric in report["metrics"])
    if not point["reached"]:
        return f"{row}   {missed}"
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
    return "lossless" if point[metric] is None else f"{point[metric]:.{METRICS[metric].digits}f}"


def format_bd_rates(block: Json, report: Json) -> Iterator[str]:
    """Yield the lines on the BD-rates of a block of a report."""
    deltas = block["bd_rate"]
    names = list(next(iter(deltas.values())))

    def rows(head: str, heads: list[str], cell: Callable[[Json | None], str]) -> Iterator[str]:
        yield head
        for name, texts in [("", heads), *((name, [cell(own.get(name)) for own in deltas.values()]) for name in names)]:
            yield f"{_first(name, report)}{''.join(f'{text:<22}' for text in texts)}".rstrip()

    if names:
        titles = [report["metrics"][metric]["title"] for metric in deltas]
        yield from rows(f"BD-rate against {report['anchor']}, mean difference of bits at equal", titles, format_delta)
    if len(names) > 1:
        ranges = [block["shared_range"][metric] for metric in deltas]
        spans = [f"{own[0]:.1f}..{own[1]:.1f}" if own else "none" for own in ranges]
        shared = "over the range that all of these share"
        yield from rows(shared, spans, lambda own: _percent(own["shared"] if own else None))
    if single := [name for name in report["fixed_quality"] if "points" in block["codecs"][name]]:
        yield f"no BD-rate, which needs a curve: {', '.join(single)} (one quality)"


def format_delta(delta: Json | None) -> str:
    """Return one BD-rate of a report with the range of levels it was taken over.

    >>> format_delta({"percent": -44.23, "low": 22.4, "high": 43.67})
    '-44.2 % (22.4..43.7)'
    """
    if delta is None:
        return "no overlap"
    return f"{_percent(delta['percent'])} ({delta['low']:.1f}..{delta['high']:.1f})"


def _percent(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:+.1f} %"


def _speeds(speed: Json, report: Json) -> Iterator[str]:
    near = f", qualities near {speed['near_psnr']:.1f} dB" if speed["near_psnr"] is not None else ""
    repeats = f"medians of {speed['repeats']}" if speed["repeats"] > 1 else "measured once"
    yield f"speed on {speed['image']}, {speed['width']}x{speed['height']}{near}, {repeats} after a warm-up"
    counts = list(dict.fromkeys(n for row in speed["codecs"].values() for n in row.get("encode_mps", ())))
    cores = "".join(f"{n + (' core' if n == '1' else ' cores'):>9}" for n in counts)
    heads = "".join(f"{way + ' MP/s':<{9 * len(counts) + 2}}" for way in ("encode", "decode"))
    yield f"{_first('', report)}{'':<7}{heads} peak memory, MB"
    yield f"{_first('codec', report)}quality{cores}  {cores}   encode  decode"
    for name, row in speed["codecs"].items():
        if "failed" in row:
            yield _first(name, report) + _why_not(row)
            continue
        encode, decode = (
            "".join(f"{row[way].get(n, 0):>9.1f}" for n in counts) for way in ("encode_mps", "decode_mps")
        )
        peaks = "".join(
            f"{'-' if row[way] is None else format(row[way], '.0f'):>8}" for way in ("encode_mb", "decode_mb")
        )
        quality = "" if name in (*report["lossless"], *report["fixed_quality"]) else f"{row['quality']:g}"
        yield f"{_first(name, report)}{quality:>7}{encode}  {decode} {peaks}"
    if speed["busy"]:
        yield f"other work left {100 * speed['core_fraction']:.0f} % of a core to these codecs: speeds say little"
    if speed["width"] * speed["height"] < _SMALL * 1e6:
        yield f"speeds of images under {_SMALL} MP are mostly fixed costs"


def _notes(report: Json) -> Iterator[str]:
    kind, values = report["mode"]["kind"], ", ".join(f"{value:g}" for value in report["mode"]["values"])
    if kind == "at-bpp":
        yield f"every codec at its highest quality whose file has at most so many bits per pixel: {values}"
    elif kind == "at-psnr":
        yield f"every codec at its lowest quality whose PSNR-RGB is at least: {values} dB"
    for name, about in report["codecs"].items():
        yield from textwrap.wrap(f"{name}: {about}", _WIDE, subsequent_indent="  ")
    for reason in dict.fromkeys(report["not_measured"].values()):
        names = [name for name, why in report["not_measured"].items() if why == reason]
        yield from textwrap.wrap(f"{', '.join(names)}: not measured: {reason}", _WIDE, subsequent_indent="  ")
    for image in report["images"]:
        if image["too_small_for"]:
            titles = " and ".join(report["metrics"][name]["title"] for name in image["too_small_for"])
            yield f"too small for {titles}: {image['name']}, {image['width']}x{image['height']}"
    if report["published"]:
        curves = ", ".join(report["published"])
        yield f"published means, not measured here, of images that should be the same: {curves}"
    for name, reason in report["skipped"].items():
        yield f"skipped: {name}: {reason}"
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    yield from textwrap.wrap(f"versions: {versions}", _WIDE, subsequent_indent="  ")
    machine = report["machine"]
    yield f"machine: {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    if is_sweep(report) and len(report["lossless"]) < len(report["codecs"]):
        yield "BD-rates: PCHIP on the logarithm of the rate, over the range in brackets (MS-SSIM in dB)"
        yield f"shown of a codec with more than {_MANY} qualities: every second one; --json and --csv hold them all"


def format_csv(report: Json) -> str:
    """Return all points as CSV, one line each, images first, then their mean; metrics of lossless points are inf."""
    metrics = list(report["metrics"])
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", "width", "height", "codec", "quality", "bytes", "bpp", *metrics, "reached"])
    blocks = [([image["name"], image["width"], image["height"]], image) for image in report["images"]]
    if has_mean(report):
        blocks.append(([f"mean of {len(blocks)}", "", ""], report["mean"]))
    for head, block in blocks:
        for name, codec in block["codecs"].items():
            for point in codec.get("points", ()):
                values = ["inf" if point.get(metric, "") is None else point.get(metric, "") for metric in metrics]
                writer.writerow(
                    [*head, name, point["quality"], point["bytes"], point["bpp"], *values, point["reached"]]
                )
    return file.getvalue()
