"""Options that several commands have, with their help."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, NamedTuple

import typer

from aecodec.batch.inputs import MAX_FILE
from aecodec.cli.messages import parse_size
from aecodec.limits import Limits
from aecodec.storage import plain_name

_DEFAULTS: dict[str, Any] = {field.name.removeprefix("max_"): field.default for field in fields(Limits)}
_DEFAULTS["file"] = MAX_FILE


def _plain_names(names: list[str] | None) -> list[str] | None:
    return names and [plain_name(name) for name in names]


def _plain(name: str | None) -> str | None:
    return name and plain_name(name)


AezFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="IN...",
        callback=_plain_names,
        help="Files in .aez format, folders of them, patterns such as '*.aez' in quotes, addresses such as "
        "s3://bucket/folder/, or - for standard input.",
    ),
]
ImageFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="IN...",
        callback=_plain_names,
        help="Images, folders of images, patterns such as '*.png' in quotes, addresses such as s3://bucket/folder/, or "
        "- for standard input.",
    ),
]


def output_option(help: str) -> Any:
    """`--output` with the help of a command."""
    return typer.Option("--output", "-o", metavar="OUT", callback=_plain, help=help)


Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Look into the folders inside of folders too. Default: not.")
]
OutDir = Annotated[
    str | None,
    typer.Option(
        "--out-dir",
        metavar="DIR",
        callback=_plain,
        help="Write into this folder or address, which is made if need be. What is found in a folder or by a pattern "
        "keeps its place below it: of the folder photos, photos/2024/a goes to DIR/2024/a. Default: beside each input.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        help="Files at once, each with its share of the threads; memory grows with N. Default: 1; with --cluster local "
        "a process for each core.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        "-t",
        metavar="N",
        min=1,
        help="Threads in all. Default: one for each core. What comes out does not depend on it.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace existing outputs. Default: they are an error.")]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Leave out inputs whose output exists: continues where an earlier run has ended. Default: not.",
    ),
]
KeepTimes = Annotated[
    bool,
    typer.Option(
        "--keep-times/--no-keep-times",
        help="Give each output the times of access and modification of its input. Default: yes.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors. Default: a line for each file.")]
QuietOnce = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors. Default: what was done.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Write a JSON object for each file, on a line of its own, to standard output. Default: lines for people.",
    ),
]
JsonOnce = Annotated[
    bool, typer.Option("--json", help="Write a JSON object to standard output at the end. Default: lines for people.")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=N",
        help="Change a limit that protects this machine from files made to exhaust it: pixels, tiles, bytes of "
        "metadata or bytes of a file; can be repeated. "
        f"Default: {', '.join(f'{name}={number}' for name, number in _DEFAULTS.items())}.",
    ),
]


Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="local|ADDRESS",
        help="Work on a Dask cluster: local for one of --jobs processes on this machine, or the address of a scheduler "
        "as in tcp://host:8786, whose workers reach inputs and outputs by the same names. Default: in this process.",
    ),
]


@dataclass(frozen=True)
class BatchOptions:
    """The options of the commands that make a file of each input."""

    out_dir: OutDir = None
    recursive: Recursive = False
    jobs: Jobs = None
    threads: Threads = None
    cluster: Cluster = None
    force: Force = False
    skip_existing: SkipExisting = False
    keep_times: KeepTimes = True
    quiet: Quiet = False
    as_json: Json = False
    limit: LimitOption = None

    def check(self) -> None:
        """Raise typer.BadParameter for two answers to one question."""
        if self.force and self.skip_existing:
            raise typer.BadParameter("not together with --force", param_hint="--skip-existing")
        allowed(self.limit)


def with_batch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `BatchOptions` after its own; it gets them as its argument `options`."""
    shared = {field.name: (field.type, field.default) for field in fields(BatchOptions)}

    @wraps(command)
    def run(**values: Any) -> None:
        options = BatchOptions(**{name: values.pop(name) for name in shared})
        options.check()
        command(**values, options=options)

    keyword = Parameter.KEYWORD_ONLY
    own = [p for p in signature(command).parameters.values() if p.name != "options"]
    more = [Parameter(name, keyword, default=default, annotation=kind) for name, (kind, default) in shared.items()]
    run.__signature__ = Signature([*own, *more])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *more)}
    return run


class Allowed(NamedTuple):
    """What a command takes on. `limits`: of the library; `file`: bytes of an input."""

    limits: Limits
    file: int


def allowed(values: list[str] | None) -> Allowed:
    """Parse what was given with --limit. Raises typer.BadParameter.

    >>> allowed(["pixels=400000000", "file=4GiB"])
    Allowed(limits=Limits(max_pixels=400000000, max_tiles=8192, max_metadata=67108864), file=4294967296)
    """
    limits: dict[str, int] = dict(_DEFAULTS)
    for value in values or ():
        name, _, number = value.partition("=")
        try:
            if name not in limits or (name in ("pixels", "tiles") and not (number.isascii() and number.isdigit())):
                raise typer.BadParameter("no such limit")
            limits[name] = parse_size(number)
        except typer.BadParameter:
            reason = f"{value!r}, expected NAME=N with {', '.join(limits)}"
            raise typer.BadParameter(reason, param_hint="--limit") from None
    file = limits.pop("file")
    return Allowed(Limits(**{f"max_{name}": number for name, number in limits.items()}), file)


def complete_models(incomplete: str) -> Iterator[str]:
    """Yield the names of the installed models that begin so, for the completion of the shell."""
    from aecodec.families import installed

    yield from (model.name for model in installed() if model.name.startswith(incomplete))
