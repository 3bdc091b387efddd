"""Object storage: moto's server in the place of S3, as s3fs's own tests have it."""

import functools
import http.server
import json
import re
import shlex
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import picture

import aecodec
from aecodec import batch

pytest.importorskip("s3fs", reason="s3fs is not installed")
server = pytest.importorskip("moto.server", reason="moto is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries about their own libraries


@pytest.fixture(scope="module")
def endpoint():
    moto = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(autouse=True)
def account(endpoint, monkeypatch, tmp_path):
    """Credentials and where S3 is."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    again(monkeypatch)


def again(monkeypatch, **environment: str):
    """Another environment for what opens addresses; fsspec keeps what it has opened."""
    import s3fs

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def files(endpoint):
    """The storage as it is, whatever the environment says."""
    import fsspec

    options = {"key": "testing", "secret": "testing", "endpoint_url": endpoint}
    return fsspec.filesystem("s3", **options, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def bucket(files):
    """A new bucket: functions to fill it and to look into it."""
    fs, name = files, f"b{time.time_ns()}"
    fs.mkdir(name)

    class Bucket:
        address = f"s3://{name}"

        def put(self, key: str, data: bytes) -> str:
            fs.pipe_file(f"{name}/{key}", data)
            return f"{self.address}/{key}"

        def contents(self) -> dict[str, bytes]:
            return {key.removeprefix(f"{name}/"): fs.cat_file(key) for key in fs.find(name)}

    return Bucket()


def png(tmp_path, *shape: int) -> bytes:
    picture(tmp_path / "made.png", *shape)
    return (tmp_path / "made.png").read_bytes()


@pytest.fixture
def requests(monkeypatch):
    """What was asked of S3, as pairs of a method and the bytes of its range."""
    import s3fs

    asked = []
    call = s3fs.S3FileSystem._call_s3

    async def counted(self, method, *args, **kwargs):
        asked.append((method, kwargs.get("Range") or dict(*args[:1] if args else ()).get("Range")))
        return await call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return asked


def test_a_tree_goes_from_bucket_to_bucket_and_back(run, bucket, tmp_path):
    for key in ("in/a.png", "in/deep/b.png", "in/deep/.hidden.png"):
        bucket.put(key, png(tmp_path, 20, 30, 3))
    bucket.put("in/notes.txt", b"no image")
    bucket.put("in/bad.png", b"no image")
    errors, _ = run("compress", f"{bucket.address}/in/", "-r", "--out-dir", f"{bucket.address}/out", "-j", 2, code=1)
    assert f"{bucket.address}/in/bad.png: no image: expected PNG" in "\n".join(errors)
    assert "left out: 1 file of other kinds (1 .txt)" in errors
    assert errors[-1].startswith("2 of 3 files in ")
    found = bucket.contents()
    assert set(found) - {"in/notes.txt", "in/bad.png", "in/deep/.hidden.png"} == {
        *("in/a.png", "in/deep/b.png"),
        *("out/a.aez", "out/deep/b.aez"),
    }
    assert run("verify", "-r", f"{bucket.address}/out")[1] == [
        f"{bucket.address}/out/a.aez: ok",
        f"{bucket.address}/out/deep/b.aez: ok",
    ]
    run("decompress", f"{bucket.address}/out/**/*.aez", "--out-dir", "back")
    assert np.asarray(Image.open(tmp_path / "back" / "deep" / "b.png")).shape == (20, 30, 3)
    run("decompress", f"{bucket.address}/out/a.aez", f"{bucket.address}/back.webp")
    assert bucket.contents()["back.webp"][:4] == b"RIFF"
    run("compress", tmp_path / "made.png", "-o", f"{bucket.address}/")  # an existing folder will do
    assert "made.aez" in bucket.contents()


def test_what_exists_is_left_alone(run, bucket, tmp_path):
    for number in range(12):  # more than are asked for one by one
        bucket.put(f"in/{number:02}.png", png(tmp_path, 8, 8))
    bucket.put("out/03.aez", b"mine")
    command = ("compress", f"{bucket.address}/in", "--out-dir", f"{bucket.address}/out")
    errors, _ = run(*command, code=1)
    taken = f"{bucket.address}/out/03.aez: exists, use --force to replace it"
    assert f"{bucket.address}/in/03.png: {taken}" in errors
    assert len(bucket.contents()) == 24
    assert run(*command, "--skip-existing")[0][-1].endswith(", 12 skipped")
    assert bucket.contents()["out/03.aez"] == b"mine"
    run("compress", f"{bucket.address}/in/03.png", f"{bucket.address}/out/03.aez", code=1)
    run("compress", f"{bucket.address}/in/03.png", f"{bucket.address}/out/03.aez", "--force")
    assert bucket.contents()["out/03.aez"][1:4] == b"AEZ"


def test_a_region_and_info_read_parts_alone(run, bucket, requests):
    pixels = np.random.default_rng(0).integers(0, 256, (1400, 2000, 3), np.uint8)
    data = aecodec.encode(pixels, lossless=True)
    address = bucket.put("large.aez", data)
    requests.clear()
    about = json.loads(run("info", address, "--json")[1][0])
    assert about["size"] == len(data)
    assert about["read_bytes"] == 4096
    assert [ask for ask in requests if ask[0] == "get_object"] == [("get_object", "bytes=0-4095")]
    assert f"  read     {4096:,} bytes" in run("info", address)[1]
    requests.clear()
    _, out = run("decompress", address, "part.png", "--region", "700,600,80,60", "--json")
    report = json.loads(out[0])
    assert np.array_equal(np.asarray(Image.open("part.png")), pixels[600:660, 700:780])
    assert 4096 < report["read_bytes"] < 0.1 * len(data)
    spans = [ask[1].removeprefix("bytes=").split("-") for ask in requests if ask[0] == "get_object"]
    assert sum(int(end) - int(start) + 1 for start, end in spans) == report["read_bytes"]
    requests.clear()
    part = aecodec.imread(address, region=(700, 600, 80, 60))
    assert np.array_equal(part, pixels[600:660, 700:780])
    assert len(requests) == 3  # size, index, tiles
    assert (
        "region: 80x60 at 1990,0" in run("decompress", address, "--region", "1990,0,80,60", "-o", "x.png", code=2)[0][0]
    )


def test_the_python_functions_take_addresses(bucket, tmp_path, small_default):
    pixels = np.full((20, 30, 3), 90, np.uint8)
    aecodec.imwrite(f"{bucket.address}/a.aez", pixels, lossless=True)
    assert np.array_equal(aecodec.imread(f"{bucket.address}/a.aez"), pixels)
    [(_, read)] = batch.iterate([f"{bucket.address}/a.aez"])
    assert np.array_equal(read, pixels)
    source = bucket.put("b.png", png(tmp_path, 9, 9))
    summary = batch.compress([source, f"{bucket.address}/none.png"], bucket.address, quality=30)
    assert (summary.done, [result.source for result in summary.failed]) == (1, [f"{bucket.address}/none.png"])
    assert bucket.contents()["b.aez"][1:4] == b"AEZ"


# ---- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["compress", "info", "verify"])
def test_no_key_and_no_bucket(run, bucket, command):
    for address in (f"{bucket.address}/none.png", "s3://no-such-bucket-here/a.png"):
        errors, _ = run(command, address, code=1)
        assert len(errors) == 1
        assert errors[0].startswith(f"{address}: ")
        assert "no such" in errors[0] or "not exist" in errors[0]
    assert bucket.contents() == {}


def test_no_bucket_to_write_into_and_none_to_list(run, tmp_path):
    picture(tmp_path / "a.png", 8, 8)
    [line], _ = run("compress", "a.png", "--out-dir", "s3://no-such-bucket-here/out", code=1)
    assert line == "a.png: s3://no-such-bucket-here/out/a.aez: the specified bucket does not exist"
    [line], _ = run("compress", "s3://no-such-bucket-here/", code=1)
    assert line.startswith("s3://no-such-bucket-here/: ")


def test_no_credentials(run, bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    again(monkeypatch)
    [line], _ = run("info", f"{bucket.address}/a.aez", code=1)
    assert "no credentials (unable to locate credentials): set the variables, the profile or the role" in line


def test_no_server(run, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        again(monkeypatch, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free.getsockname()[1]}")
    [line], _ = run("info", "s3://bucket/a.aez", code=1)
    assert line.startswith("s3://bucket/a.aez: no connection (could not connect to the endpoint url")


@pytest.mark.parametrize("broken", ["GET", "PUT"])
def test_a_connection_that_breaks_in_the_middle(run, bucket, endpoint, monkeypatch, tmp_path, broken):
    """A proxy that lets everything through, but ends with part of an answer or of an upload."""
    source = bucket.put("a.png", png(tmp_path, 300, 300, 3))
    proxy = Proxy(endpoint, broken)
    again(monkeypatch, AWS_ENDPOINT_URL=proxy.address)
    target = f"{bucket.address}/a.aez" if broken == "PUT" else "a.aez"
    errors, _ = run("compress", "made.png" if broken == "PUT" else source, "-o", target, code=1)
    assert proxy.cut
    assert len(errors) == 1
    assert "the connection broke (" in errors[0] or "no connection (" in errors[0]
    again(monkeypatch, AWS_ENDPOINT_URL=endpoint)
    assert set(bucket.contents()) == {"a.png"}
    assert not (tmp_path / "a.aez").exists()
    proxy.close()


class Proxy:
    """Passes bytes on, and breaks off requests of one method in the middle of their body or of their answer's."""

    def __init__(self, endpoint: str, broken: str):
        self.target = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
        self.broken, self.cut = broken.encode(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(client,), daemon=True).start()

    def handle(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as server:
            threading.Thread(target=self.answer, args=(server, client), daemon=True).start()
            while request := client.recv(1 << 16):
                if request.startswith(self.broken):
                    self.cut += 1
                    if self.broken == b"PUT":
                        server.sendall(request[:-1])
                        return
                server.sendall(request)

    def answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                if self.cut and self.broken == b"GET":
                    client.sendall(answer[: answer.index(b"\r\n\r\n") + 50])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)

    def close(self) -> None:
        self.listener.close()


def test_what_the_page_says_runs(run, files, tmp_path, monkeypatch):
    """The commands and the Python of docs/cloud.md, in their order; the web server is one of this machine."""
    page = (Path(__file__).parents[2] / "docs" / "cloud.md").read_text()
    commands, code = re.findall(r"^```(?:sh|python)\b.*?\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name in ("photos", "packed"):
        files.mkdir(name)
    for name in ("2024/a.png", "2024/b.png", "a.png", "b.png"):
        files.pipe_file(f"photos/{name}", png(tmp_path, 300, 430, 3))
    (tmp_path / "web").mkdir()
    aecodec.imwrite(tmp_path / "web" / "a.aez", np.zeros((20, 30), np.uint8))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "web")
    monkeypatch.setattr(handler.func, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        here = commands.replace("https://example.org", f"http://127.0.0.1:{web.server_port}")
        for line in here.splitlines():
            run(*shlex.split(line, comments=True)[1:])
        web.shutdown()
    assert Image.open(tmp_path / "a.png").size == (430, 300)
    names: dict = {}
    exec(compile(code, "cloud.md", "exec"), names)
    assert names["part"].shape == (240, 320, 3)
    assert names["summary"].done == 2
