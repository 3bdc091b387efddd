"""The gallery as files that any web server can show, without a program of ours behind it.

index.html, gallery.js ...          the page, with an ask.js that looks for files
gallery.json                        folders and pictures, and the limits of the decoder; it marks a folder as ours
files/NAME  thumbnails/NAME.png     .aez files as they are, and small pictures of them
pictures/NAME.png                   whole pictures, of files that the browser does not decode
aez/  weights/  runtime/            what it decodes with
"""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aecodec.container import EXIF, ICC, NO_MODEL, read_index
from aecodec.errors import AezError, explain
from aecodec.model.model import GRADIENT
from aecodec.page import ZOOM
from aecodec.system.atomic import unfinished_folder
from aecodec.web.decoder import CODE, RUNTIME, BrowserDecoder
from aecodec.web.gallery import Folder, Gallery, Listed, NotFound

_HERE = Path(__file__).parent
_FOLDERS = {"files", "thumbnails", "pictures", "aez", "weights", "runtime"}
_MARK = {"made_by": "aecodec serve --export"}
_NO_ROOM = (errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)
_NOT_HERE = {ICC, EXIF}  # chunks whose colours and turns the browser does not apply


class Exported(NamedTuple):
    """How many pictures there are, how many of them as PNG too; by name what is wrong with those that are not shown."""

    pictures: int
    made: int
    wrong: dict[str, str]


def export(gallery: Gallery, target: Path, decoder: BrowserDecoder) -> Exported:
    """Write the gallery to a folder, which is whole or not there; an empty one and an older export are replaced.

    What others have put beside the files and folders of an older export stays. A process that is killed at the worst
    moment leaves the older export where `restore` finds it. Raises FileExistsError for any other folder, ModelError,
    OSError.
    """
    shown, target = str(target), target.resolve()
    if gallery.root.is_relative_to(target):
        raise FileExistsError(errno.EEXIST, "has the pictures in it", shown)
    before = _before(target)
    for folder, name in ((target, shown), (before, str(before))):
        if folder.exists() and not _replaceable(folder):
            raise FileExistsError(errno.EEXIST, "is there, and is no export of before", name)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder is missing", shown)
    with unfinished_folder(str(target.parent)) as new:
        exported = _Export(gallery, new, target, decoder).write()
        if target.exists():
            _keep_others(target, new)
            shutil.rmtree(before, ignore_errors=True)
            target.replace(before)
        try:
            new.replace(target)
        except BaseException:
            restore(target)
            raise
        shutil.rmtree(before, ignore_errors=True)
    return exported


def restore(target: Path) -> bool:
    """Put an older export back that was to be replaced, if nothing has taken its place -> whether that was so."""
    before = _before(target.resolve())
    if target.exists() or not before.is_dir() or not _replaceable(before):
        return False
    before.replace(target)
    return True


def _before(target: Path) -> Path:
    """Where an older export is while the new one takes its place."""
    return target.with_name(f".aecodec-{target.name}.old")


def _replaceable(folder: Path) -> bool:
    """Whether a folder is empty or an export."""
    if not folder.is_dir():
        return False
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((folder / "gallery.json").read_bytes()).items() >= _MARK.items()
    return not any(folder.iterdir())


def _keep_others(old: Path, new: Path) -> None:
    """Copy what others have put beside our files, such as CNAME."""
    for path in old.iterdir():
        copy = new / path.name
        if path.name in _FOLDERS or copy.exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, copy, symlinks=True)
        else:
            shutil.copy2(path, copy, follow_symlinks=False)


class _Export:
    def __init__(self, gallery: Gallery, new: Path, target: Path, decoder: BrowserDecoder):
        self.gallery, self.new, self.target, self.decoder = gallery, new, target, decoder
        self.about = decoder.about(gallery.limits)
        self.models: set[int] = set()
        self.made = 0
        self.wrong: dict[str, str] = {}

    def write(self) -> Exported:
        """Write everything."""
        for path in [ZOOM, *(_HERE / "page").iterdir(), *(_HERE / "static").iterdir()]:
            if path.is_file():
                shutil.copyfile(path, self.new / path.name)
        folders = dict(self._folders("", set()))
        for folder, inside in folders.items():
            for picture in inside["pictures"]:
                self._write_picture(f"{folder}/{picture['name']}".lstrip("/"), picture)
        self._write_decoder()
        self._save("gallery.json", json.dumps(_MARK | {"limits": self.about["limits"], "folders": folders}).encode())
        return Exported(sum(len(inside["pictures"]) for inside in folders.values()), self.made, self.wrong)

    def _folders(self, name: str, seen: set[Path]) -> Iterator[tuple[str, Folder]]:
        """Folders by name, but for the export itself; each once, whatever links lead to it."""
        seen.add(self.gallery.path(name))
        inside, kept = self.gallery.list(name), []
        yield name, inside
        for folder in inside["folders"]:
            below = f"{name}/{folder}".lstrip("/")
            path = self.gallery.path(below)
            if path not in seen and path != self.target:
                kept.append(folder)
                yield from self._folders(below, seen)
        inside["folders"] = kept

    def _write_picture(self, name: str, picture: Listed) -> None:
        """The file, its thumbnail, and the whole picture if the browser does not decode it. Tells what is wrong."""
        try:
            if "error" in picture:
                raise AezError(picture["error"])
            data, thumbnail = self.gallery.aez(name), self.gallery.thumbnail(name).data
            here = self._decodes(data, picture["model"])
            whole = None if here else self.gallery.picture(name).data
        except (AezError, NotFound, OSError) as error:
            self.wrong[name] = picture["error"] = explain(error) or "gone"
            return
        try:
            self._save(f"thumbnails/{name}.png", thumbnail)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self.wrong[name] = picture["error"] = "its name with .png behind it is too long, or that of a folder"
            return
        self._save(f"files/{name}", data)
        if whole is None:
            self.models.add(picture["model"])
        else:
            picture["made"] = True
            self.made += 1
            self._save(f"pictures/{name}.png", whole)

    def _decodes(self, data: bytes, model: int) -> bool:
        """Whether the browser decodes a file of this model to what is to be seen."""
        runs = model == NO_MODEL or (self.about["missing"] is None and model in self.about["models"])
        return runs and not _NOT_HERE & {tag for tag, _ in read_index(data, self.gallery.limits).chunks}

    def _write_decoder(self) -> None:
        """Our code, and weights and runtime if a picture needs them."""
        paths = [f"aez/{name}" for name in CODE]
        models = {name: entry for name, entry in self.decoder.manifest().items() if entry["id"] in self.models}
        if models:
            paths += [f"runtime/{name}" for name in RUNTIME]
            for name, entry in models.items():
                files = entry.get("auxiliary", {}) | entry["files"]
                paths += [f"weights/{name}/{file}" for file in files if file != f"{GRADIENT}.onnx"]
        for path in paths:
            asset = self.decoder.find(f"/{path}")
            if asset is None:
                raise FileNotFoundError(errno.ENOENT, "gone", path)
            self._save(path, asset.data)
        self._save("weights/manifest.json", json.dumps({"models": models}).encode())

    def _save(self, name: str, data: bytes) -> None:
        path = self.new / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
