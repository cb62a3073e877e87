"""Fuzzes targets (fuzz/targets.py) for as long as they find something, in many runs, and keeps count.

    python -m fuzz.campaign FOLDER [NAME...]

FOLDER/NAME is the corpus of a target, FOLDER/NAME.json what was counted: cases, edges, seconds of processor time in all
and since the last new edge. Targets take turns, the one with the fewest cases first, until each has had a million cases
and 30 minutes of processor time without a new edge. SIGTERM ends it, and it goes on where it was when it is called
again; in a new folder, where the corpora of fixtures/fuzz were taken over (fuzz/corpora.py). Once the code that a
target traces has changed, its edges and the time without a new one begin anew. A target that fails is left out; its
input lies in the current folder.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from fuzz.corpora import CORPORA
from fuzz.targets import PARSERS, TARGETS, require_atheris

CASES = 1_000_000
SECONDS = 30 * 60
RUN = 10 * 60
"""Seconds of one run by the clock."""
HANG = 15 * 60
"""Seconds by the clock after which an input that has not ended is a failure. libFuzzer counts those, too, in which the
process does not run: on a busy machine, or while it is stopped, an input of a second can take minutes.
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Count:
    """What was counted of one target: seconds are of processor time, `since` those since the last new edge."""

    cases: int = 0
    edges: int = 0
    seconds: float = 0.0
    since: float = 0.0
    failed: bool = False
    parsers: str = ""
    """A hash of the code in which the edges are."""

    @property
    def is_done(self) -> bool:
        return self.failed or (self.cases >= CASES and self.since >= SECONDS)


class _Ended(Exception):
    """Somebody wants the campaign to end."""


def _end(_signal: int, _frame: object) -> None:
    raise _Ended


def main() -> None:
    require_atheris()
    signal.signal(signal.SIGTERM, _end)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    counts = {name: read(name, folder) for name in sys.argv[2:] or TARGETS}
    try:
        while left := {name: count for name, count in counts.items() if not count.is_done}:
            name = min(left, key=lambda each: (left[each].cases >= CASES, left[each].seconds))
            try:
                run(name, folder / name, counts[name])
            finally:
                (folder / f"{name}.json").write_text(json.dumps(asdict(counts[name])) + "\n")
                print(f"{name}: {counts[name]}", flush=True)
    except _Ended:
        return


def read(name: str, *folders: Path) -> Count:
    """Return what was counted of the target `name` in the first of `folders` that has it, or with its kept corpus."""
    kept = (folder / f"{name}.json" for folder in (*folders, CORPORA))
    return next((Count(**json.loads(path.read_text())) for path in kept if path.exists()), Count())


def run(name: str, corpus: Path, count: Count) -> None:
    """Fuzz the target `name` for a while, and add to its `count`. Raises _Ended after that."""
    corpus.mkdir(parents=True, exist_ok=True)
    words = [f"-max_total_time={RUN}", f"-timeout={HANG}", "-print_final_stats=1", str(corpus)]
    command = [sys.executable, "-m", "fuzz.targets", name, *words]
    ended, before = None, count.seconds
    with (
        tempfile.TemporaryDirectory() as scratch,
        subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, errors="replace", env={**os.environ, "TMPDIR": scratch}
        ) as process,
    ):
        try:
            report = _watch(process, count, before)
        except _Ended as error:
            ended = error
            process.send_signal(signal.SIGINT)  # libFuzzer says what it has done
            report = _watch(process, count, before)
    if ended is not None:
        raise ended
    if process.returncode:
        count.failed = True
        print(f"{name} fails:\n{report}", flush=True)


def _watch(process: subprocess.Popen[str], count: Count, before: float) -> str:
    """Count what libFuzzer reports to its end; return the last of it. `before` are the seconds of earlier runs."""
    tail: list[str] = []
    for line in process.stderr or ():
        passed = max(before + _processor_time(process.pid) - count.seconds, 0.0)
        count.seconds += passed
        count.since += passed
        tail = [*tail[-20:], line]
        if line.startswith(PARSERS):
            if (parsers := line.removeprefix(PARSERS).strip()) != count.parsers:
                count.parsers, count.edges, count.since = parsers, 0, 0.0
        elif found := re.search(r"\bcov: (\d+)", line):
            if (edges := int(found[1])) > count.edges:
                count.edges, count.since = edges, 0.0
        elif cases := re.match(r"stat::number_of_executed_units: (\d+)", line):
            count.cases += int(cases[1])
    return "".join(tail)


def _processor_time(process: int) -> float:
    """Return the seconds that a process has taken, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
