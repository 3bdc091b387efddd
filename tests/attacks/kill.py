"""Kills writers at random moments and looks at what is there then.

    python tests/attacks/kill.py FOLDER [--count 100] [--seed 1]

Each writer replaces a file, or makes new ones, through the function that the command line writes with, until it is
killed. What it leaves must be whole versions. Prints what was found ("unfinished": killed while a file was being
written, which the next run has to sweep up); status 1 if something is wrong.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path

from aecodec.cli.outputs import write_output

SIZE = 1 << 20


def version(number: int) -> bytes:
    """Content that shows whether it is whole: its hash, then what was hashed."""
    content = number.to_bytes(8, "little") * (SIZE // 8)
    return sha256(content).digest() + content


def whole(data: bytes) -> bool:
    return len(data) == 32 + SIZE and sha256(data[32:]).digest() == data[:32]


def write_on(target: Path, force: bool, ready: int) -> None:
    """Write until killed: always the same name, or always a new one."""
    number = 0
    while True:
        name = target if force else target.with_suffix(f".{number}")
        write_output(str(name), version(number), force)
        if not force:
            target.with_suffix(f".{number - 1}").unlink(missing_ok=True)
        if number == 0:
            os.write(ready, b".")
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rng, target = random.Random(options.seed), options.folder / "target"
    found = {"kills": 0, "whole": 0, "wrong": 0, "unfinished": 0}
    before: set[str] = set()
    for number in range(options.count):
        force = number % 2 == 0
        for old in options.folder.glob("target*"):
            old.unlink()
        if force:
            target.write_bytes(version(10**9))
        read, write = os.pipe()
        if (writer := os.fork()) == 0:
            write_on(target, force, write)
        os.read(read, 1)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.close(read)
        os.close(write)
        found["kills"] += 1
        there = list(options.folder.glob("target*"))
        sound = bool(there) and all(whole(path.read_bytes()) for path in there)
        found["whole" if sound else "wrong"] += 1
        left = {path.name for path in options.folder.glob(".aecodec-*")}
        found["unfinished"] += len(left - before)
        before = left
    write_output(str(options.folder / "next"), b"", True)
    found["left by the next run"] = len(list(options.folder.glob(".aecodec-*")))
    print(json.dumps(found))
    sys.exit(bool(found["wrong"] or found["left by the next run"]))


if __name__ == "__main__":
    main()
