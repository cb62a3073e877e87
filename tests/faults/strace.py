"""Faults at the N-th system call of a run: strace traces it, then injects a signal or an error.

strace counts the calls of each name for each thread. `Point` therefore names a thread too: the main one, which alone
is traced then; all of them, where the first that comes to its N-th call is hit; or a certain one, to which the tracer
is attached when the main thread has made it and goes on: with the `rt_sigprocmask` behind `clone3` (glibc's
pthread_create), still holding Python's lock. Together `points` reach every call that the reference run made.
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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
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

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_BORN = re.compile(r"\bclone3\b.* = (\d+)$")
_BIRTH = ("clone3", "rt_sigprocmask")
_STANDARD_STREAM = re.compile(r"[012][,<]")


@dataclass(frozen=True)
class Call:
    """A call of a run: the `number`-th of its `name` in its thread, from 1 on.

    Its thread was there at the `born`-th `rt_sigprocmask` of the main one.
    """

    main: bool
    """Whether the main thread makes it."""
    name: str
    number: int
    arguments: str
    born: int

    @property
    def changes_disk(self) -> bool:
        if self.name == "openat":
            return "O_CREAT" in self.arguments
        if self.name == "ioctl":
            return "FICLONE" in self.arguments
        return not (self.name.startswith(("write", "pwrite")) and _STANDARD_STREAM.match(self.arguments))


@dataclass(frozen=True, order=True)
class Point:
    """Where a fault hits: before the `number`-th call of `name`, of the main thread, of that `born`, or of any."""

    name: str
    number: int
    main: bool
    born: int = 0

    def __str__(self) -> str:
        thread = f" (thread {self.born})" if self.born else " (threads)"
        return f"{self.name}#{self.number}{'' if self.main else thread}"


@cache
def is_allowed() -> bool:
    """Whether strace is there and may trace others' processes, as root where the system says so."""
    if os.geteuid() != 0 or shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode == 0


@contextmanager
def traced(run: Run, names: Sequence[str], output: Path, *, threads: bool, inject: str | None = None) -> Iterator[None]:
    """Let the waiting `run` go under strace; `names` are the calls that it watches."""
    with _attached(run.pid, names, output, threads=threads, inject=inject):
        run.go()
        yield


@contextmanager
def _attached(pid: int, names: Sequence[str], output: Path, *, threads: bool, inject: str | None) -> Iterator[None]:
    words = ["strace", "-p", str(pid), "-o", str(output), "-e", f"trace={','.join(names)}", "-s", "120", "-y"]
    if threads:
        words.append("-f")
    if inject is not None:
        words += ["-e", f"inject={inject}"]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        if tracer.stderr is None or "attached" not in (line := tracer.stderr.readline()):
            raise RuntimeError(f"strace does not attach: {line}")
        yield
    except BaseException:
        tracer.kill()
        raise
    finally:
        tracer.communicate()


def record(zygote: Zygote, argv: Sequence[str | Path], folder: Path, names: Sequence[str] = CHANGES) -> list[Call]:
    """All calls of `names` that an undisturbed run makes, in order."""
    run = zygote.start(argv)
    trace = folder / "trace"
    with traced(run, (*names, *_BIRTH), trace, threads=True):
        ended = run.wait()
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run ended with {ended.code}: {ended.output}")
    born: dict[int, int] = {}
    masks = 0
    calls = []
    counts: Counter[tuple[int, str]] = Counter()
    for line in trace.read_text().splitlines():
        if (birth := _BORN.search(line)) is not None:
            born[int(birth[1])] = masks + 1
        match = _CALL.match(line if line[:1].isdigit() else "")
        masks += match is not None and match[2] == "rt_sigprocmask" and int(match[1]) == run.pid
        if match is not None and match[2] in names:
            thread, name = int(match[1]), match[2]
            counts[thread, name] += 1
            calls.append(Call(thread == run.pid, name, counts[thread, name], match[3], born.get(thread, 0)))
    return calls


def points(calls: Sequence[Call], *, strict: bool = True) -> list[Point]:
    """Points that reach all of `calls` that change the disk.

    Without `strict` those are left out to whose number another thread may come first.
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
            if not strict:
                continue
            point = replace(point, born=call.born)
        found.append(point)
    return found


def inject(
    zygote: Zygote, argv: Sequence[str | Path], point: Point, fault: str, folder: Path, setup: Setup | None = None
) -> Ended:
    """A run that meets `fault` at `point`: `signal=SIGKILL`, `error=EIO`."""
    where = f"{point.name}:{fault}:when={point.number}"
    if point.born:
        ended: list[Ended] = []
        with ExitStack() as stack:
            birth = Point("rt_sigprocmask", point.born, main=True)
            with stopped(zygote, argv, birth, folder, ended, setup) as pid:
                newest = max(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
                trace = folder / "trace-of-thread"
                stack.enter_context(_attached(newest, [point.name], trace, threads=False, inject=where))
        return ended[0]
    run = zygote.start(argv, setup)
    with traced(run, [point.name], folder / "trace", threads=not point.main, inject=where):
        return run.wait()


@contextmanager
def stopped(
    zygote: Zygote,
    argv: Sequence[str | Path],
    point: Point,
    folder: Path,
    ended: list[Ended],
    setup: Setup | None = None,
) -> Iterator[int]:
    """Within the block a run stands still, just behind `point` of its main thread; how it ends goes to `ended`.

    Gives the id of its process.
    """
    run = zygote.start(argv, setup)
    trace = folder / "trace"
    trace.unlink(missing_ok=True)
    where = f"{point.name}:signal=SIGSTOP:when={point.number}"
    with traced(run, [point.name], trace, threads=False, inject=where):
        try:
            _await_stop(run.pid, trace)
            yield run.pid
        finally:
            run.kill(signal.SIGCONT)
            ended.append(run.wait())


def _await_stop(pid: int, trace: Path) -> None:
    while "stopped by SIGSTOP" not in (trace.read_text() if trace.exists() else ""):
        if not _runs(pid):
            raise RuntimeError("the run does not stop where it should")
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
