"""aecodec train for a classic model. Arguments are checked before Keras is loaded."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from aecodec.classic.train.entries import ENTRIES
from aecodec.cli.messages import check_folders, fail, say
from aecodec.cli.silence import calm, muted
from aecodec.errors import AezError


def train_classic(name: str, data: Path | None, out: Path, val: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Train an entry and return what --json says of it. Ends the command for bad input.

    `options`: the other options of aecodec train that were given, under the names of its arguments.
    """
    if name not in ENTRIES:
        fail(f"unknown model {name!r}: there are photo, {', '.join(ENTRIES)}", code=2)
    settings = {"seed": "0"} | {key: str(options[key]) for key in ("epochs", "batch", "rate", "seed") if key in options}
    for setting in options.get("parameters", ()):
        key, equals, value = setting.partition("=")
        if not equals:
            fail(f"-p {setting}: expected NAME=VALUE", code=2)
        settings[key.strip()] = value.strip()
    try:
        entry = ENTRIES[name].with_parameters(settings)
    except ValueError as e:
        fail(f"{name}: {e}", code=2)
    check_folders({"--data": data, "--val": val, "--widen": options.get("widen")})
    with calm():
        from aecodec.classic.train.run import run
    try:
        with muted(options["silent"]), redirect_stdout(sys.stderr):  # the progress bar of Keras is not data
            verbose = 1 if sys.stderr.isatty() else 2
            results, figures = run(entry, data, val, out, verbose, options.get("widen"))
    except (AezError, OSError, ValueError, FloatingPointError) as e:
        fail(str(e))
    if not options["silent"]:
        say(figures)
        say(f"{out}: install it with aecodec export {out}")
    return {"results": results}
