"""What became of each input and of all of them together: lines for people, or a JSON object each.

photo.jpg: 4000x3000, 6,075,543 -> 1,210,960 bytes (80 % saved), 0.807 bpp
"""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aecodec.batch.jobs import Failed, Made, saving
from aecodec.cli.messages import about, amount, explain, say, title
from aecodec.cli.outputs import write_line

_NAMED = 5  # failures whose names the summary repeats


def size_line(width: int, height: int, size: int) -> str:
    """Return what is said of an .aez file.

    >>> size_line(768, 512, 21483)
    '768x512, 21,483 bytes, 0.437 bpp'
    """
    return f"{width}x{height}, {size:,} bytes, {8 * size / (width * height):.3f} bpp"


@dataclass
class Report:
    """Says what has been done, and counts it."""

    total: int  # inputs
    quiet: bool = False
    as_json: bool = False
    others: Counter[str] = field(default_factory=Counter)  # files in folders that are left out, by extension
    drawn: bool = False  # a progress bar stands for the lines of files that went well
    start: float = field(default_factory=time.perf_counter)
    done: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    code: int = 0
    pixels: int = 0
    read: int = 0  # bytes of the inputs that are done
    written: int = 0
    megapixels: float = 0.0  # of the file that is being worked on

    def made(self, source: str, target: str, made: Made) -> None:
        """Report a file that is written."""
        self.done += 1
        self.pixels += made.width * made.height
        self.read += made.read
        self.written += made.size
        self.code = max(self.code, made.code)
        sizes = {"input_bytes": made.read, "output_bytes": made.size}
        shape = {"width": made.width, "height": made.height}
        self._json(source, "done", output=target, **shape, **sizes, **made.fields, notes=list(made.notes))
        shown = not self.quiet and not self.as_json
        lines = (made.line,) if shown and not self.drawn else ()
        for line in lines + (made.notes if shown or made.code else ()):  # what is damaged is never left unsaid
            say(about(source, line))

    def skip(self, source: str, target: str) -> None:
        """Report an input whose output is there already."""
        self.skipped += 1
        self._json(source, "skipped", output=target)
        if self.total == 1 and not self.quiet and not self.as_json:
            say(f"{title(source)}: skipped, {title(target)} exists")

    def fail(self, source: str, why: Failed) -> None:
        """Report an input of which nothing is written."""
        self.failed.append(title(source))
        self.code = max(self.code, why.code)
        line = why.line if why.limit is None else explain(why.limit) or ""
        self._json(source, "failed", error=line)
        say(about(source, line))

    def finish(self) -> None:
        """Report all of several inputs, and what was left out of folders."""
        if self.quiet or self.as_json:
            return
        if self.others:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.others.most_common(_NAMED))
            count = sum(self.others.values())
            say(f"left out: {count} file{'s' * (count > 1)} of other kinds ({kinds})")
        if self.total > 1:
            say(self._summary())

    def progress(self) -> str:
        """What a progress bar says."""
        if self.total == 1:
            return f"{self.megapixels:.1f} MP"
        parts = [f"{self.done + self.skipped + len(self.failed)}/{self.total} files", self._speed()]
        if self.done:
            parts.append(self._saved())
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return ", ".join(parts)

    def _summary(self) -> str:
        seconds = time.perf_counter() - self.start
        parts = [f"{self.done} of {self.total} files in {seconds:.1f} s"]
        if self.done:
            change = saving(self.read, self.written)
            parts += [self._speed(), f"{self.read:,} -> {self.written:,} bytes{f' ({change})' if change else ''}"]
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        left = self.total - self.done - self.skipped - len(self.failed)
        if left:
            parts.append(f"{left} not tried")
        if self.failed:
            more = len(self.failed) - _NAMED
            names = [*self.failed[:_NAMED], *([f"{more} more"] if more > 0 else [])]
            parts.append(f"{len(self.failed)} failed: {', '.join(names)}")
        return ", ".join(parts)

    def _speed(self) -> str:
        return f"{self.pixels / 1e6 / max(time.perf_counter() - self.start, 1e-9):.2f} MP/s"

    def _saved(self) -> str:
        more = self.written - self.read
        return f"{amount(more)} more" if more > 0 else f"{amount(-more)} saved"

    def _json(self, source: str, status: str, **values: Any) -> None:
        if self.as_json:
            write_line(json.dumps({"file": source, "status": status, **values}))
