"""Where `aecodec bench` writes what it has measured."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import typer

from aecodec.cli.messages import STANDARD, fail
from aecodec.cli.outputs import check_target, write_output


class BenchOutputs(NamedTuple):
    """Names of files, `-` for standard output, and folders, each if it is asked for. force: what exists is replaced."""

    json: str | None
    csv: str | None
    html: str | None
    compressai: Path | None
    plots: Path | None
    force: bool

    @property
    def _files(self) -> list[str]:
        return [name for name in (self.json, self.csv, self.html) if name is not None]

    @property
    def standard(self) -> bool:
        """Whether one of them is standard output."""
        return STANDARD in self._files

    def check(self) -> None:
        """Make the folders. Raises typer.BadParameter, OSError; leaves with a line where matplotlib is missing."""
        if self._files.count(STANDARD) > 1 or self.html == STANDARD:
            raise typer.BadParameter("standard output takes one of --json and --csv", param_hint="-")
        files = [os.path.realpath(name) for name in self._files if name != STANDARD]
        if len(set(files)) < len(files):
            raise typer.BadParameter("--json, --csv and --html: expected a file for each")
        for name in self._files:
            check_target(name, self.force)
        if self.plots is not None:
            from aecodec.bench.plots import missing

            if reason := missing():
                fail(reason)
        for folder in (self.plots, self.compressai):
            if folder is not None:
                self._check_folder(folder)

    def _check_folder(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(folder))
        if folder.is_dir() and not self.force and any(folder.iterdir()):
            raise FileExistsError(errno.EEXIST, "has files, use --force to write among them", str(folder))
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, report: dict, page: Callable[[], bytes]) -> None:
        """Write all of them; page makes that of --html. Raises OSError."""
        from aecodec.bench.plots import draw_report
        from aecodec.bench.published import curve_files
        from aecodec.bench.table import format_csv

        texts = {}
        if self.json is not None:
            texts[self.json] = json.dumps(report, indent=1, allow_nan=False) + "\n"
        if self.csv is not None:
            texts[self.csv] = format_csv(report)
        said = texts.pop(STANDARD, None)
        for name, text in texts.items():  # first, as they hold what took long to measure
            write_output(name, text.encode(), self.force)
        if self.html is not None:
            write_output(self.html, page(), self.force)
        if self.plots is not None:
            self._write_files(self.plots, draw_report(report))
        if self.compressai is not None:
            self._write_files(self.compressai, curve_files(report))
        if said is not None:  # last, as a reader that goes away ends it all
            write_output(STANDARD, said.encode(), self.force)

    def _write_files(self, folder: Path, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            write_output(str(folder / name), data, self.force)
