"""aecodec export for a classic model."""

from pathlib import Path

from aecodec.classic.train.install import ENTRY, install


def is_classic(run: Path) -> bool:
    """Whether it is the folder of a finished run of a classic model."""
    return (run / ENTRY).exists()


def export_classic(run: Path, out: Path, number: int | None) -> tuple[Path, int, int]:
    """Install the model of a run below `out` -> its folder, id, bytes. Raises ModelError or OSError."""
    folder = out / "classic"
    name, number, size = install(run, folder, number)
    return folder / name, number, size
