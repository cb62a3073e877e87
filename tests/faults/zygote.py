"""A process that runs airpatch again and again in forks of itself, so that a fault costs no start of Python.

    python -m tests.faults.zygote     reads requests from stdin and answers on stdout, one JSON document a line

`Zygote` is the other side. A run waits until it is told to go, so that a tracer can be attached before; what it
writes goes to a file. Runs die with the zygote, and the zygote with the process that started it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import airpatch
from airpatch.target.root import Root

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Setup:
    """What a run does to itself first. `owner`: user and group to become; `file_size`: RLIMIT_FSIZE in bytes."""

    umask: int | None = None
    owner: int | None = None
    file_size: int | None = None
    short_writes: int | None = None
    """Bytes that every os.write takes at most."""
    no_barriers: int | None = None
    """1 if nothing is brought to disk: what a defect looks like."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, or minus the signal that killed it, and its output."""

    code: int
    output: str


class Run:
    """A run that was started, waits for `go`, and is then waited for with `wait`."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self.pid = pid
        self._zygote = zygote

    def go(self) -> None:
        self._zygote.ask({"go": self.pid})

    def wait(self) -> Ended:
        answer = self._zygote.ask({"wait": self.pid})
        return Ended(answer["code"], answer["output"])

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)


class Zygote:
    def __init__(self, folder: Path) -> None:
        """`folder` is where the output of runs goes."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )

    def start(self, argv: Sequence[str | Path], setup: Setup | None = None) -> Run:
        words = [str(word) for word in argv]
        return Run(self, self.ask({"start": words, "setup": vars(setup or Setup())})["pid"])

    def run(self, argv: Sequence[str | Path], setup: Setup | None = None) -> Ended:
        run = self.start(argv, setup)
        run.go()
        return run.wait()

    def ask(self, request: dict[str, object]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the zygote has no pipes")
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _prepare(setup: dict[str, int | None]) -> None:
    if setup["umask"] is not None:
        os.umask(setup["umask"])
    if setup["file_size"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (setup["file_size"], setup["file_size"]))
    limit = setup["short_writes"]
    if limit is not None:
        write = os.write
        os.write = lambda fd, data: write(fd, memoryview(data)[:limit])
    if setup["no_barriers"]:
        mock.patch.object(Root, "sync").start()
    if setup["owner"] is not None:
        os.setgroups([])
        os.setgid(setup["owner"])
        os.setuid(setup["owner"])


def _child(argv: list[str], setup: dict[str, int | None], gate: socket.socket, output: Path) -> None:
    from airpatch_cli.main import main

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the caller of the tests ignores
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for the rest of the process
    _prepare(setup)
    gate.send(b"r")  # ready: from here on a tracer counts
    gate.recv(1)
    code = main(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(folder: Path) -> None:
    import airpatch_cli.commands
    import airpatch_cli.run

    sys.dont_write_bytecode = True
    for module in pkgutil.iter_modules(airpatch_cli.commands.__path__):
        importlib.import_module(f"airpatch_cli.commands.{module.name}")
    for name in airpatch.__all__:  # a user that may not read this folder cannot load them later
        getattr(airpatch, name)
    # Some modules are loaded when they are needed; how the interpreter takes errors meanwhile is not of interest.
    for name in ("cryptography.hazmat.primitives.asymmetric.ed25519", "airpatch.layers.rebuild"):
        importlib.import_module(name)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    gates: dict[int, socket.socket] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, object] = {}
        if "start" in request:
            gate, waiting = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                gate.close()
                try:
                    _child(request["start"], request["setup"], waiting, folder / f"{os.getpid()}.out")
                except BaseException:  # noqa: BLE001 - it must not go on as another zygote
                    traceback.print_exc()
                finally:
                    os._exit(99)
            waiting.close()
            gate.recv(1)
            gates[pid] = gate
            answer = {"pid": pid}
        elif "go" in request:
            gates[request["go"]].send(b"g")
        else:
            pid = request["wait"]
            gates.pop(pid).close()
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            output = folder / f"{pid}.out"
            answer = {"code": code, "output": output.read_text(errors="replace") if output.exists() else ""}
            output.unlink(missing_ok=True)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
