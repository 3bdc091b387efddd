"""aecodec verify: whether .aez files are what was written."""

from aecodec.cli.options import AezFiles, Json, LimitOption, Quiet, Recursive, allowed


def verify(
    inputs: AezFiles,
    recursive: Recursive = False,
    quiet: Quiet = False,
    as_json: Json = False,
    limit: LimitOption = None,
) -> None:
    """Check every checksum of .aez files, without decoding pixels.

    A line for each file: "ok" on standard output, or what is wrong on standard error; then the exit status is 1.
    Header, index, tiles, alpha and metadata have a checksum each, and the size of the file must be right. What a file
    decodes to is what `compress --verify` looks at.

    \b
    Examples:
      aecodec verify photo.aez
      aecodec verify -r packed --quiet                    only what is damaged
      ssh host cat photo.aez | aecodec verify -
    """
    import json

    from aecodec.batch.inputs import read_aez
    from aecodec.batch.jobs import Task
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import STANDARD, title
    from aecodec.cli.outputs import write_line
    from aecodec.cli.tasks import run

    limits, max_file = allowed(limit)

    def say_failed(source: str, line: str) -> None:
        if as_json:
            write_line(json.dumps({"file": source, "status": "failed", "error": line}))

    def job(task: Task) -> None:
        from aecodec import container

        container.read(read_aez(task.source, max_file), limits)
        if as_json:
            write_line(json.dumps({"file": task.source, "status": "ok"}))
        elif not quiet:
            write_line(f"{title(task.source)}: ok")

    files = find(inputs, AEZ, recursive).files
    run([Task(name, STANDARD, problem) for name, _, problem, _ in files], job, say_failed)
