"""Images of many files: in order, not too many ahead, with bad files, in forked workers; recipes for training."""

import importlib.util
import itertools
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aecodec
from aecodec import batch

DOCS = Path(__file__).parents[2] / "docs" / "arrays.md"
pytestmark = pytest.mark.usefixtures("small_default")


@pytest.fixture(scope="module")
def paths(small_default, tmp_path_factory) -> list[Path]:
    """Twelve .aez files, in which every pixel is the number of the file, and a PNG file."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(12):
        aecodec.imwrite(folder / f"{number:02}.aez", np.full((16, 24), number, np.uint8), lossless=True)
    Image.fromarray(np.full((16, 24), 12, np.uint8)).save(folder / "12.png")
    return sorted(folder.iterdir())


def numbers(pairs) -> list[int]:
    return [int(pixels[0, 0]) for _, pixels in pairs]


@pytest.mark.parametrize(("prefetch", "threads"), [(1, 1), (1, 4), (5, 2), (50, None)])
def test_sources_and_pixels_come_in_order(paths, prefetch, threads):
    pairs = list(batch.iterate(paths, prefetch=prefetch, threads=threads))
    assert [source for source, _ in pairs] == paths
    assert numbers(pairs) == list(range(13))
    assert list(batch.iterate([])) == []


def test_only_so_many_are_taken_ahead(paths, threads_left):
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield paths[number % 12]

    pairs = batch.iterate(endless(), prefetch=3, threads=2)
    assert taken == []  # nothing happens before the first is asked for
    for done in range(1, 8):
        next(pairs)
        assert len(taken) == done + 3
    pairs.close()
    assert threads_left() == []


def test_a_bad_file_is_raised_or_left_out(paths, tmp_path):
    (tmp_path / "cut.aez").write_bytes(paths[0].read_bytes()[:-2])
    (tmp_path / "text.png").write_text("no image")
    bad = [tmp_path / "cut.aez", tmp_path / "text.png", tmp_path / "absent.aez"]
    mixed = [paths[0], bad[0], paths[1], *bad[1:], paths[2]]
    pairs = batch.iterate(mixed)
    next(pairs)
    with pytest.raises(aecodec.TruncatedError) as caught:
        next(pairs)
    assert caught.value.__notes__ == [f"source: {bad[0]}"]
    errors = []
    assert numbers(batch.iterate(mixed, on_error=lambda *pair: errors.append(pair))) == [0, 1, 2]
    assert [source for source, _ in errors] == bad
    assert [type(error) for _, error in errors] == [aecodec.TruncatedError, aecodec.EncodeError, FileNotFoundError]


def test_wrong_arguments_are_named_at_once(paths):
    with pytest.raises(ValueError, match="prefetch: 0, expected 1 or more"):
        batch.iterate(paths, prefetch=0)
    with pytest.raises(ValueError, match="threads: -1, expected 1 or more"):
        batch.iterate(paths, threads=-1)
    for one in (str(paths[0]), paths[0]):
        with pytest.raises(TypeError, match=r"sources: .*, expected a list or another iterable of names"):
            batch.iterate(one)
    with pytest.raises(TypeError, match="source: int"):  # no fault of a file
        list(batch.iterate([3], on_error=print))
    with pytest.raises(aecodec.LimitError):
        next(batch.iterate(paths, limits=aecodec.Limits(max_pixels=9)))


def _shard(pairs, queue):
    queue.put(numbers(pairs))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of threads, as forking loaders do
def test_forked_workers_as_data_loaders_start_them(paths):
    assert numbers(batch.iterate(paths, threads=2)) == list(range(13))  # the parent has decoded already
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_shard, args=(batch.iterate(paths[i::2], threads=2), queue)) for i in range(2)]
    for worker in workers:
        worker.start()
    assert sorted(queue.get(timeout=60) for _ in workers) == [[0, 2, 4, 6, 8, 10, 12], [1, 3, 5, 7, 9, 11]]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "tensorflow"])
def test_the_recipes_for_training(library, tmp_path, environment):
    """Those of docs/arrays.md, as they stand; the process has decoded before its workers are forked."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    pixels = [np.full((16, 24, 3), number, np.uint8) for number in range(12)]
    paths = [f"{tmp_path}/{number:02}.aez" for number in range(12)]
    for path, image in zip(paths, pixels, strict=True):
        aecodec.imwrite(path, image, quality=90)
    samples = ((f"{number:02}", {"aez": image, "cls": b"%d" % number}) for number, image in enumerate(pixels))
    shards = batch.write_shards(samples, f"{tmp_path}/{{}}.tar", max_count=3, lossless=True)
    [recipe] = re.findall(rf"^```python {library}\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    code = (
        f"paths, shards = {paths}, {shards}\n{recipe}"
        "means = [round(float(pixels.mean())) for _, pixels in batch.iterate(paths)]\n"
        "for epoch in range(2):\n"
        "    found = [round(float(image.mean())) for some in images for image in some.numpy()]\n"
        "    assert sorted(found) == sorted(means), found\n"
        "    pairs = [(int(x[0, 0, 0]), int(y)) for some, labels in samples for x, y in zip(some, labels)]\n"
        "    assert sorted(pairs) == [(number, number) for number in range(12)], pairs\n"
        "print('both epochs')"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "both epochs"


def test_nothing_heavy_is_imported():
    code = "import sys, aecodec.batch; print(sorted({'torch', 'tensorflow', 'zarr', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
