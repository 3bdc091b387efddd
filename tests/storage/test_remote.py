"""Addresses without a server: memory, archives, HTTP, file://, and what is said where a package is missing."""

import functools
import http.server
import json
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
from trees import contents, picture

import aecodec
from aecodec import batch
from aecodec.storage import storage_of

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def memory():
    """The files in memory, by their names."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield lambda: {name: fs.cat_file(name) for name in fs.find("/")}
    fs.store.clear()


def test_memory(run, tmp_path, memory):
    picture(tmp_path / "in" / "a.png", 20, 30, 3)
    picture(tmp_path / "in" / "deep" / "b.png", 20, 30)
    run("compress", "in", "-r", "--out-dir", "memory://out")
    assert sorted(memory()) == ["/out/a.aez", "/out/deep/b.aez"]
    assert run("info", "memory://out")[1][0].startswith("memory://out/a.aez: 30x20, ")
    errors, _ = run("verify", "memory://nothing/", code=1)
    assert errors == ["memory://nothing/: no such file, folder or bucket"]
    run("decompress", "memory://out/a.aez")  # beside it
    assert "/out/a.png" in memory()


@pytest.mark.parametrize("pattern", ["memory://in/*.png", "memory://in/**/*.png", "memory://i*/*.png"])
def test_patterns_lead_to_names_as_they_are_typed(run, tmp_path, memory, pattern):
    picture(tmp_path / "in" / "a.png", 20, 30, 3)
    storage_of(pattern).write("memory://in/a.png", (tmp_path / "in" / "a.png").read_bytes(), True)
    assert storage_of(pattern).matches(pattern) == ["memory://in/a.png"]
    run("compress", pattern, "--out-dir", "out")
    assert set(contents(tmp_path / "out")) == {"in/a.aez" if "i*" in pattern else "a.aez"}


def test_a_folder_is_remembered_once_its_listing_is_complete(tmp_path, memory, monkeypatch):
    """Other threads look names up meanwhile: nothing must seem to be missing."""
    name, storage = "memory://out/a.aez", storage_of("memory://out")
    storage.write(name, b"precious", True)
    kind = type(fsspec.filesystem("memory"))
    seen, find = [], kind.find
    monkeypatch.setattr(kind, "find", lambda *given, **more: seen.append(storage.exists(name)) or find(*given, **more))
    with storage.remembering(["memory://out"]):
        assert storage.exists(name)
    assert seen == [True]


def test_with_force_nothing_is_listed(tmp_path, memory, monkeypatch):
    for number in range(12):
        picture(tmp_path / f"{number}.png", 4, 4, 3)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "find", None)
    assert not batch.compress(sorted(tmp_path.glob("*.png")), "memory://out", force=True).failed
    assert not batch.compress([tmp_path / "1.png"], "memory://other").failed


def test_outputs_that_begin_with_a_dot_are_not_replaced(tmp_path, memory):
    picture(tmp_path / "a.png", 20, 30, 3)
    for name in ("memory://in/.a.png", "memory://in/b.png"):
        storage_of(name).write(name, (tmp_path / "a.png").read_bytes(), True)
        out = name.replace("in/", "out/").replace(".png", ".aez")
        storage_of(out).write(out, b"precious", True)
    summary = batch.compress(["memory://in/.a.png", "memory://in/b.png"], "memory://out")
    assert ["exists, use --force" in result.error for result in summary.failed] == [True, True]
    assert {name: data for name, data in memory().items() if "out" in name} == {
        "/out/.a.aez": b"precious",
        "/out/b.aez": b"precious",
    }


def test_a_folder_without_images_says_so(run, tmp_path):
    storage_of("memory://x").write("memory://x/deep/a.txt", b"", True)
    errors, _ = run("compress", "memory://x", code=1)
    assert errors == ["memory://x: no images in this folder, use --recursive for the folders in it"]
    assert run("compress", "memory://x/*.png", code=1)[0] == ["memory://x/*.png: no file matches"]


def test_archives_are_read(run, tmp_path):
    picture(tmp_path / "a.png", 20, 30, 3)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "images/a.png")
    run("compress", "zip://images/a.png::all.zip", "-o", "one.aez")
    run("compress", "zip://images::all.zip", "--out-dir", "out")
    run("compress", "a.png")
    assert {contents(tmp_path)[name] for name in ("a.aez", "one.aez", "out/a.aez")} == {contents(tmp_path)["a.aez"]}
    [line], _ = run("compress", "a.png", "-o", "zip://b.aez::all.zip", code=1)
    assert line.endswith("cannot be written: name another output with -o or --out-dir")


def test_http(run, tmp_path):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    noise = np.random.default_rng(0).integers(0, 256, (90, 80), np.uint8)
    aecodec.imwrite(tmp_path / "a.aez", noise, lossless=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.aez"
        assert run("verify", address)[1] == [f"{address}: ok"]
        # The server knows no ranges and sends all of the file.
        assert json.loads(run("info", address, "--json")[1][0])["read_bytes"] == len((tmp_path / "a.aez").read_bytes())
        assert run("info", f"{address}?a=b")[1][0].startswith(f"{address}?a=b: 80x90, ")
        run("decompress", f"{address}?a=b", "--out-dir", ".", "--region", "3,4,50,60")
        [line], _ = run("decompress", address, code=1)  # nothing is uploaded
        assert line.endswith("cannot be written: name another output with -o or --out-dir")
        [line], _ = run("info", f"{address}x", code=1)
        assert line == f"{address}x: no such file, folder or bucket"
        server.shutdown()
    assert np.array_equal(aecodec.imread(tmp_path / "a.png"), noise[4:64, 3:53])


def test_addresses_of_files_are_names(run, tmp_path):
    picture(tmp_path / "a b.png", 20, 30)
    run("compress", f"file://{tmp_path}/a%20b.png", "--out-dir", f"file://{tmp_path}/out")
    assert set(contents(tmp_path)) == {"a b.png", "out/a b.aez"}
    assert aecodec.imread(f"file://{tmp_path}/out/a%20b.aez").shape == (20, 30)
    assert aecodec.imread("file://out/a%20b.aez").shape == (20, 30)
    [line], _ = run("info", "file://[none", code=1)
    assert line == "[none: no file matches"


def test_odd_names_are_names(run, tmp_path, memory):
    picture(tmp_path / "a::b.png", 20, 30)
    run("compress", "a::b.png")
    assert "a::b.aez" in contents(tmp_path)
    for name in ("what?.png", "x#y.png"):
        picture(tmp_path / "in" / name, 20, 30)
    run("compress", "in", "--out-dir", "memory://out")
    assert sorted(memory()) == ["/out/what?.aez", "/out/x#y.aez"]
    summary = batch.decompress([f"memory:/{name}" for name in memory()], "back", jobs=1)
    assert summary.failed == []
    assert set(contents(tmp_path / "back")) == {"what?.png", "x#y.png"}


def test_a_file_whose_times_cannot_be_set_is_done(run, tmp_path, monkeypatch):
    picture(tmp_path / "a.png", 20, 30)
    monkeypatch.setattr("os.utime", lambda *_, **__: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
    run("compress", "a.png")
    assert (tmp_path / "a.aez").exists()


def test_file_systems_that_rename_get_whole_files(tmp_path):
    """One that is no object storage: fsspec's own for local folders, as if it were far away."""
    storage = storage_of("slow://a.aez")
    fs = fsspec.filesystem("file")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsspec.core.url_to_fs", lambda name: (fs, name.removeprefix("slow://")))
        storage.write(f"slow://{tmp_path}/new/a.aez", b"whole", True)
        patch.setattr(type(fs), "mv", lambda *_: (_ for _ in ()).throw(ConnectionResetError("reset")))
        with pytest.raises(OSError, match="the connection broke"):
            storage.write(f"slow://{tmp_path}/new/a.aez", b"half", True)
    assert contents(tmp_path) == {"new/a.aez": b"whole"}


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("gs://bucket/a.aez", "gs:// needs another package: pip install gcsfs"),
        ("az://bucket/a.aez", "az:// needs another package: pip install adlfs"),
        ("sftp://host/a.aez", "sftp:// needs another package: pip install paramiko"),
        ("none://bucket/a.aez", "protocol not known: none"),
    ],
)
def test_a_missing_package_is_named(run, monkeypatch, address, line):
    for module in ("gcsfs", "adlfs", "paramiko"):
        monkeypatch.setitem(sys.modules, module, None)
    assert run("info", address, code=1)[0] == [f"{address}: {line}"]


def test_without_fsspec(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    line = "s3://bucket/a.aez: addresses need fsspec: pip install 'aecodec[cloud]' s3fs"
    assert run("info", "s3://bucket/a.aez", code=1)[0] == [line]


def test_local_names_do_not_load_fsspec(tmp_path, environment):
    picture(tmp_path / "a.png", 8, 8)
    code = (
        "import sys; sys.modules['fsspec'] = None; from aecodec import batch; from aecodec.cli import app\n"
        "assert batch.compress(['a.png'], 'out').done == 1; app(['info', 'out'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out/a.aez: 8x8")


def test_a_region_of_a_local_file_is_read_alone(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    aecodec.imwrite(tmp_path / "a.aez", noise, lossless=True)
    size = (tmp_path / "a.aez").stat().st_size
    [line], _ = run("decompress", "a.aez", "--region", "10,10,20,20", "-o", "b.png")
    read, whole = line.split(", ", 1)[1].split(" -> ")[0].split(" of ")
    assert int(whole.replace(",", "")) == size
    assert int(read.replace(",", "")) < 0.3 * size
    (tmp_path / "a.aez").write_bytes((tmp_path / "a.aez").read_bytes()[: size // 2])
    assert run("info", "a.aez", code=1)[0][-1] == f"a.aez: file: {size // 2} bytes, expected {size}"
    [line], _ = run("decompress", "a.aez", "--region", "700,500,20,20", "-o", "c.png", code=1)
    assert line.startswith("a.aez: tile ")


def test_batch_in_python(run, tmp_path):
    for name in ("a.png", "b/a.jpg", "c.png"):
        picture(tmp_path / name, 8, 9)
    (tmp_path / "bad.png").write_text("no image")
    told = []
    summary = batch.compress(["a.png", "b/a.jpg", tmp_path / "c.png", "bad.png"], "out", on_result=told.append, jobs=2)
    assert (summary.done, summary.skipped, summary.pixels) == (2, 0, 144)
    assert sorted(r.error for r in summary.failed) == [
        "no image: expected PNG, JPEG, WebP, AVIF, TIFF, BMP, PPM or GIF",
        "out/a.aez is the output of another source too",
    ]
    assert {r.target for r in told if r.status == "done"} == {"out/a.aez", "out/c.aez"}
    assert summary.output_bytes == sum(len(data) for data in contents(tmp_path / "out").values())
    assert batch.compress(["a.png"], "out", skip_existing=True).skipped == 1
    assert "exists" in batch.compress(["a.png"], "out").failed[0].error
    assert batch.decompress(["out/a.aez"], "back", format="bmp", jobs=1).done == 1
    assert aecodec.imread("back/a.bmp").shape == (8, 9)
    with pytest.raises(ValueError, match="quality: 101"):
        batch.compress([], "out", quality=101)
    with pytest.raises(TypeError, match="qualty"):
        batch.compress([], "out", qualty=50)
    with pytest.raises(TypeError, match="sources: str, expected a list"):
        batch.compress("a.png", "out")
    with pytest.raises(ValueError, match="quality: 1000, expected 1 to 100"):
        batch.decompress([], "new", format="jpg", quality=1000)
    with pytest.raises(ValueError, match="quality: 50, expected none, as PNG has no quality"):
        batch.decompress([], "new", quality=50)
    with pytest.raises(aecodec.EncodeError, match=r"extension \.xyz: cannot be written"):
        batch.decompress([], "new", format="xyz")
    assert not (tmp_path / "new").exists()


def test_an_error_that_the_file_system_returns_is_raised(monkeypatch):
    """As many of its versions do, whatever is asked of them; it gets its line as those that are raised."""
    broken, fs = type("ClientConnectorError", (Exception,), {}), fsspec.filesystem("memory")
    monkeypatch.setattr(type(fs), "cat_ranges", lambda *_, **__: [broken("refused")])
    with pytest.raises(OSError, match=r"no connection \(refused\)") as caught:
        storage_of("memory://a").read("memory://a", [(0, 4)])
    assert caught.value.filename == "memory://a"


def test_a_port_where_nobody_listens_is_no_missing_file(run):
    pytest.importorskip("aiohttp")
    for command in (["info"], ["verify"], ["decompress", "--out-dir", ".", "--region", "0,0,1,1"]):
        [line], _ = run(*command, "http://127.0.0.1:1/x.aez", code=1)
        assert line.startswith("http://127.0.0.1:1/x.aez: no connection (")
