"""Runs commands as whole processes and compares them in turn, so that a drifting machine slows both alike."""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command: seconds on the clock, processor seconds, MiB of the largest process."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class Command:
    """A command to measure: its words, or a line for `sh`; `prepare` runs before each run and is not counted."""

    name: str
    words: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables in addition to the process's own."""


def shell(name: str, line: str, prepare: Callable[[], None] = lambda: None) -> Command:
    return Command(name, ["sh", "-ec", line], prepare)


PYTHON = (sys.executable, "-S")
"""Without what finds an editable installation, which takes a third of a short command's time, and which others lack."""


def airpatch(name: str, *words: str | Path, prepare: Callable[[], None] = lambda: None) -> Command:
    _compile()
    found = found_in(PROJECT / "bundle", PROJECT / "cli")
    return Command(name, [*PYTHON, "-m", "airpatch", *map(str, words)], prepare, found)


def found_in(*folders: Path) -> dict[str, str]:
    """Return the environment in which `PYTHON` finds the packages in `folders`, and those that are installed."""
    installed = (sysconfig.get_path(name) for name in ("purelib", "platlib"))
    return {"PYTHONPATH": os.pathsep.join([*map(str, folders), *dict.fromkeys(installed)]), "PYTHONSAFEPATH": "1"}


@cache
def _compile() -> None:
    """Leave bytecode beside the modules, as an installation by pip does: else each run might compile them again."""
    for package in ("bundle", "cli"):
        compileall.compile_dir(PROJECT / package, quiet=1)


_LAUNCHER = """
import os, sys, time
began = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - began
os.write(int(sys.argv[1]), f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024}".encode())
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""
"""Starts the command from a small process: the kernel counts the memory of the one that forks as the child's own."""


def measure(command: Command) -> Run:
    """Run once. Raises RuntimeError with the output if the command fails."""
    command.prepare()
    report, write_end = os.pipe()
    with os.fdopen(report) as figures, tempfile.TemporaryFile() as output:
        words = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(write_end), *command.words]
        done = subprocess.run(
            words,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env=os.environ | command.environment,
            pass_fds=[write_end],
        )
        os.close(write_end)
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command.name}: exit {done.returncode}: {output.read().decode(errors='replace')}")
        return Run(*map(float, figures.read().split()))


def compare(commands: Sequence[Command], times: int = 5) -> dict[str, Run]:
    """Run the commands in turn, once to warm up and `times` times counted; prints and returns the medians.

    Every other turn goes backwards: what runs after another finds other memory free than what runs after itself.

    `first/this` is the median, over the turns, of how many times as long the first command took as this one.
    """
    turns: list[list[Run]] = []
    for turn in range(times + 1):
        runs = {command.name: measure(command) for command in (commands if turn % 2 else reversed(commands))}
        if turn:
            turns.append([runs[command.name] for command in commands])
    medians = {}
    print(f"  {'command':<44}{'wall s':>9}{'cpu s':>9}{'MiB':>7}{'first/this':>13}")
    for i, command in enumerate(commands):
        walls, cpus, memory = zip(*((t[i].wall, t[i].cpu, t[i].memory) for t in turns), strict=True)
        ratio = statistics.median(t[0].wall / t[i].wall for t in turns)
        run = Run(statistics.median(walls), statistics.median(cpus), max(memory))
        medians[command.name] = run
        print(f"  {command.name:<44}{run.wall:>9.3f}{run.cpu:>9.3f}{run.memory:>7.0f}{ratio:>12.2f}x")
    return medians


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what a benchmark writes, on a real disk: below `$AIRPATCH_BENCH`, or beside the project."""
    base = Path(os.environ.get("AIRPATCH_BENCH", PROJECT / "build"))
    base.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def emptied(*paths: Path) -> Callable[[], None]:
    """For `prepare`: remove files and folders, and have the disk idle before the clock runs."""

    def run() -> None:
        for path in paths:
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        os.sync()

    return run
