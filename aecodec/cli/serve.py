"""aecodec serve: a folder of .aez files in the browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aecodec.cli.options import LimitOption, allowed

if TYPE_CHECKING:
    from aecodec.web.decoder import BrowserDecoder
    from aecodec.web.gallery import Gallery


def serve(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="[FOLDER]",
            help="Folder of .aez files, or one of them to begin with. Default: this folder.",
            show_default=False,
        ),
    ] = ".",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 for a free one. Default: 0.", show_default=False)
    ] = 0,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser. Default: say where it is.")
    ] = False,
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="AECODEC_RUNTIME",
            show_envvar=False,
            help="The npm package onnxruntime-web, with which the browser decodes. Default: AECODEC_RUNTIME of the "
            "environment, without it this program decodes.",
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the gallery as files for any web server, and end. DIR is new, empty, or an older export.",
            show_default=False,
        ),
    ] = None,
    limit: LimitOption = None,
) -> None:
    """Show a folder in the browser of this machine, until Ctrl-C.

    Thumbnails first; a picture can be zoomed and compared with the image that it was made from, if one of the same name
    lies beside it, and with a JPEG of equally many bytes. An .aez file that is dropped onto the page is shown, and any
    other image is compressed. Nothing outside of the folder is shown, nothing is written, no other machine is answered,
    and no other user of this one, as the address has a key.

    Files of photo models are decoded by the browser if there is a runtime for it: npm install onnxruntime-web,
    then --runtime node_modules/onnxruntime-web.

    --export writes the same page with all that it needs into a folder that any web server can show, whole or not at
    all: copies of the .aez files, thumbnails, the decoder with the weights and the runtime, and PNG files of pictures
    that the browser does not decode. Comparing and compressing need this program and are left out.

    \b
    Examples:
      aecodec serve photos --open
      aecodec serve photos/cat.aez --open
      aecodec serve --port 8000
      aecodec serve photos --runtime node_modules/onnxruntime-web
      aecodec serve photos --runtime node_modules/onnxruntime-web --export site
    """
    from urllib.parse import quote

    from aecodec.cli.messages import explain, fail, say
    from aecodec.errors import AezError, printable
    from aecodec.files import EXTENSION
    from aecodec.storage import is_address
    from aecodec.web.decoder import BrowserDecoder
    from aecodec.web.gallery import Gallery, encodable
    from aecodec.web.server import Server

    limits, max_file = allowed(limit)
    if is_address(folder):
        fail(f"{printable(folder)}: expected a folder of this machine")
    shown = Path(folder)
    if not shown.exists():
        fail(f"{printable(folder)}: no such file or folder")
    name = "" if shown.is_dir() else shown.name
    if name and not (shown.is_file() and name.lower().endswith(EXTENSION)):
        fail(f"{printable(folder)}: expected a folder or an .aez file")
    if not encodable(name):
        fail(f"{printable(folder)}: a name that is no UTF-8, which no address can hold: rename it")
    gallery = Gallery(shown.parent if name else shown, limits, max_file)
    try:
        decoder = BrowserDecoder(runtime)
    except AezError as error:
        fail(explain(error) or "failed")
    if export is not None:
        _export(gallery, export, decoder)
        return
    try:
        server = Server(gallery, port, decoder)
    except OSError as error:
        fail(f"port {port}: {(error.strerror or str(error)).lower()}")
    with server:
        place = f"#/{quote(name)}" if name else ""
        say(f"{server.address}{place} shows {printable(folder)}; Ctrl-C ends")
        if open_page:
            import webbrowser

            webbrowser.open(server.address_for_once() + place)
        server.serve_forever()


def _export(gallery: "Gallery", target: Path, decoder: "BrowserDecoder") -> None:
    """Write the gallery as files. Says what is not shown, and leaves with 1 if there is such."""
    from aecodec.cli.messages import about, explain, fail, say
    from aecodec.errors import AezError, printable
    from aecodec.web.export import export, restore

    try:
        if restore(target):
            say(f"{printable(str(target))}: the export of before is back; the last one was ended as it took its place")
        exported = export(gallery, target, decoder)
    except (AezError, OSError) as error:
        fail(about(str(target), explain(error) or "failed"))
    for name, line in exported.wrong.items():
        say(f"{printable(name)}: {line}")
    made = f", {exported.made} of them as PNG too, for browsers" if exported.made else ""
    count = exported.pictures - len(exported.wrong)
    say(f"{printable(str(target))}: {count} picture{'' if count == 1 else 's'}{made}")
    if exported.wrong:
        raise typer.Exit(1)
