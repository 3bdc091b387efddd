"""Tasks on the workers of a Dask cluster.

    tasks --> groups of some megapixels --> workers: read, code, write --> outcomes, as the groups are done

A worker reads and writes files itself; only names and outcomes travel. Who runs the tasks keeps a few groups ahead of
the workers, so neither it nor the scheduler holds more of a large run than that.

A worker that dies takes nothing along: the scheduler gives its groups to others. A group that had begun comes back
instead, and its files are tried again, each for itself, so that one that kills its worker does so twice and is named.
"""

import importlib.metadata
import logging
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple

from aecodec.batch.engine import Attempt
from aecodec.batch.jobs import Failed, Made, Task
from aecodec.errors import AezError, ModelError
from aecodec.families import installed
from aecodec.storage import is_address, storage_of
from aecodec.system.parallel import usable_threads

GROUP_PIXELS, GROUP_FILES = 4e6, 64  # of one group, about: seconds of work
_MANY = 250  # threads: with more of them groups are larger, so that the scheduler hands out no more of them in a second
_AHEAD = 2  # groups for each thread of the workers
_PATIENCE = 15  # seconds for a scheduler or a first worker to answer
_TRIES = 2
_POISONOUS = f"killed its worker {_TRIES} times: too large for the memory there, or a library crashes on it"
_LOST = "cluster: the scheduler has gone away: start it again, and go on with --skip-existing"
# Bytes of a file that make a pixel, about: what is in a group is decided without opening its files.
_BYTES = {".jpg": 0.4, ".jpeg": 0.4, ".webp": 0.2, ".avif": 0.1, ".heic": 0.15, ".jxl": 0.2, ".aez": 0.1, ".png": 1.5}
_RAW = 3.0
# Of the workers that are started here. By default Dask has malloc give memory back to the system at once, so that every
# large array is fetched from there anew, page by page; and it looks at the stacks of all threads 100 times a second.
_LOCAL = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}


class ClusterError(AezError):
    """The cluster cannot do the work: the scheduler or the workers are missing, or have something else installed."""


class _Died(NamedTuple):
    """The worker of a group died in the middle of it."""


class _Group(NamedTuple):
    tasks: Sequence[Task]
    tries: int  # of each of them before this


@contextmanager
def connected(address: str, processes: int | None = None) -> Iterator[Any]:
    """Connect to the scheduler at an address; "local" starts so many processes of one thread on this machine.

    Raises ClusterError.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise ClusterError("--cluster needs Dask: pip install 'aecodec[cluster]'") from None
    for name in ("distributed", "distributed.client"):  # what it says goes into our lines
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address == "local":
        local = {"n_workers": processes or usable_threads(), "threads_per_worker": 1, "dashboard_address": ":0"}
        local["silence_logs"] = logging.CRITICAL
        with dask.config.set(_LOCAL), LocalCluster(**local) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise ClusterError(f"cluster {address}: no scheduler there ({line}): start one with dask scheduler") from None
    with client:
        yield client


def on_workers(
    tasks: Iterator[Task], attempt: Attempt, client: Any
) -> Generator[tuple[Task, Made | Failed], None, None]:
    """Yield tasks with what became of them, as their groups are done by the workers of a `distributed.Client`.

    Raises ClusterError, also where the scheduler goes away; what is done until then is whole.
    """
    from distributed import as_completed

    here = _installed()
    _check_workers(client, here)
    # It is known that there is no such output, and one may have been written by a worker that died then.
    remote = replace(attempt, force=True, writes=True, progress=None)
    threads = _threads(client)
    groups, again, numbers = _groups(tasks, threads), deque[_Group](), count()
    name, busy, done = f"aecodec-{os.urandom(8).hex()}", dict[Any, _Group](), as_completed()
    try:
        while True:
            while len(busy) < _AHEAD * threads and (group := again.popleft() if again else next(groups, None)):
                key = f"{name}-{next(numbers)}"
                absolute = [_from_anywhere(task) for task in group.tasks]
                future = client.submit(_work, absolute, remote, here, key, key=key, pure=False)
                busy[future] = group
                done.add(future)
            if not busy:
                return
            future = next(done)
            if future.status == "lost" and client.status == "running":  # with its worker: it is done once more
                done.add(future)
                continue
            yield from _outcomes(future, busy.pop(future), again)
            threads = _threads(client)
    finally:
        with suppress(Exception):
            client.cancel(list(busy), force=True)


def _threads(client: Any) -> int:
    """Threads of all workers. Raises ClusterError."""
    try:
        return sum(client.nthreads().values()) or 1
    except (OSError, TimeoutError) as error:
        raise ClusterError(_LOST) from error


def _groups(tasks: Iterator[Task], threads: int) -> Iterator[_Group]:
    """Groups that are small at first, so that a few files are shared by all threads."""
    group: list[Task] = []
    pixels = sent = 0.0
    scale = -(-threads // _MANY)  # rounded up
    for task in tasks:
        more = _pixels(task)
        full = pixels + more > min(scale * GROUP_PIXELS, sent / (2 * threads)) or len(group) == scale * GROUP_FILES
        if group and full:
            yield _Group(tuple(group), 0)
            sent, group, pixels = sent + pixels, [], 0.0
        group.append(task)
        pixels += more
    if group:
        yield _Group(tuple(group), 0)


def _pixels(task: Task) -> float:
    """About how many pixels an input has, by its size and its kind."""
    size = task.size
    if size is None and not is_address(task.source):
        with suppress(OSError):
            size = storage_of(task.source).size(task.source)
    if size is None:
        return GROUP_PIXELS / 4
    return size / _BYTES.get(os.path.splitext(task.source)[1].lower(), _RAW)


def _from_anywhere(task: Task) -> Task:
    """The task with names that mean the same in another folder."""
    source, target = (name if is_address(name) else os.path.abspath(name) for name in (task.source, task.target))
    return task._replace(source=source, target=target)


def _outcomes(future: Any, group: _Group, again: deque[_Group]) -> Iterator[tuple[Task, Made | Failed]]:
    """What became of a group; where its worker died, its files go to `again`, or are given up. Raises ClusterError."""
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise ClusterError(_LOST)
    error = future.exception()
    if isinstance(error, KilledWorker):
        results: Any = _Died()
    elif error is not None:
        raise error
    else:
        results = future.result()
    if not isinstance(results, _Died):
        yield from zip(group.tasks, results, strict=True)
    elif group.tries + 1 < _TRIES:
        again.extend(_Group((task,), group.tries + 1) for task in group.tasks)
    else:
        yield from ((task, Failed(_POISONOUS)) for task in group.tasks)


def _work(tasks: Sequence[Task], attempt: Attempt, here: "_Installed", key: str) -> "list[Made | Failed] | _Died":
    """On a worker: do a group. The scheduler keeps in mind that it has begun, in case the worker dies."""
    from distributed import Event

    if line := _difference(_installed(), here):
        raise ClusterError(f"a worker {line}")
    begun = Event(key)
    if begun.is_set():
        begun.clear()
        return _Died()
    begun.set()
    results = [_attempted(attempt, task) for task in tasks]
    begun.clear()
    return results


def _attempted(attempt: Attempt, task: Task) -> Made | Failed:
    try:
        return attempt(task)
    except Exception as error:  # a mistake of ours does not stop a large run
        return Failed(f"unexpected {type(error).__name__}: {error}")


class _Installed(NamedTuple):
    """What has to be the same everywhere: the version, and the ids of the models by their names."""

    version: str
    models: dict[str, int]


def _installed() -> _Installed:
    models: dict[str, int] = {}
    with suppress(ModelError):  # the manifest of a family is missing, after those that are there
        for model in installed():
            models[model.name] = model.id
    return _Installed(importlib.metadata.version("aecodec"), models)


def _difference(there: _Installed, here: _Installed) -> str:
    """What is wrong with a worker, "" if nothing is."""
    if there.version != here.version:
        return f"has aecodec {there.version}, expected {here.version}: install the same version there"
    for name, number in here.models.items():
        if there.models.get(name) != number:
            what = f"id 0x{there.models[name]:04x}" if name in there.models else "no such model"
            return (
                f"has other weights: {name} is {what}, expected id 0x{number:04x}: copy the folder of AECODEC_WEIGHTS"
            )
    return ""


def _check_workers(client: Any, here: _Installed) -> None:
    """Raise ClusterError if there are no workers, or one has something else installed."""
    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError:
        raise ClusterError(f"cluster {address}: no workers: start some with dask worker {address}") from None
    for worker, answer in client.run(_installed, on_error="return").items():
        if isinstance(answer, ImportError):
            raise ClusterError(f"worker {worker}: {answer}: pip install aecodec there")
        if isinstance(answer, Exception):
            raise ClusterError(f"worker {worker}: {type(answer).__name__}: {answer}")
        if line := _difference(answer, here):
            raise ClusterError(f"worker {worker}: {line}")
