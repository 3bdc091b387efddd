"""aecodec train for a classic model. Arguments are checked before Keras is loaded."""

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from aecodec.classic.train.begun import check_widening, read_entry
from aecodec.classic.train.data import load
from aecodec.classic.train.entries import ENTRIES
from aecodec.cli.messages import check_folders, explain, fail, say
from aecodec.cli.outputs import check_target
from aecodec.cli.silence import calm, muted
from aecodec.errors import AezError
from aecodec.train.runs import HISTORY, check_new


def list_models() -> str:
    """Return a table of what can be trained, with the epochs and training images that are the default."""
    rows = [("model", "epochs", "images", "what it is, its data")]
    rows.append(("photo", "", "", "learned codec for images of any kind: --data FOLDER, and --minutes or --steps"))
    for name, entry in ENTRIES.items():
        images = str(entry.training["pictures"] or "all")
        rows.append((name, str(entry.training["epochs"]), images, f"{entry.about}, {entry.data}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def train_classic(name: str, data: Path | None, out: Path, val: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Train an entry and return what --json says of it. Ends the command for bad input.

    `options`: the other options of aecodec train that were given, under the names of its arguments.
    """
    silent, widen = options["silent"], options.get("widen")
    if name not in ENTRIES:
        fail(f"unknown model {name!r}: there are photo, {', '.join(ENTRIES)}; see aecodec train --list", code=2)
    settings = {"seed": "0"} | {key: str(options[key]) for key in ("epochs", "batch", "rate", "seed") if key in options}
    if options.get("full"):
        settings["pictures"] = "0"
    for setting in options.get("parameters", ()):
        key, equals, value = setting.partition("=")
        if not equals:
            fail(f"-p {setting}: expected NAME=VALUE", code=2)
        settings[key.strip()] = value.strip()
    try:
        entry = ENTRIES[name].with_parameters(settings)
    except ValueError as e:
        fail(f"{name}: {e}", code=2)
    check_folders({"--data": data, "--val": val, "--widen": widen})
    check_new(out)
    check_target(str(out / HISTORY), force=True, makes_folders=True)
    downloads = entry.digits and data is None and val is None
    try:
        if widen is not None:
            check_widening(read_entry(widen), entry)
        with calm(silent) if downloads else nullcontext():
            images = load(entry, data, val)
        with calm(silent):
            from aecodec.classic.train.run import run
        with muted(silent), redirect_stdout(sys.stderr):  # the progress bar of Keras is not data
            results, figures = run(entry, images, out, 1 if sys.stderr.isatty() else 2, widen)
    except (AezError, OSError, ValueError, FloatingPointError) as e:
        fail(explain(e) or str(e))
    if not silent:
        say(figures)
        say(f"{out}: install it with aecodec export {out}")
    return {"results": results}
