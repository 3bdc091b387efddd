"""The command line. Each command is one file, light to import: what it works with is imported when it runs."""

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from aecodec.classic.commands.denoise import denoise
from aecodec.classic.commands.generate import generate
from aecodec.cli.bench import bench
from aecodec.cli.bits import bits
from aecodec.cli.compress import compress
from aecodec.cli.decompress import decompress
from aecodec.cli.desktop import desktop
from aecodec.cli.export import export
from aecodec.cli.info import info
from aecodec.cli.log import log
from aecodec.cli.messages import explain, say
from aecodec.cli.models import models
from aecodec.cli.serve import serve
from aecodec.cli.train import train
from aecodec.cli.verify import verify
from aecodec.system import interrupts
from aecodec.system.atomic import remove_unfinished

_TERMINATED = 143


class _Commands(TyperGroup):
    """All commands; what ends one of them early is one line on standard error."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _explained():  # options such as --install-completion run here
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _explained():
            return super().invoke(ctx)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        interrupts.raise_again()
        yield
    except KeyboardInterrupt:
        say("interrupted")
        raise SystemExit(interrupts.CODE) from None
    except Exception as error:
        if (line := explain(error)) is None:
            raise
        say(line)
        raise SystemExit(1) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes as long to load as all the rest of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "color": False if os.environ.get("NO_COLOR") else None},
)
_COMMANDS = (
    *(compress, decompress, info, verify, bits, denoise, generate, models, bench, train, log, export, serve, desktop),
)
for _command in _COMMANDS:
    app.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from aecodec import __version__
        from aecodec.container import VERSION
        from aecodec.model.model import models

        typer.echo(f"aecodec {__version__}")
        typer.echo(f"format {VERSION}")
        for model in models().values():
            typer.echo(f"model {model.name}, id 0x{model.id:04x}")
        raise typer.Exit


@app.callback()
def _aecodec(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the versions of the program and of the format that it writes, and the installed models with the "
            "ids that files carry.",
        ),
    ] = False,
) -> None:
    """A learned image codec: small files, on a plain CPU, that decode everywhere.

    Exit status: 0 done, 1 something failed, 2 wrong usage, 130 interrupted by Ctrl-C.

    \b
    Examples:
      aecodec compress photo.png                 photo.aez
      aecodec decompress photo.aez               photo.png
      aecodec COMMAND --help                     all about a command

    \b
    Environment:
      AECODEC_WEIGHTS    folder of other weights than the installed ones
      NO_COLOR           if set, the progress bar has no colours
    """


def main() -> None:
    """Run the command line of this process and exit."""
    for number in range(3):  # a standard stream that is closed would lend its number to the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    warnings.filterwarnings("ignore", module="PIL")  # what it finds odd in a file that it reads all the same
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="aecodec")
    except MemoryError:  # before any command has begun
        say("out of memory")
        raise SystemExit(1) from None
    except SystemExit as left:
        if left.code in (interrupts.CODE, _TERMINATED):  # threads at work are not waited for: they write nothing
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and not stream.closed:
                    stream.flush()
            remove_unfinished()
            os._exit(left.code)
        raise


def _terminate(number: int, frame: object) -> None:
    """Leave through the exception, so that unfinished files are removed."""
    raise SystemExit(_TERMINATED)
