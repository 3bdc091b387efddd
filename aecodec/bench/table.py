"""The report as plain text, at most 100 columns."""

from collections.abc import Iterator

from aecodec.bench.report import Json
from aecodec.bench.rivals import SUBJECT

_MANY = 10  # a codec with more qualities than this shows every second one
_SMALL = 0.5  # megapixels
_HEAD = "codec      quality       bytes     bpp  PSNR dB  enc MP/s  dec MP/s   at this PSNR"


def format_report(report: Json, *, pictures: bool = True) -> str:
    """Return the table of a report made by build_report: each picture (unless `pictures` is false), then the mean."""
    return "\n".join(_lines(report, pictures)) + "\n"


def _lines(report: Json, pictures: bool) -> Iterator[str]:
    anchor, shown = report["anchor"], report["pictures"]
    if pictures or len(shown) == 1:
        for picture in shown:
            title = f"{picture['name']}, {picture['width']}x{picture['height']}"
            yield from _block(f"{title} ({picture['note']})" if picture["note"] else title, picture, anchor)
            yield ""
    if len(shown) > 1:
        yield from _block(f"mean of {len(shown)} pictures", report["mean"], anchor)
        yield ""
    for name, about in report["codecs"].items():
        yield f"{name}: {about}"
    for name, reason in report["not_measured"].items():
        yield f"{name}: not measured: {reason}"
    for name, reason in report["skipped"].items():
        yield f"skipped: {name}: {reason}"
    times = f"speeds: medians of {report['repeats']} after a warm-up, threads as each library does by default"
    yield f"{times}, {report['machine']['cores']} cores"
    if shown and max(one["width"] * one["height"] for one in shown) < _SMALL * 1e6:
        yield f"speeds of pictures under {_SMALL} MP are mostly fixed costs"
    yield f"BD-rate: mean difference of bits at equal PSNR-RGB against {anchor}, over the range in brackets"
    yield f"shown of a codec with more than {_MANY} qualities: every second one; --json holds them all"


def _block(title: str, block: Json, anchor: str) -> Iterator[str]:
    yield title
    yield _HEAD
    for name, codec in block["codecs"].items():
        if "failed" in codec:
            yield f"{name:<10} failed: {codec['failed']}"
            continue
        points = codec["points"]
        for point in points[::2] if len(points) > _MANY else points:
            yield _row(name, point, anchor)
    for name, delta in block["bd_rate"].items():
        yield f"BD-rate against {anchor}: {name:<10}{format_delta(delta)}"


def _row(name: str, point: Json, anchor: str) -> str:
    psnr = "inf" if point["psnr"] is None else f"{point['psnr']:.2f}"
    speeds = "".join(f"{point[key]:>10.1f}" for key in ("encode_mps", "decode_mps"))
    other = anchor if name == SUBJECT else SUBJECT
    row = f"{name:<10}{point['quality']:>8}{point['bytes']:>12.0f}{point['bpp']:>8.3f}{psnr:>9}{speeds}"
    if other not in point["bytes_at_this_psnr"]:
        return row
    size = point["bytes_at_this_psnr"][other]
    if size is None:
        return f"{row}   {other}: outside its range"
    ours, theirs = (point["bytes"], size) if name == SUBJECT else (size, point["bytes"])
    return f"{row}   {other} {size:.0f}, {SUBJECT} is {100 * (ours / theirs - 1):+.0f} %"


def format_delta(delta: Json | None) -> str:
    """Return one BD-rate of a report with the range of PSNR it was taken over."""
    if delta is None:
        return "no overlap of PSNR"
    return f"{delta['percent']:+7.1f} %  ({delta['low']:.1f}..{delta['high']:.1f} dB)"
