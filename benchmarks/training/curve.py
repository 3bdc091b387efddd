"""Plot a training run: python benchmarks/training/curve.py RUN NAME -> NAME.json (validation points), NAME.svg."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("run", type=Path, help="folder of the run, with log.jsonl")
    ap.add_argument("name")
    a = ap.parse_args()
    rows = [json.loads(line) for line in (a.run / "log.jsonl").read_text().splitlines()]
    steps = [r for r in rows if "loss" in r]
    checks = [r for r in rows if "val" in r]
    here = Path(__file__).parent
    (here / f"{a.name}.json").write_text(json.dumps(checks, indent=1) + "\n")
    unit = "cpu_minutes" if all("cpu_minutes" in r for r in rows) else "minutes"
    plt.rcParams["svg.hashsalt"] = a.name
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot([r[unit] for r in steps], [r["loss"] for r in steps], lw=0.8, label="training, mean of 100 steps")
    axes.plot(
        [r[unit] for r in checks],
        [r["val"]["loss"] for r in checks],
        "o-",
        label="validation, moving average, mean of 5 qualities",
    )
    axes.set(
        xlabel=f"{unit.replace('cpu_', 'processor ')} of training", ylabel="(bpp + lmbda * mse) / sqrt(lmbda), scaled"
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(here / f"{a.name}.svg", metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    main()
