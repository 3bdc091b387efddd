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
    from aecodec.cli.each import for_each
    from aecodec.cli.find import AEZ, find
    from aecodec.cli.messages import title
    from aecodec.cli.outputs import write_line

    limits, max_file = allowed(limit)

    def say_failed(source: str, line: str) -> None:
        if as_json:
            write_line(json.dumps({"file": source, "status": "failed", "error": line}))

    def job(name: str) -> None:
        from aecodec import container

        container.read(read_aez(name, max_file), limits)
        if as_json:
            write_line(json.dumps({"file": name, "status": "ok"}))
        elif not quiet:
            write_line(f"{title(name)}: ok")

    for_each(find(inputs, AEZ, recursive).files, job, say_failed)
