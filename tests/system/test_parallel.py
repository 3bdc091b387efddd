"""Threads: results in order, errors passed on, and work that goes on while the interpreter shuts down."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mirrored import SAMPLE

from aecodec.errors import CorruptError
from aecodec.system.parallel import Workers

TESTS = Path(__file__).parent


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_in_the_order_of_the_items(threads):
    with Workers(threads) as workers:
        assert workers.map(lambda n: n * n, iter(range(100))) == [n * n for n in range(100)]
        assert workers.map(str, []) == []


def test_one_thread_is_the_calling_one():
    with Workers(1) as workers:
        assert set(workers.map(lambda _: threading.get_ident(), range(9))) == {threading.get_ident()}
    with Workers(3) as workers:
        assert threading.get_ident() not in workers.map(lambda _: threading.get_ident(), range(9))


def fail_at_3(done: list[int], n: int) -> None:
    if n == 3:
        raise KeyError(n)
    done.append(n)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_passed_on_and_the_rest_given_up(threads):
    done: list[int] = []
    with Workers(threads) as workers, pytest.raises(KeyError):
        workers.map(partial(fail_at_3, done), range(1000))
    assert len(done) < 1000


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_runs_on_a_thread_may_itself_map_and_work_ahead(threads):
    with Workers(threads) as workers:

        def row(n: int) -> list[int]:
            return workers.map(lambda m: n * m, workers.ahead(range(4)))

        assert workers.map(row, range(50)) == [[n * m for m in range(4)] for n in range(50)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_work_that_comes_piece_by_piece_is_done_once_and_little_waits(threads):
    done = []
    with Workers(threads) as workers:
        with workers.flow() as flow:
            for n in range(200):
                flow.add(partial(done.append, n))
                assert n < len(done) + threads + 2
            flow.finish()
            assert sorted(done) == list(range(200))
            flow.add(partial(done.append, 200))
        assert sorted(done) == list(range(201))

        def row(n: int) -> int:
            of_row = []
            with workers.flow() as flow:
                for m in range(7):
                    flow.add(partial(of_row.append, m))
            return n * (sorted(of_row) == list(range(7)))

        assert workers.map(row, range(50)) == list(range(50))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_piece_ends_the_flow(threads):
    done: list[int] = []

    def run(workers: Workers) -> None:
        with workers.flow() as flow:
            for n in range(1000):
                flow.add(partial(fail_at_3, done, n))

    with Workers(threads) as workers, pytest.raises(KeyError):
        run(workers)
    assert len(done) < 20


def test_an_error_of_what_makes_the_pieces_gives_up_those_that_have_not_begun():
    begun, go_on, done = threading.Semaphore(0), threading.Event(), []

    def stay() -> None:
        begun.release()
        go_on.wait()

    def run(workers: Workers) -> None:
        with workers.flow() as flow:
            for _ in range(2):
                flow.add(stay)
            for _ in range(2):
                begun.acquire()
            flow.add(partial(done.append, 1))
            raise OSError("made")

    with Workers(2) as workers:
        with pytest.raises(OSError, match="made"):
            run(workers)
        go_on.set()
        workers.map(time.sleep, [0] * 9)
    assert not done


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_ours_keeps_nothing_of_what_was_under_way(threads):
    """Not even until the garbage collector comes."""
    made = []

    def work(n: int) -> None:
        array = np.full(9, n)
        made.append(weakref.ref(array))
        try:
            raise CorruptError("inside")
        except CorruptError:
            raise CorruptError("outside") from None

    def run() -> None:
        with Workers(threads) as workers:
            workers.map(work, range(5))

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(CorruptError, match="outside"):
            run()
        assert made
        assert not [array for array in made if array() is not None]
    finally:
        gc.enable()


@pytest.mark.parametrize("threads", [1, 2])
def test_of_two_errors_the_first_item_s_is_raised(threads):
    def work(n: int) -> None:
        time.sleep(0.05 * (n == 0))
        raise KeyError(n)

    with Workers(threads) as workers:
        with pytest.raises(KeyError, match="0"):
            workers.map(work, range(4))
        with pytest.raises(KeyError, match="0"):
            workers.map(lambda _: workers.map(work, range(4)), range(1))


def test_the_next_item_is_made_on_another_thread_while_one_is_in_use():
    threads = []

    def make():
        for n in range(4):
            threads.append(threading.get_ident())
            made[n].set()
            yield n

    made = [threading.Event() for _ in range(4)]
    with Workers(2) as workers:
        for n in workers.ahead(make()):
            assert n == 3 or made[n + 1].wait(10)
    assert threads[0] == threading.get_ident()
    assert threading.get_ident() not in threads[1:]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_the_next_item_comes_behind_the_one_before(threads):
    def make():
        yield 1
        raise KeyError

    with Workers(threads) as workers:
        items = workers.ahead(make())
        assert next(items) == 1
        with pytest.raises(KeyError):
            next(items)


@pytest.mark.parametrize("threads", [1, 2])
def test_who_lets_go_of_the_items_ends_their_making(threads):
    ended = threading.Event()

    def make():
        try:
            while True:
                time.sleep(0.01)
                yield 1
        finally:
            ended.set()

    with Workers(threads) as workers:
        items = workers.ahead(make())
        assert next(items) == 1
        items.close()
        del items
    assert ended.wait(10)


def test_batches_are_small_enough_for_every_thread():
    with Workers(3) as workers:
        assert [list(b) for b in workers.batches(range(7), 8)] == [[n] for n in range(7)]
        assert [len(b) for b in workers.batches(range(100), 8)] == [8] * 12 + [4]
        assert workers.batches([], 8) == []


def test_a_thread_that_the_system_refuses_is_a_memory_error(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with Workers(2) as workers, pytest.raises(MemoryError, match="can't start new thread"):
        workers.map(str, range(3))


LATE = """
import atexit, io, sys, threading, time
{imports}

def work():
    time.sleep(0.5)
    import numpy as np
    import aecodec, aecodec.pillow
    from PIL import Image
    image = np.asarray(Image.open({sample!r}).convert("RGBA").resize((280, 300)))
    data = aecodec.encode(image, 40, threads=4)
    assert aecodec.decode(data, threads=4).shape == image.shape
    assert aecodec.decode(data, region=(5, 5, 270, 280), threads=4).shape == (280, 270, 4)
    assert aecodec.salvage(data[:-1], threads=4).tiles == (3,)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "AEZ")
    Image.open(file).load()
    print(len(data), flush=True)

{start}
"""
STARTS = {
    "a thread that outlives the main one": "threading.Thread(target=work).start()",
    "a function at exit": "atexit.register(work)",
}


@pytest.mark.parametrize("imports", ["", "import aecodec.pillow"])
@pytest.mark.parametrize("start", STARTS)
def test_encoding_and_decoding_go_on_while_the_interpreter_shuts_down(weights, start, imports):
    code = LATE.format(imports=imports, start=STARTS[start], sample=str(SAMPLE))
    environment = {**os.environ, "AECODEC_WEIGHTS": str(weights), "PYTHONPATH": str(TESTS.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 500
