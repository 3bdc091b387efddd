"""Tar shards: what is written, read back, by other readers, at addresses, damaged, and in forked workers."""

import io
import multiprocessing
import tarfile

import numpy as np
import pytest

import aecodec
from aecodec.batch import read_shards, split_shards, write_shards

pytestmark = pytest.mark.usefixtures("small_default")


def samples(count: int):
    for number in range(count):
        yield f"{number:03}", {"aez": np.full((8, 9), number, np.uint8), "cls": b"%d" % (number % 10)}


def numbers(shards) -> list[int]:
    return [int(sample["aez"][0, 0]) for sample in read_shards(shards)]


@pytest.fixture
def shards(tmp_path) -> list[str]:
    return write_shards(samples(10), f"{tmp_path}/train-{{:02}}.tar", max_count=3, lossless=True)


def test_samples_come_back_in_order(shards, tmp_path):
    assert [name.removeprefix(f"{tmp_path}/") for name in shards] == [f"train-{n:02}.tar" for n in range(4)]
    found = list(read_shards(shards))
    assert [sample["__key__"] for sample in found] == [f"{number:03}" for number in range(10)]
    assert [sample["cls"] for sample in found] == [b"%d" % number for number in range(10)]
    assert numbers(shards) == list(range(10))
    assert next(read_shards(shards, decode=False))["aez"][1:4] == b"AEZ"


def test_the_same_samples_give_the_same_bytes(shards, tmp_path):
    again = write_shards(samples(10), f"{tmp_path}/again-{{:02}}.tar", max_count=3, lossless=True)
    for first, second in zip(shards, again, strict=True):
        with open(first, "rb") as one, open(second, "rb") as two:
            assert one.read() == two.read()


def test_they_are_ordinary_tar_files(shards):
    with tarfile.open(shards[0]) as tar:
        assert tar.getnames() == [f"{n:03}.{extension}" for n in range(3) for extension in ("aez", "cls")]
        data = tar.extractfile("002.aez").read()
    assert aecodec.decode(data)[0, 0] == 2


def test_shards_of_others_with_folders_and_dots(tmp_path):
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as tar:
        folder = tarfile.TarInfo("a.b")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in ("a.b/x.json", "a.b/._x.json", "a.b/x.left.png", "README", ".hidden", "y.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"ab"))
    assert list(read_shards([tmp_path / "other.tar.gz"])) == [
        {"__key__": "a.b/x", "json": b"ab", "left.png": b"ab"},
        {"__key__": "y", "txt": b"ab"},
    ]


def test_a_file_that_a_sample_has_twice_is_an_error(tmp_path):
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a.txt"))
    with pytest.raises(aecodec.CorruptError, match=r"twice\.tar: a\.txt: twice in one sample"):
        list(read_shards([tmp_path / "twice.tar"]))


def test_a_shard_ends_at_its_size_too(tmp_path):
    pairs = [(str(number), {"bin": bytes(4000)}) for number in range(6)]
    assert len(write_shards(pairs, f"{tmp_path}/{{}}.tar", max_size=9000)) == 3


def test_they_lie_at_addresses(tmp_path):
    pytest.importorskip("fsspec")
    found = write_shards(samples(3), "memory://shards/{}.tar", max_count=2)
    assert found == ["memory://shards/0.tar", "memory://shards/1.tar"]
    assert [sample["__key__"] for sample in read_shards(found)] == ["000", "001", "002"]


def test_what_is_wrong_is_named(shards, tmp_path):
    for files, error in (
        ({}, ValueError),
        ({"__key__": b""}, ValueError),
        ({"": b""}, ValueError),
        ({"cls": b"1", ".cls": b"2"}, ValueError),
        ({"cls": 7}, TypeError),
        ({"cls": np.int64(7)}, TypeError),
        ({"npy": np.zeros((8, 8), np.uint8)}, TypeError),
    ):
        with pytest.raises(error, match=r"^a"):
            write_shards([("a", files)], f"{tmp_path}/wrong-{{}}.tar")
    for pattern, pairs, line in (
        ("a.tar", samples(1), "pattern: 'a.tar', expected a place for the number"),
        ("{name}.tar", samples(1), "expected a place for the number"),
        ("{}{}.tar", samples(1), "expected a place for the number"),
        ("{}.tar", [("a.b", {})], "key: 'a.b', expected a name without a dot"),
        ("{}.tar", [*samples(1), *samples(1)], "key: '000' twice, expected one for each sample"),
    ):
        with pytest.raises(ValueError, match=line):
            write_shards(pairs, f"{tmp_path}/{pattern}" if "{" in pattern else pattern)
    with pytest.raises(ValueError, match="max_count: 0"):
        write_shards([], "{}", max_count=0)
    with pytest.raises(FileNotFoundError):
        next(read_shards([tmp_path / "none.tar"]))
    with pytest.raises(TypeError, match="shards: str, expected a list or another iterable of names"):
        read_shards("train-00.tar")
    whole = (tmp_path / "train-00.tar").read_bytes()
    claim = tarfile.TarInfo("a.bin")
    claim.size, claim.pax_headers = 512, {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,512"}
    (tmp_path / "sparse.tar").write_bytes(claim.tobuf(tarfile.PAX_FORMAT) + bytes(2048))
    with pytest.raises(aecodec.CorruptError, match=r"a\.bin: sparse, expected at most"):
        list(read_shards([tmp_path / "sparse.tar"]))
    for headers in ({"GNU.sparse.map": "abc"}, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}):
        claim.pax_headers = headers
        (tmp_path / "numbers.tar").write_bytes(claim.tobuf(tarfile.PAX_FORMAT) + bytes(2048))
        with pytest.raises(aecodec.CorruptError, match=r"numbers\.tar: "):
            list(read_shards([tmp_path / "numbers.tar"]))
    with pytest.raises(aecodec.LimitError, match="limit 10 "):
        list(read_shards([tmp_path / "train-00.tar"], limits=aecodec.Limits(max_pixels=10)))
    with tarfile.open(tmp_path / "train-00.tar") as opened:
        end = opened.getmembers()[-1]
    for size in (end.offset, end.offset + 100, end.offset_data + end.size, len(whole)):
        cut = bytearray(whole[:size])
        if size == len(whole):  # damaged in a header
            cut[end.offset + 5] ^= 1
        (tmp_path / "cut.tar").write_bytes(cut)
        with pytest.raises(aecodec.CorruptError, match=r"cut\.tar: "):
            list(read_shards([tmp_path / "cut.tar"]))
    for name, data in (("text.tar", b"no tar file" * 99), ("cut.tar", whole[:700])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(aecodec.CorruptError, match=name if name == "text.tar" else "cut.tar|000.aez"):
            list(read_shards([tmp_path / name]))


def test_a_damaged_image_is_named(tmp_path):
    data = aecodec.encode(np.zeros((8, 9), np.uint8))[:-1]
    [shard] = write_shards([("a", {"cls": b"1"}), ("b", {"aez": data})], f"{tmp_path}/{{}}.tar")
    with pytest.raises(aecodec.TruncatedError) as caught:
        list(read_shards([shard]))
    assert caught.value.__notes__ == [f"b.aez in {shard}"]


def test_nothing_is_half_written(tmp_path):
    def broken():
        yield from samples(4)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_shards(broken(), f"{tmp_path}/{{}}.tar", max_count=3)
    assert [path.name for path in tmp_path.iterdir()] == ["0.tar"]


def _send(shards, queue):
    queue.put(numbers(shards))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_workers_take_their_shards(shards):
    assert numbers(shards) == list(range(10))  # the parent has decoded already
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_send, args=(split_shards(shards, i, 2), queue)) for i in range(2)]
    for worker in workers:
        worker.start()
    assert sorted(queue.get(timeout=60) for _ in workers) == [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9]]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    with pytest.raises(ValueError, match="worker: 2, expected 0 to 1"):
        split_shards(shards, 2, 2)
