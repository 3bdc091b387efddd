"""Run one benchmark and write its result: python benchmarks/run.py NAME [--images PATH ...] [options].

A benchmark is a module in this folder with two functions: add_options(parser), which may be missing, and run(options),
which measures and calls common.write_result. `python benchmarks/run.py NAME --help` shows its options.
"""

import argparse
import ast
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("run", "common"))


def describe(name: str) -> str:
    """Return the docstring of a benchmark, without importing it."""
    return ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""


def main() -> None:
    listing = "\n".join(f"  {name:<12}{describe(name).splitlines()[0]}" for name in NAMES)
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=f"{__doc__}\n{listing}", formatter_class=raw)
    parser.add_argument("name", choices=NAMES, metavar="NAME")
    name = parser.parse_args(sys.argv[1:2]).name
    benchmark = importlib.import_module(name)
    parser = argparse.ArgumentParser(prog=f"run.py {name}", description=describe(name), formatter_class=raw)
    parser.add_argument("--images", type=Path, nargs="+", default=[], help="images or folders; most have a default")
    getattr(benchmark, "add_options", lambda parser: None)(parser)
    try:
        benchmark.run(parser.parse_args(sys.argv[2:]))
    except OSError as error:
        sys.exit(f"{error.filename or name}: {error.strerror or error}")


if __name__ == "__main__":
    main()
