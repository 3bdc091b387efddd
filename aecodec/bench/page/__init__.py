"""The report as one self-contained HTML file: page.html with its style, its scripts, the data inside.

page.js      fills the page          chart.js     plots as SVG          compare.js   two images side by side
"""

import json
from collections.abc import Sequence
from pathlib import Path

from aecodec.bench.codecs import colours, dashed
from aecodec.bench.report import Json
from aecodec.page import ZOOM

_HERE = Path(__file__).parent
_SCRIPTS = (_HERE / "chart.js", ZOOM, _HERE / "compare.js", _HERE / "page.js")


def build_page(report: Json, comparisons: Sequence[Json], left_out: int = 0) -> bytes:
    """Return the page of a report made by build_report, with the comparisons of `comparisons.build_comparison`.

    `left_out`: images that are not compared, so that the page stays small.
    """
    data = {
        "report": report,
        "colours": colours(list(report["codecs"])),
        "dashed": dashed(list(report["codecs"])),
        "comparisons": list(comparisons),
        "left_out": left_out,
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")  # no tag ends the script
    parts = {
        "/*CSS*/": (_HERE / "page.css").read_text(encoding="utf-8"),
        "/*JS*/": "\n".join(['"use strict";', *(path.read_text(encoding="utf-8") for path in _SCRIPTS)]),
        "/*DATA*/": text,
    }
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    for mark, part in parts.items():
        before, _, after = page.partition(mark)
        page = before + part + after
    return page.encode()
