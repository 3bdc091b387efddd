"""What the commands share: names of outputs, files that appear whole or not at all, one line for each failure."""

import errno
import io
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple, NoReturn

import typer

from aecodec.cli.limits import FILE
from aecodec.cli.unfinished import unfinished
from aecodec.errors import AezError, LimitError

STANDARD = "-"  # standard input or output
_EXISTS = "exists, use --force to replace it"


class Task(NamedTuple):
    """One input and where its result goes; `problem` says why it must not be tried."""

    source: str
    target: str
    problem: str = ""


def say(message: str) -> None:
    """Write a line to standard error, if there is anyone to read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and leave the command: code 1 is a failure, 2 wrong usage."""
    say(message)
    raise typer.Exit(code)


def shown(name: str) -> str:
    """Return a file's name in printable characters.

    >>> shown("a\\nb.png")
    'a\\\\nb.png'
    """
    return name if name.isprintable() else ascii(name)[1:-1]


def title(source: str) -> str:
    """Return how an input is called in messages."""
    return "standard input" if source == STANDARD else shown(source)


def explain(error: BaseException) -> str | None:
    """Return the line for an error that comes from the input, the disk or the memory, None for one that is ours.

    >>> explain(FileNotFoundError(2, "No such file or directory", "a.png"))
    'a.png: no such file or directory'
    """
    if isinstance(error, LimitError):
        return f"{error.found}, limit {error.allowed}: allow it with --limit {error.name}={error.needed}"
    if isinstance(error, AezError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError):
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        return f"{shown(os.fsdecode(error.filename))}: {reason}" if isinstance(error.filename, str | bytes) else reason
    return None


def plan(inputs: list[str], output: str | None, extension: str) -> list[Task]:
    """Find out where each input's result goes: beside it with the other extension, or as `output` says.

    `output` is a file, an existing folder, or "-" for standard output. Raises typer.BadParameter if it does not go with
    the inputs. A task whose result would replace an input or another task's result is marked with that problem.
    """
    folder = output if output not in (None, STANDARD) and os.path.isdir(output) else None
    if output is not None and folder is None:
        if len(inputs) > 1:
            raise typer.BadParameter(f"{shown(output)}: expected a folder for several inputs", param_hint="-o")
        if not output or output.endswith(("/", os.sep)):
            raise typer.BadParameter(f"{shown(output)}: no such folder", param_hint="-o")
    targets = []
    for source in inputs:
        if folder is not None:
            if source == STANDARD:
                raise typer.BadParameter("expected the name of a file for standard input", param_hint="-o")
            stem = os.path.splitext(os.path.basename(source))[0]
            targets.append(os.path.join(folder, stem + extension))
        elif output is not None or source == STANDARD:
            targets.append(STANDARD if output is None else output)
        else:
            targets.append(os.path.splitext(source)[0] + extension)
    if STANDARD in targets and sys.stdout is not None and sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal, expected a file or a pipe", param_hint="-o")

    places = [_place(target) for target in targets]
    uses = Counter(places)
    sources = {_place(source) for source in inputs if source != STANDARD}
    tasks = []
    for source, target, place in zip(inputs, targets, places, strict=True):
        problem = ""
        if place is not None and place in sources:
            problem = f"{shown(target)} is an input: name another output with -o"
        elif place is not None and uses[place] > 1:
            problem = f"{shown(target)} is the output of another input too: name outputs with -o"
        tasks.append(Task(source, target, problem))
    return tasks


def _place(name: str) -> tuple[int, int] | str | None:
    """What two names of one file have in common; None for devices and pipes, in which nothing is replaced."""
    if name == STANDARD:
        return name
    try:
        found = os.stat(name)
    except OSError:
        return os.path.normcase(os.path.realpath(name))
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        return None
    return found.st_dev, found.st_ino


def run(tasks: Iterable[Task], job: Callable[[Task], int | None]) -> None:
    """Do the job for each task. One that fails says so in a line and does not stop the others.

    A job may return an exit code instead, if it has said itself what is wrong. Raises typer.Exit at the end if any
    failed, with the highest code.
    """
    worst = 0
    for task in tasks:
        line: str | None = task.problem
        if not line:
            try:
                worst = max(worst, job(task) or 0)
                continue
            except Exception as error:
                if (line := explain(error)) is None:
                    raise
        worst = max(worst, 1)
        name = title(task.source)
        say(line if line.startswith(f"{name}: ") else f"{name}: {line}")
    if worst:
        raise typer.Exit(worst)


def open_input(name: str, most: int = FILE) -> BinaryIO:
    """Open a file or standard input for reading, so that one can go back in it: a pipe is read to its end first.

    Raises OSError; LimitError if there are more than `most` bytes in a pipe.
    """
    file = _open(name)
    if file.seekable():
        return file
    with file:
        return io.BytesIO(_read_rest(file, most))


def read_aez(name: str, most: int = FILE) -> bytes:
    """Read an .aez file, the header first, so that a file of another kind is not read to its end.

    Raises OSError or DecodeError, for more than `most` bytes a LimitError.
    """
    from aecodec.container import HEADER_SIZE, read_header

    with _open(name) as file:
        head = file.read(HEADER_SIZE)
        read_header(head)
        return _read_rest(file, most, head)


def _open(name: str) -> BinaryIO:
    if name != STANDARD:
        return open(name, "rb")
    if sys.stdin is None:
        raise OSError(errno.EBADF, "closed", "standard input")
    return open(sys.stdin.fileno(), "rb", closefd=False)


def _read_rest(file: BinaryIO, most: int, head: bytes = b"") -> bytes:
    parts, size = [head], len(head)
    while part := file.read(1 << 20):
        parts.append(part)
        size += len(part)
        if size > most:
            raise LimitError("file: more bytes than that", "file", most, 2 * most)  # how many there are is not known
    return b"".join(parts)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries in C, such as libtiff about a damaged file, from writing to standard error on their own."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_target(name: str, force: bool) -> None:
    """Raise FileExistsError for an output that is not to be replaced, before any work is done for it."""
    if name != STANDARD and not force and os.path.lexists(name) and not _is_special(name):
        raise FileExistsError(errno.EEXIST, _EXISTS, name)


def write_output(name: str, data: bytes, force: bool) -> None:
    """Write a file or standard output.

    A file is written under another name in the same folder, brought to the disk and renamed, so that it is whole or
    not there; it replaces another only with `force`, not even one that has come into being meanwhile. What `name` links
    to is what is written. Devices and pipes are written directly.

    Raises OSError, with `name`; nothing unfinished is left behind by that or any other exception.
    """
    if name == STANDARD:
        write_standard(data)
        return
    path = os.path.realpath(name)
    try:
        if _is_special(path):
            with open(path, "wb") as file:
                file.write(data)
            return
        with unfinished(os.path.dirname(path)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            if force:
                with suppress(OSError):  # a new file, or a file system without modes
                    os.chmod(file.name, stat.S_IMODE(os.stat(path).st_mode))
                os.replace(file.name, path)
            else:
                _rename_to_new(file.name, path)
    except FileExistsError as error:
        raise FileExistsError(error.errno, _EXISTS, name) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), name) from None


def write_standard(data: bytes) -> None:
    """Write to standard output. A reader that has gone away or a full disk ends the command."""
    if sys.stdout is None:
        fail("standard output: closed")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer would make Python complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"standard output: {(error.strerror or str(error)).lower()}")


def _rename_to_new(source: str, path: str) -> None:
    """Rename unless `path` exists. Renaming itself would replace it; linking does not, where there are links."""
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:
        with open(path, "xb"):
            pass  # the name is ours now
        try:
            os.replace(source, path)
        except BaseException:
            os.unlink(path)
            raise


def _is_special(name: str) -> bool:
    """Whether this is a device, pipe or socket."""
    try:
        mode = os.stat(name).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def report(task: Task, width: int, height: int, channels: int, size: int, more: str = "") -> None:
    """Say what became of a file: its size, bits per pixel, and how much smaller it is than its raw samples."""
    say(f"{title(task.source)}: {summary(width, height, channels, size)}{more}")


def summary(width: int, height: int, channels: int, size: int) -> str:
    """Return the line without the name.

    >>> summary(768, 512, 3, 21483)
    '768x512, 21483 bytes, 0.437 bpp, 54.9:1'
    """
    pixels = width * height
    return f"{width}x{height}, {size} bytes, {8 * size / pixels:.3f} bpp, {pixels * channels / size:.1f}:1"
