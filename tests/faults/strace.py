"""Faults at the N-th system call of a run: strace traces it, then injects a signal or an error.

strace counts the calls of each name for each thread. `Point` therefore names a thread too: the main one, which alone
is traced then, or all of them, where the first that comes to its N-th call is hit. `points` checks that together
they reach every call that the reference run made.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.zygote import Ended, Run, Setup, Zygote

CHANGES = (
    *("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "copy_file_range", "sendfile", "ioctl"),
    *("fsync", "fdatasync", "syncfs", "sync_file_range"),
    *("openat", "creat", "mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    *("fchmod", "fchmodat", "chmod", "fchown", "fchownat", "chown", "utimensat", "setxattr", "fsetxattr"),
)
"""System calls that may change a disk; of `openat` those that create."""

_PATIENCE = 30.0
"""Seconds until a run that should stop is given up."""
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_STANDARD_STREAM = re.compile(r"[012][,<]")


@dataclass(frozen=True)
class Call:
    """A call of a run: the `number`-th of its `name` in its thread, from 1 on."""

    main: bool
    """Whether the main thread makes it."""
    name: str
    number: int
    arguments: str

    @property
    def changes_disk(self) -> bool:
        if self.name == "openat":
            return "O_CREAT" in self.arguments
        if self.name == "ioctl":
            return "FICLONE" in self.arguments
        return not (self.name.startswith(("write", "pwrite")) and _STANDARD_STREAM.match(self.arguments))


@dataclass(frozen=True, order=True)
class Point:
    """Where a fault hits: before the `number`-th call of `name`, of the main thread or of any thread."""

    name: str
    number: int
    main: bool

    def __str__(self) -> str:
        return f"{self.name}#{self.number}{'' if self.main else ' (threads)'}"


@cache
def is_allowed() -> bool:
    """Whether strace is there and may trace others' processes, as root where the system says so."""
    if os.geteuid() != 0 or shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode == 0


@contextmanager
def traced(run: Run, names: Sequence[str], output: Path, *, threads: bool, inject: str | None = None) -> Iterator[None]:
    """Let the waiting `run` go under strace; `names` are the calls that it watches."""
    words = ["strace", "-p", str(run.pid), "-o", str(output), "-e", f"trace={','.join(names)}", "-s", "120", "-y"]
    if threads:
        words.append("-f")
    if inject is not None:
        words += ["-e", f"inject={inject}"]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        if tracer.stderr is None or "attached" not in (line := tracer.stderr.readline()):
            raise RuntimeError(f"strace does not attach: {line}")
        run.go()
        yield
    finally:
        try:
            tracer.communicate(timeout=60)
        finally:
            tracer.kill()


def record(zygote: Zygote, argv: Sequence[str | Path], folder: Path, names: Sequence[str] = CHANGES) -> list[Call]:
    """All calls of `names` that an undisturbed run makes, in order."""
    run = zygote.start(argv)
    trace = folder / "trace"
    with traced(run, names, trace, threads=True):
        ended = run.wait()
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run ended with {ended.code}: {ended.output}")
    calls = []
    counts: Counter[tuple[int, str]] = Counter()
    for line in trace.read_text().splitlines():
        match = _CALL.match(line if line[:1].isdigit() else "")
        if match is not None:
            thread, name = int(match[1]), match[2]
            counts[thread, name] += 1
            calls.append(Call(thread == run.pid, name, counts[thread, name], match[3]))
    return calls


def points(calls: Sequence[Call], *, strict: bool = True) -> list[Point]:
    """Points that reach all of `calls` that change the disk.

    If one cannot be reached, since another thread comes to its number first, RuntimeError is raised; without
    `strict` it is left out.
    """
    first: dict[tuple[str, int], Call] = {}
    for call in calls:
        first.setdefault((call.name, call.number), call)
    found = []
    for call in calls:
        if not call.changes_disk:
            continue
        point = Point(call.name, call.number, call.main)
        if not point.main and first[call.name, call.number] != call:
            if strict:
                raise RuntimeError(f"{point} is another thread's call")
            continue
        found.append(point)
    return found


def inject(
    zygote: Zygote, argv: Sequence[str | Path], point: Point, fault: str, folder: Path, setup: Setup | None = None
) -> Ended:
    """A run that meets `fault` at `point`: `signal=SIGKILL`, `error=EIO`."""
    run = zygote.start(argv, setup)
    where = f"{point.name}:{fault}:when={point.number}"
    with traced(run, [point.name], folder / "trace", threads=not point.main, inject=where):
        return run.wait()


@contextmanager
def stopped(
    zygote: Zygote, argv: Sequence[str | Path], point: Point, folder: Path, ended: list[Ended]
) -> Iterator[None]:
    """Within the block a run stands still, just behind `point` of its main thread; how it ends goes to `ended`."""
    run = zygote.start(argv)
    trace = folder / "trace"
    trace.unlink(missing_ok=True)
    where = f"{point.name}:signal=SIGSTOP:when={point.number}"
    with traced(run, [point.name], trace, threads=False, inject=where):
        try:
            _await_stop(run.pid, trace)
            yield
        finally:
            run.kill(signal.SIGCONT)
            ended.append(run.wait())


def _await_stop(pid: int, trace: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while "stopped by SIGSTOP" not in (trace.read_text() if trace.exists() else ""):
        if time.monotonic() > end or not Path(f"/proc/{pid}").exists():
            raise RuntimeError("the run does not stop where it should")
        time.sleep(0.005)
