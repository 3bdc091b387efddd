"""aecodec in a process of its own, forked from one that has imported everything: half a second less for each command.

What runs is `aecodec.cli.main`, with the arguments, folder, environment and standard streams of the call.
"""

import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import traceback


class Starter:
    """Starts commands where the system can fork; `environment`: of all of them."""

    def __init__(self, environment: dict[str, str]):
        self.environment = environment
        self._socket, other = socket.socketpair()
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(other.fileno())], env=environment, pass_fds=[other.fileno()]
        )
        other.close()

    def run(self, arguments: list[str], folder: str, given: bytes, timeout: float) -> subprocess.CompletedProcess:
        """Run a command to its end, as subprocess.run does. Raises TimeoutError."""
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            source.write(given)
            source.seek(0)
            call = json.dumps([arguments, folder]).encode() + b"\n"
            self._socket.settimeout(timeout)
            socket.send_fds(self._socket, [call], [source.fileno(), out.fileno(), errors.fileno()])
            code = int(self._socket.recv(16))
            out.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), errors.read())

    def close(self) -> None:
        self._socket.close()
        self._server.wait()


def serve(channel: socket.socket) -> None:
    """Fork for each call that arrives, until the other end is closed."""
    for module in (
        "numpy",
        "PIL.Image",
        "ai_edge_litert.interpreter",
        "aecodec.api",
        "aecodec.imagefile",
        "aecodec.cli",
    ):
        importlib.import_module(module)
    for name in ("batch", "find", "outputs", "report", "tasks"):
        importlib.import_module(f"aecodec.cli.{name}")
    while True:
        call, streams, *_ = socket.recv_fds(channel, 1 << 16, 3)
        if not call:
            return
        while not call.endswith(b"\n"):
            call += channel.recv(1 << 16)
        if (child := os.fork()) == 0:
            channel.close()
            _become(*json.loads(call), streams)
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(child, 0)
        channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(arguments: list[str], folder: str, streams: list[int]) -> None:
    """Run the command in this process, and end."""
    from aecodec.cli import main

    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
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
    serve(socket.socket(fileno=int(sys.argv[1])))
