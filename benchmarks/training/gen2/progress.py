"""How far a run has come: python benchmarks/training/gen2/progress.py RUN NAME; of weights: --shipped --val VAL.

A row of progress.json: the validation points of the run (loss, mean over five knots, of the moving average on the tiles
of VAL), and what the loss falls by in percent per e-fold of steps, fitted to the points of the later half (in steps).
With --shipped: the same loss of the shipped weights, with latents refined in the loss and without.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from trained import SHIPPED, loaded, record, tiles


def shipped(val: Path) -> None:
    from aecodec.train.validation import Validation

    pixels = tiles(val)
    for refines in (False, True):
        model = loaded(SHIPPED)
        model.refines = refines
        record("progress.json", f"shipped, {'refined' if refines else 'not refined'}", Validation(model, pixels).run())


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("run", nargs="?", type=Path)
    ap.add_argument("name", nargs="?")
    ap.add_argument("--shipped", action="store_true")
    ap.add_argument("--val", type=Path)
    a = ap.parse_args()
    if a.shipped:
        shipped(a.val)
        return
    rows = [json.loads(line) for line in (a.run / "log.jsonl").read_text().splitlines()]
    points = [
        {k: r[k] for k in ("step", "minutes", "cpu_minutes")} | {"loss": r["val"]["loss"], "knots": r["val"]["knots"]}
        for r in rows
        if "val" in r
    ]
    late = [p for p in points if p["step"] >= points[-1]["step"] / 2]
    row: dict = {"points": points}
    if len(late) > 2:
        slope = np.polyfit([math.log(p["step"]) for p in late], [math.log(p["loss"]) for p in late], 1)[0]
        row["percent_per_e_fold"] = 100 * float(slope)
    record("progress.json", a.name, row)


if __name__ == "__main__":
    main()
