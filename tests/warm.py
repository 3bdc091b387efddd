"""aecodec in processes forked from one that has been at work: a second less for each command.

    python -I -S warm.py ADDRESS ARGUMENT...    as `aecodec ARGUMENT...`, run by the Starter at this address

What runs is `aecodec.cli.main`, with the arguments, folder, environment and standard streams of the call.
"""

import json
import os
import socket
import sys


class Starter:
    """Starts commands where the system can fork; `environment`: of what all of them are forked from."""

    def __init__(self, environment: dict[str, str]):
        import subprocess
        import tempfile

        self._folder = tempfile.TemporaryDirectory()
        self.address = os.path.join(self._folder.name, "socket")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._server = subprocess.Popen([sys.executable, __file__, "--serve", self.address], env=environment, **pipes)
        self._server.stdout.readline()  # says that it is ready

    def run(self, call: dict, timeout: float, given: bytes = b"", stdin=None, stdout=None):
        """Run a command to its end, as subprocess.run does; streams are files or descriptors. Raises TimeoutError."""
        import subprocess
        import tempfile

        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            source.write(given)
            source.seek(0)
            files = source if stdin is None else stdin, out if stdout is None else stdout, errors
            streams = [file if isinstance(file, int) else file.fileno() for file in files]
            code = start(self.address, [call["args"][3:], str(call["cwd"]), call["env"]], streams, timeout)
            out.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(call["args"], code, out.read(), errors.read())

    def close(self) -> None:
        self._server.communicate()
        self._folder.cleanup()


def start(address: str, call: list, streams: list[int], timeout: float | None = None) -> int:
    """Run a command (arguments, folder, environment) with these standard streams; return its exit code."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(timeout)
        channel.connect(address)
        socket.send_fds(channel, [b"\n"], streams)
        channel.sendall(json.dumps(call).encode() + b"\n")
        return int(channel.recv(16) or 1)


def serve(address: str) -> None:
    """Fork for each call that arrives, until standard input ends."""
    import select
    import signal

    _load()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            channel, _ = listener.accept()
            if not os.fork():
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(channel)
            channel.close()


def _load() -> None:
    """Load what commands need, by way of some: their modules, the model of the tests and that of the users."""
    import tempfile

    from PIL import Image
    from typer.testing import CliRunner

    from aecodec.cli import app

    with tempfile.TemporaryDirectory() as folder:
        image, file = os.path.join(folder, "a.png"), os.path.join(folder, "a.aez")
        Image.linear_gradient("L").convert("RGB").save(image)
        for weights in (os.environ["AECODEC_WEIGHTS"], None):
            for command in (["compress", image, "--force"], ["decompress", file, "--force"], ["info", file]):
                CliRunner().invoke(app, command, env={"AECODEC_WEIGHTS": weights})


def _answer(channel: socket.socket) -> None:
    """Run a call in a process of its own, say how it ended, and end."""
    _, streams, *_ = socket.recv_fds(channel, 1, 3)
    with channel.makefile("rb") as lines:
        call = json.loads(lines.readline())
    if not (child := os.fork()):
        channel.close()
        _become(*call, streams)
    channel.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    os._exit(0)


def _become(arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> None:
    """Run the command in this process, and end."""
    import traceback

    from aecodec.cli import main

    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = ["aecodec", *arguments]
        main()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    else:
        sys.exit(start(sys.argv[1], [sys.argv[2:], os.getcwd(), dict(os.environ)], [0, 1, 2]))
