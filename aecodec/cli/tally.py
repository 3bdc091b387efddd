"""What a command with many inputs has done so far, and how it says so."""

import os
import time
from dataclasses import dataclass, field

from aecodec.cli.messages import STANDARD
from aecodec.cli.tasks import Task

_NAMED = 5  # failures whose names the summary repeats


@dataclass
class Tally:
    """What has been done so far."""

    tasks: list[Task]
    sizes: dict[str, int] = field(default_factory=dict)  # of inputs, bytes
    start: float = field(default_factory=time.perf_counter)
    done: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    code: int = 0
    pixels: int = 0
    read: int = 0  # bytes of the inputs that are done
    written: int = 0

    def __post_init__(self) -> None:
        self.sizes = {task.source: _size(task.source) for task in self.tasks if not task.problem}
        self._total = sum(self.sizes.values())
        self._behind = 0

    def pass_by(self, task: Task) -> None:
        """Count the size of an input that need not be waited for any longer."""
        self._behind += self.sizes.get(task.source, 0)

    def share(self) -> float:
        """How much of the work is behind us, by the size of the inputs."""
        return self._behind / self._total if self._total else 1.0

    def line(self) -> str:
        """What a progress bar says."""
        parts = [f"{self.done + self.skipped + len(self.failed)}/{len(self.tasks)} files", self._speed()]
        if self.done:
            parts.append(self._saved())
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return ", ".join(parts)

    def summary(self) -> str:
        """What is said in the end."""
        seconds = time.perf_counter() - self.start
        parts = [f"{self.done} of {len(self.tasks)} files in {seconds:.1f} s"]
        if self.done:
            parts += [self._speed(), f"{amount(self.read)} to {amount(self.written)}", self._saved()]
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        left = len(self.tasks) - self.done - self.skipped - len(self.failed)
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


def amount(size: int) -> str:
    """Return bytes in a unit that reads well.

    >>> amount(999), amount(21483), amount(3_500_000)
    ('999 bytes', '21.5 kB', '3.5 MB')
    """
    if size < 1000:
        return f"{size} bytes"
    unit = "kB" if size < 999_950 else "MB" if size < 999_950_000 else "GB"
    return f"{size / {'kB': 1e3, 'MB': 1e6, 'GB': 1e9}[unit]:.1f} {unit}"


def _size(name: str) -> int:
    try:
        return 0 if name == STANDARD else os.path.getsize(name)
    except OSError:
        return 0
