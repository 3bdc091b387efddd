"""A Dask cluster on this machine: the same files, workers that die, poisonous files, what is missing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from trees import contents, picture

from aecodec import batch
from aecodec.batch.engine import Attempt, in_threads
from aecodec.batch.engine import run as run_tasks
from aecodec.batch.jobs import Compress, Failed, Made, Task
from aecodec.cli import app

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
from aecodec.batch import cluster  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of Dask about itself
    pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals"),
]


@pytest.fixture(scope="module")
def client(small_default):
    """Two workers of one thread, which are started again when they die."""
    made = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 60}
    with distributed.LocalCluster(**made) as local, distributed.Client(local) as client:
        yield client


@pytest.fixture
def images(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for number in range(24):
        picture(tmp_path / "in" / f"{number:02}.png", 24 + number, 40, 3)
    return [f"in/{number:02}.png" for number in range(24)]


@dataclass(frozen=True)
class Marked:
    """Compresses, keeps a note of each attempt, takes some time, and kills its worker at some files."""

    folder: str
    seconds: float = 0.0
    deadly: tuple[str, ...] = ()

    def __call__(self, task: Task, progress) -> Made | Failed:
        name = Path(task.source).name
        with open(f"{self.folder}/attempts", "a") as file:
            file.write(f"{name}\n")
        time.sleep(self.seconds)
        if name in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return Compress({"threads": 1})(task, progress)

    def attempts(self) -> Counter[str]:
        return Counter(Path(self.folder, "attempts").read_text().split())


def do(client, images: list[str], job, on_result=lambda *_: None) -> dict[str, object]:
    """Run a job for all files on the cluster, and return what became of each."""
    found = {}

    def tell(task, outcome):
        found[Path(task.source).name] = outcome
        on_result(task, outcome)

    Path("out").mkdir(exist_ok=True)
    tasks = [Task(name, f"out/{Path(name).stem}.aez") for name in images]
    run_tasks(tasks, Attempt(job), partial(cluster.on_workers, client=client), tell)
    return found


def test_the_same_files_as_on_this_machine(client, images, tmp_path, capsys):
    (tmp_path / "in" / "bad.png").write_text("no image")
    told = []
    summary = batch.compress([*images, "in/bad.png"], "far", client=client, quality=40, on_result=told.append)
    assert (summary.done, [result.source for result in summary.failed]) == (24, ["in/bad.png"])
    assert len(told) == 25
    batch.compress(images, "near", jobs=1, quality=40)
    assert contents(tmp_path / "far") == contents(tmp_path / "near")
    assert batch.compress(images, "far", client=client, skip_existing=True).skipped == 24
    assert batch.decompress(["far/00.aez"], "back", client=client).done == 1

    address = client.scheduler.address
    (tmp_path / "near" / "05.aez").unlink()
    with pytest.raises(SystemExit) as left:
        app(["compress", "in", "--out-dir", "near", "--cluster", address, "--skip-existing", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert left.value.code == 1
    assert Counter(line["status"] for line in lines) == {"skipped": 23, "done": 1, "failed": 1}
    [done] = [line for line in lines if line["status"] == "done"]
    assert (done["file"], done["output"], done["height"]) == ("in/05.png", "near/05.aez", 29)
    assert (tmp_path / "near" / "05.aez").stat().st_mtime == pytest.approx((tmp_path / "in/05.png").stat().st_mtime)


def test_a_worker_that_is_killed_loses_nothing(client, images, tmp_path):
    job = Marked(str(tmp_path), seconds=0.05)
    pids = list(client.run(os.getpid).values())
    killed = []

    def kill(task, outcome):
        if not killed:
            killed.append(os.kill(pids[0], signal.SIGKILL))

    found = do(client, images, job, kill)
    assert killed
    assert [name for name, outcome in found.items() if not isinstance(outcome, Made)] == []
    assert len(found) == 24
    assert all(data[1:4] == b"AEZ" for data in contents(tmp_path / "out").values())
    again = {name: count for name, count in job.attempts().items() if count > 1}
    assert len(again) <= 8  # those of the groups in flight
    assert set(again.values()) <= {2}
    assert len(list(tmp_path.rglob("*.tmp"))) <= 1  # what it was writing, hidden


def test_a_poisonous_file_fails_alone_after_two_tries(client, images, tmp_path):
    job = Marked(str(tmp_path), deadly=("13.png",))
    found = do(client, images, job)
    assert [name for name, outcome in found.items() if isinstance(outcome, Failed)] == ["13.png"]
    assert found["13.png"].line.startswith("killed its worker 2 times: ")
    assert job.attempts()["13.png"] == 2
    assert len(contents(tmp_path / "out")) == 23


def test_an_error_of_ours_does_not_stop_the_run(client, images):
    found = do(client, images[:3], Compress({"no such option": 1}))
    assert {outcome.line.split(":")[0] for outcome in found.values()} == {"unexpected TypeError"}


def test_other_versions_and_other_weights_are_named(client, images, monkeypatch):
    here = cluster._installed()
    for other, line in (
        (
            here._replace(version="9.9"),
            f"has aecodec {here.version}, expected 9.9: install the same version there",
        ),
        (here._replace(models={"new": 7}), "has other weights: new is no such model, expected id 0x0007"),
    ):
        monkeypatch.setattr(cluster, "_installed", lambda other=other: other)
        with pytest.raises(cluster.ClusterError, match=line):
            batch.compress(images, "out", client=client)
    assert contents(Path("out")) == {}


def test_a_cluster_without_workers_or_without_a_scheduler(images, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None, processes=False, silence_logs=60) as empty:
        for address, line in (
            (empty.scheduler_address, f"no workers: start some with dask worker {empty.scheduler_address}"),
            ("tcp://127.0.0.1:1", "no scheduler there"),
            ("nonsense://x", "no scheduler there"),
        ):
            with pytest.raises(SystemExit) as left:
                app(["compress", "in", "--out-dir", "out", "--cluster", address])
            said = capsys.readouterr().err.splitlines()
            assert left.value.code == 1
            assert len(said) == 1
            assert said[0].startswith(f"cluster {address}: ")
            assert line in said[0]


def test_a_local_cluster_keeps_memory_and_has_no_profiler(small_default, monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)  # another cluster of this process leaves it behind
    with cluster.connected("local", 1) as client:
        [(kept, profiled)] = client.run(_how_it_works).values()
    assert (kept, profiled) == (None, False)


def test_the_first_command_of_the_page_runs(images, tmp_path, capsys):
    """That of docs/cluster.md, with one process; sources of addresses are in tests/storage."""
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()
    line = re.findall(r"^```sh\n(.*?)$", page, re.MULTILINE)[0].partition("#")[0]
    assert line.split()[0] == "aecodec"
    os.rename("in", "photos")
    with pytest.raises(SystemExit) as left:
        app(line.replace("-j 8", "-j 1").split()[1:])
    assert left.value.code == 0, capsys.readouterr().err
    assert len(contents(tmp_path / "packed")) == 24


def _how_it_works(dask_worker):
    return os.environ.get("MALLOC_TRIM_THRESHOLD_"), "profile" in dask_worker.periodic_callbacks


def test_without_dask(images, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit):
        app(["compress", "in", "--cluster", "local"])
    assert capsys.readouterr().err == "--cluster needs Dask: pip install 'aecodec[cluster]'\n"


def test_groups_grow_to_some_megapixels(monkeypatch):
    tasks = [Task(f"{number}.png", "", size=60_000) for number in range(5000)]
    groups = list(cluster._groups(iter(tasks), 4))
    assert [task for group in groups for task in group.tasks] == tasks
    sizes = [len(group.tasks) for group in groups]
    assert sizes[:4] == [1, 1, 1, 1]
    assert sizes[:-1] == sorted(sizes[:-1])
    assert max(sizes) == cluster.GROUP_FILES
    monkeypatch.setattr(cluster, "_MANY", 2)  # with more threads than that they grow further
    assert max(len(group.tasks) for group in cluster._groups(iter(tasks), 3)) == 2 * cluster.GROUP_FILES
    monkeypatch.undo()
    large = [Task(f"{number}.tif", "", size=36_000_000) for number in range(10)]
    assert [len(group.tasks) for group in cluster._groups(iter(large), 4)] == [1] * 10


def test_threads_are_another_way_to_do_the_same(images, tmp_path):
    job, found = Marked(str(tmp_path)), []
    tasks = [Task(name, f"{name}.aez") for name in images[:3]]
    run_tasks(tasks, Attempt(job), partial(in_threads, count=2), lambda task, outcome: found.append(outcome))
    assert [type(outcome) for outcome in found] == [Made] * 3


# ---- processes of their own -----------------------------------------------------------------------------------------


@pytest.fixture
def processes(environment, tmp_path):
    """Start a scheduler and workers as a user does, and end them."""
    started = []

    def start(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # a worker that looks for its scheduler
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_run_goes_on_after_the_scheduler_was_stopped(processes, command, tmp_path):
    for number in range(150):
        picture(tmp_path / "in" / f"{number:03}.png", 60, 70, 3)

    def start() -> tuple[subprocess.Popen, list[str]]:
        scheduler_file = tmp_path / f"{time.time_ns()}.json"
        scheduler = processes("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(scheduler_file))
        processes("worker", "--scheduler-file", str(scheduler_file), "--nthreads", "1", "--no-dashboard")
        while not scheduler_file.exists():
            time.sleep(0.1)
        address = json.loads(scheduler_file.read_text())["address"]
        return scheduler, ["compress", "in", "--out-dir", "out", "--skip-existing", "--json", "--cluster", address]

    scheduler, arguments = start()
    with subprocess.Popen(**command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        first = [json.loads(driver.stdout.readline()) for _ in range(10)]
        scheduler.kill()
        rest, errors = driver.communicate(timeout=120)
    assert driver.returncode == 1
    assert errors.splitlines() == [cluster._LOST]
    done = {line["file"] for line in [*first, *map(json.loads, rest.splitlines())]}
    assert 10 <= len(done) < 150
    time.sleep(5)  # the worker ends what it is at
    before = contents(tmp_path / "out")
    assert all(data[1:4] == b"AEZ" for name, data in before.items() if not name.endswith(".tmp"))
    _, arguments = start()
    finished = subprocess.run(**command(*arguments), capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    status = Counter(json.loads(line)["status"] for line in finished.stdout.splitlines())
    assert status["skipped"] == len(before)
    assert status["done"] == 150 - len(before)
    assert len(contents(tmp_path / "out")) == 150
