"""What `aecodec desktop` installs, as the programs of a desktop read it; nothing stays after `uninstall`."""

import configparser
import mimetypes
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import aecodec as package
from aecodec.desktop import Places, install, uninstall

GOLDEN = Path(__file__).parent / "conformance" / "golden"
AEZ = GOLDEN / "rgba-260x258-q1.aez"


def needs(program: str):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


@pytest.fixture
def home(tmp_path, environment) -> dict[str, str]:
    """An environment whose home is an empty folder."""
    (tmp_path / "home").mkdir()
    others = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    return others | {"HOME": str(tmp_path / "home"), "XDG_DATA_DIRS": "/usr/share", "XDG_UTILS_DEBUG_LEVEL": "0"}


@pytest.fixture
def places(tmp_path) -> Places:
    return Places(tmp_path / "share", tmp_path / "magic")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def run(home, starter):
    """Run `aecodec desktop` for that home -> its exit code, and what it says."""

    def call(*arguments: str) -> tuple[int, str]:
        process = {"args": [sys.executable, "-m", "aecodec", "desktop", *arguments], "env": home, "cwd": home["HOME"]}
        done = starter.run(process, 60) if starter else subprocess.run(**process, capture_output=True, timeout=60)
        said = done.stderr.decode()
        assert "Traceback" not in said
        return done.returncode, said

    return call


def test_the_command_installs_for_a_user_and_leaves_nothing_behind(home, run):
    folder = Path(home["HOME"])
    (folder / ".magic").write_bytes(b"# mine")
    code, said = run("install", "--user")
    assert code == 0
    share = folder / ".local/share"
    written = {share / "mime/packages/aecodec.xml", share / "thumbnailers/aecodec.thumbnailer"}
    written |= {share / "applications/aecodec.desktop", folder / ".magic"}
    assert all(path.is_file() and f"{path}: written" in said.splitlines() for path in written)
    assert run("install", "--user")[0] == 0  # once more changes nothing
    assert (folder / ".magic").read_bytes().startswith(b"# mine\n# aecodec: begin\n")
    assert (folder / ".magic").read_bytes().count(b"aecodec: begin") == 1
    code, said = run("uninstall", "--user")
    assert code == 0
    assert set(said.splitlines()) == {f"{path}: removed" for path in written}
    assert contents(folder) == {".magic": b"# mine\n"}
    assert not list(share.iterdir())
    assert run("uninstall", "--user") == (1, f"{share}: nothing is installed there\n")


def test_what_others_have_installed_stays(places):
    for name in ("mime/packages/other.xml", "thumbnailers/other.thumbnailer", "applications/other.desktop"):
        (places.share / name).parent.mkdir(parents=True, exist_ok=True)
        (places.share / name).write_text('<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"/>')
    before = contents(places.share)
    install(places)
    uninstall(places)
    assert contents(places.share).items() >= before.items()
    assert not [name for name, data in contents(places.share).items() if b"aez" in data]


def test_a_block_without_an_end_is_left_alone(places):
    install(places)
    text = places.magic.read_text().replace("# aecodec: end\n", "0 string mine\n")
    places.magic.write_text(text)
    for change in (install, uninstall):
        with pytest.raises(OSError, match="'# aecodec: begin' without '# aecodec: end'"):
            change(places)
    assert places.magic.read_text() == text


def test_a_failure_leaves_nothing(places):
    places.magic.mkdir()
    with pytest.raises(OSError, match="directory"):
        install(places)
    assert not contents(places.share)


def test_where_nothing_is_installed_nothing_is_removed(places):
    for name in ("mime/globs", "applications/mimeinfo.cache"):
        (places.share / name).parent.mkdir(parents=True, exist_ok=True)
        (places.share / name).write_text("of the user")
    before = contents(places.share)
    assert uninstall(places) == []
    assert contents(places.share) == before


def test_a_failure_keeps_what_was_installed_before(places):
    install(places)
    before = contents(places.share)
    places.magic.unlink()
    places.magic.mkdir()
    for change in (install, uninstall):
        with pytest.raises(OSError, match="directory"):
            change(places)
        assert contents(places.share) == before


def test_no_module_is_taken_from_the_folder_of_a_file(places, home, tmp_path):
    """File managers start programs in the folder of the file that is opened."""
    install(places)
    shutil.copy(AEZ, tmp_path / "a.aez")
    (tmp_path / "aecodec").mkdir()
    for name in ("aecodec/__init__.py", "aecodec/__main__.py", "typer.py"):
        (tmp_path / name).write_text("raise SystemExit('taken')")
    codes = {"%i": "a.aez", "%o": "a.png", "%s": "64"}
    call = exec_line(places.share / "thumbnailers/aecodec.thumbnailer", "Thumbnailer Entry", codes)
    done = subprocess.run(call, env=home, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.png").is_file()


def test_the_command_says_what_it_may_not_write(run):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    code, said = run("install")
    assert (code, said.count("\n")) == (1, 1)


@needs("file")
def test_file_names_the_format(places):
    install(places)

    def said(path: Path, *options: str) -> str:
        call = ["file", "-b", *options, "-m", str(places.magic), str(path)]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()

    for path in GOLDEN.glob("*.aez"):
        info = package.read_info(path.read_bytes())
        colours = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}[info.channels]
        assert said(path) == f"aecodec image, {colours}, {info.width} x {info.height}, version {info.version}"
        assert said(path, "--mime-type") == "image/x-aez"
    assert "aecodec" not in said(GOLDEN / "rgba-260x258-q1.png")


@needs("xdg-mime")
@needs("update-mime-database")
def test_xdg_mime_knows_type_and_program(home, run, tmp_path):
    shutil.copy(AEZ, tmp_path / "a.aez")
    shutil.copy(AEZ, tmp_path / "without")
    run("install", "--user")

    def asked(*query: str) -> str:
        return subprocess.run(
            ["xdg-mime", "query", *query], env=home, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    assert asked("filetype", str(tmp_path / "a.aez")) == "image/x-aez"
    assert asked("filetype", str(tmp_path / "without")) == "image/x-aez"  # by its signature
    if shutil.which("update-desktop-database"):
        assert asked("default", "image/x-aez") == "aecodec.desktop"
    assert run("uninstall", "--user")[0] == 0
    assert asked("filetype", str(tmp_path / "a.aez")) != "image/x-aez"


@needs("desktop-file-validate")
def test_the_entry_is_valid(places):
    install(places, ['/opt/my programs/100% "python" $HOME', "-m", "aecodec"])
    call = ["desktop-file-validate", str(places.share / "applications/aecodec.desktop")]
    done = subprocess.run(call, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def exec_line(path: Path, section: str, codes: dict[str, str]) -> list[str]:
    """The command of an entry, as a file manager takes it apart (Desktop Entry Specification, "The Exec key")."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str
    parser.read(path)
    text = parser[section]["Exec"].replace("\\\\", "\\")
    words = [re.sub(r"\\([$`])", r"\1", word) for word in shlex.split(text)]
    return [codes.get(word, word) for word in words]


@pytest.mark.parametrize("output", ["thumbnail.png", ".gnome_desktop_thumbnail.QX3F7A", "without"])
def test_the_thumbnailer_runs_as_a_file_manager_runs_it(places, home, tmp_path, output):
    install(places)
    source, target = tmp_path / "a picture's.aez", tmp_path / output
    shutil.copy(AEZ, source)
    target.touch()  # file managers make the file, by mkstemp
    codes = {"%i": str(source), "%o": str(target), "%s": "128"}
    call = exec_line(places.share / "thumbnailers/aecodec.thumbnailer", "Thumbnailer Entry", codes)
    done = subprocess.run(call, env=home, capture_output=True, text=True, timeout=60, cwd="/")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Image.open(target, formats=["PNG"]) as image:
        assert (image.size, image.mode) == ((128, 127), "RGBA")


def test_the_thumbnailer_leaves_the_file_alone_where_there_is_no_image(places, home, tmp_path):
    install(places)
    codes = {"%i": str(GOLDEN / "rgba-260x258-q1.png"), "%o": str(tmp_path / "thumbnail.png"), "%s": "128"}
    (tmp_path / "thumbnail.png").write_bytes(b"before")
    call = exec_line(places.share / "thumbnailers/aecodec.thumbnailer", "Thumbnailer Entry", codes)
    done = subprocess.run(call, env=home, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "thumbnail.png").read_bytes() == b"before"


def test_a_command_with_strange_characters_is_quoted(places):
    program = ['/opt/my programs/100% "python" $HOME `x` \\', "-m", "aecodec"]
    install(places, program)
    path = places.share / "applications/aecodec.desktop"
    words = exec_line(path, "Desktop Entry", {})
    assert [word.replace("%%", "%") for word in words[:3]] == program


def test_register_tells_mimetypes():
    package.register()
    assert mimetypes.guess_type("a.aez") == ("image/x-aez", None)
    assert mimetypes.guess_extension("image/x-aez") == ".aez"
