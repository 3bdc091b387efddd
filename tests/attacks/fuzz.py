"""Attacks the decoder with made-up files; for how long, in how many, and with what, it says at the end.

    python tests/attacks/fuzz.py --minutes 10           both ways, half of the time each
    python tests/attacks/fuzz.py --exact                from files with exact tiles alone
    python tests/attacks/fuzz.py FILES                  the given files alone

guided: libFuzzer through atheris (Linux), which keeps what reaches new lines of our code and changes that further; most
of its changes are those of mutation.py. blind: those changes alone, to the corpus and the golden files.

Every input is parsed (container, entropy decoder, exact tiles, alpha, metadata), every thousandth is decoded in all
ways there are: pixels, a region, salvage, Pillow.
What victims.py calls a bug is written to --keep, and the exit status is 1. The attacks run in processes of their own,
so that one that crashes or hangs is found, too.
"""

import argparse
import importlib.util
import json
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "conformance" / "golden"
CORPUS = HERE / "corpus.zip"  # what earlier guided attacks kept
LARGEST = 1 << 16  # bytes of an input
KEPT = 1 << 11  # bytes of an input that is kept in the corpus
HANG = 30  # seconds of processor time for so many inputs; then it hangs at the last one


class Attack:
    """Counts inputs and findings in a child process; leaves them, and the input at work, in its folder.

    hang: seconds of processor time after which the process is ended, counted anew now and then; 0 for never.
    """

    def __init__(self, folder: Path, every: int, hang: float = 0):
        import victims

        victims.use_tiny_weights()
        self.victims, self.folder, self.every, self.hang = victims, folder, every, hang
        self.inputs = self.decoded = 0
        self.slowest = 0.0
        self.outcomes: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        (folder / "input").write_bytes(bytes(4 + LARGEST))
        with open(folder / "input", "r+b") as file:
            self.input = mmap.mmap(file.fileno(), 4 + LARGEST)
        for warm in (victims.parse, victims.pixels):  # so that what is loaded now is on no input's account
            for name in ("rgba-17x33-q50", "rgb-visual-1x300-q50"):
                warm((GOLDEN / f"{name}.aez").read_bytes())
        self.memory = self.first = victims.most_memory()
        signal.setitimer(signal.ITIMER_PROF, self.hang)

    def run(self, data: bytes) -> None:
        """Attack with one input."""
        self.input[: 4 + len(data)] = len(data).to_bytes(4, "little") + data
        self._try(data, self.victims.parse)
        self.inputs += 1
        if self.inputs % self.every == 0:
            self._try(data, self.victims.pixels)
            self.decoded += 1
        if self.inputs % 1000 == 0:
            self.save()

    def _try(self, data: bytes, call: Callable[[bytes], str]) -> None:
        start = time.thread_time()
        try:
            outcome = self.victims.attack(data, call)
            seconds = time.thread_time() - start
            self.slowest = max(self.slowest, seconds)
            if seconds > self.victims.SECONDS:
                raise self.victims.Finding(f"took {seconds:.1f} s")
            if self.victims.most_memory() - self.memory > self.victims.MEMORY:
                raise self.victims.Finding("took more memory than is allowed")
        except self.victims.Finding as error:
            outcome = "finding"
            if not self.findings[str(error)]:
                (self.folder / f"found-{sha256(data).hexdigest()[:12]}.aez").write_bytes(data)
                print(f"{type(error.__cause__ or error).__name__}: {error}", file=sys.stderr)
            self.findings[str(error)] += 1
            self.memory = self.victims.most_memory()
        self.outcomes[f"{call.__name__}: {outcome}"] += 1

    def save(self) -> None:
        part = self.folder / "part.json"
        names = "inputs", "decoded", "slowest", "outcomes", "findings"
        counts = {name: getattr(self, name) for name in names}
        part.write_text(json.dumps(counts | {"MiB": self.victims.most_memory() - self.first >> 20}))
        signal.setitimer(signal.ITIMER_PROF, self.hang)
        os.replace(part, self.folder / "count.json")
        self.memory = self.victims.most_memory()  # what so many inputs add up to is nobody's fault


def files(exact: bool = False) -> list[bytes]:
    """What is changed; exact: the files of format version 2 alone, which are those with exact tiles."""
    with zipfile.ZipFile(CORPUS) as corpus:
        kept = [corpus.read(name) for name in sorted(corpus.namelist())]
    found = [path.read_bytes() for path in sorted(GOLDEN.glob("*.aez"))] + kept
    return [data for data in found if not exact or data[6:7] == b"\2"]


def blind(folder: Path, seconds: float, inputs: int, every: int, seed: int, exact: bool) -> None:
    """Changed files, as they come. More memory than is allowed is not to be had, not even if it is left unused."""
    from mutation import mutated

    attack, rng, pool = Attack(folder, every, HANG), random.Random(seed), files(exact)
    if (sizes := Path("/proc/self/statm")).exists():
        used = int(sizes.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + attack.victims.MEMORY, resource.RLIM_INFINITY))
    end = time.monotonic() + seconds
    while time.monotonic() < end and attack.inputs < inputs:
        attack.run(mutated(rng.choice(pool), rng, pool)[:LARGEST])
    attack.save()


def guided(folder: Path, seconds: float, inputs: int, every: int, seed: int, exact: bool) -> None:
    """Changed files, of which those that reach something new are changed further. Never returns."""
    import atheris

    with atheris.instrument_imports(include=["aecodec"]):
        from mutation import mutated

        attack = Attack(folder, every, HANG)
    pool = files(exact)

    def change(data: bytes, largest: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.2:
            return atheris.Mutate(data, largest)
        return mutated(data, rng, pool)[:largest]

    corpus = folder / "corpus"
    corpus.mkdir()
    for data in pool:
        (corpus / sha256(data).hexdigest()).write_bytes(data)
    options = {"max_total_time": max(1, round(seconds)), "runs": inputs, "seed": seed, "max_len": LARGEST}
    options |= {"len_control": 0, "verbosity": 0}
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], attack.run, custom_mutator=change)
    atheris.Fuzz()


WAYS: dict[str, Callable[[Path, float, int, int, int, bool], None]] = {"guided": guided, "blind": blind}


def campaign(way: str, seconds: float, options: argparse.Namespace) -> dict:
    """Run one way in a process of its own; returns its counts, and saves its findings and the corpus."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        call = [sys.executable, __file__, "--child", way, "--folder", name, "--minutes", str(seconds / 60)]
        call += ["--inputs", str(options.inputs), "--pixels", str(options.pixels), "--seed", str(options.seed)]
        call += ["--exact"] * options.exact
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(call, stdout=subprocess.DEVNULL, check=False)
        counts = folder / "count.json"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = {
            "way": way,
            "seed": options.seed,
            "seconds": round(time.monotonic() - start),
            "processor": round(processor),
        }
        found |= json.loads(counts.read_text()) if counts.exists() else {"inputs": 0, "decoded": 0, "findings": {}}
        if done.returncode:
            why = "hang" if done.returncode == -signal.SIGPROF else f"crash {done.returncode}"
            found["findings"][why] = 1
            if (folder / "input").exists():
                last = (folder / "input").read_bytes()
                (folder / "found-last.aez").write_bytes(last[4:][: int.from_bytes(last[:4], "little")])
        for path in folder.glob("found-*"):
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / path.name).write_bytes(path.read_bytes())
        if options.corpus is not None and (folder / "corpus").exists():
            with zipfile.ZipFile(options.corpus, "w", zipfile.ZIP_DEFLATED) as out:
                for path in sorted((folder / "corpus").iterdir()):
                    if path.stat().st_size <= KEPT:
                        out.writestr(zipfile.ZipInfo(f"{path.name}.aez"), path.read_bytes(), zipfile.ZIP_DEFLATED)
        return found


def again(paths: list[Path]) -> int:
    """Attack with given files; how many are bugs."""
    import victims

    victims.use_tiny_weights()
    bugs = 0
    for path in paths:
        for call in (victims.parse, victims.pixels):
            try:
                print(f"{path.name}: {call.__name__}: {victims.attack(path.read_bytes(), call)}")
            except victims.Finding as error:
                print(f"{path.name}: {call.__name__}: BUG: {error}")
                bugs += 1
    return bugs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="attack with these instead")
    parser.add_argument("--minutes", type=float, default=10, help="in all; default: 10")
    parser.add_argument("--inputs", type=int, default=1 << 40, help="for each way at most; default: no limit")
    parser.add_argument("--pixels", type=int, default=1000, metavar="N", help="decode every N-th input; default: 1000")
    parser.add_argument("--seed", type=int, default=1, help="of everything random; default: 1")
    parser.add_argument("--way", choices=WAYS, help="one way alone; default: all that can be had")
    parser.add_argument("--exact", action="store_true", help="change files with exact tiles alone")
    parser.add_argument("--keep", type=Path, default=Path("found"), help="folder for findings; default: found")
    parser.add_argument("--corpus", type=Path, help="zip file to write what a guided attack has kept to")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        numbers = options.inputs, options.pixels, options.seed
        WAYS[options.child](options.folder, 60 * options.minutes, *numbers, options.exact)
        return
    if options.files:
        sys.exit(again(options.files) > 0)
    ways = [options.way] if options.way else list(WAYS)
    if "guided" in ways and importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: blind attacks alone", file=sys.stderr)
        ways = ["blind"]
    bugs, seconds = 0, 60 * options.minutes / len(ways)
    for way in ways:
        found = campaign(way, seconds, options)
        print(json.dumps(found, indent=1))
        bugs += len(found["findings"])
    sys.exit(bugs > 0)


if __name__ == "__main__":
    main()
