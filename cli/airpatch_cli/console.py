"""What the user sees: results on stdout, everything else on stderr, all of it as JSON if that is asked for."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TextIO

from airpatch.errors import AirpatchError
from airpatch.execution import Execution
from airpatch_cli.progress_display import ProgressDisplay


@dataclass(frozen=True, slots=True)
class Result:
    """What a command has to say: `lines` for people, `data` for `--json`."""

    data: dict[str, object]
    lines: Sequence[str] = ()
    exit_code: int = 0
    notes: Sequence[str] = ()
    """Remarks for stderr."""


@dataclass(slots=True)
class Console:
    """`results` is where results go: stdout, or stderr when stdout carries a bundle."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    results: TextIO = field(default_factory=lambda: sys.stdout)
    progress: ProgressDisplay = field(default_factory=ProgressDisplay)
    execution: Execution = field(default_factory=Execution)
    """How the command works, as its options say."""

    @classmethod
    def early(cls, words: Sequence[str]) -> Self:
        """A console for errors in the arguments themselves."""
        return cls(json="--json" in words)

    @classmethod
    def from_args(cls, args: Namespace) -> Self:
        piped = getattr(args, "output", None) == "-"
        mode = "off" if args.quiet else args.progress
        results = sys.stderr if piped else sys.stdout
        progress = ProgressDisplay(mode)
        execution = Execution(args.jobs, getattr(args, "memory", Execution().memory), progress=progress)
        return cls(args.json, args.quiet, args.verbose > 0, results, progress, execution)

    def note(self, text: str) -> None:
        """A remark on stderr."""
        if not self.quiet:
            _say(f"airpatch: {text}")

    def report(self, result: Result) -> None:
        """Print a result, and what there is to remark about it."""
        for note in result.notes:
            self.note(note)
        if self.json:
            self._dump(result.data)
        elif not self.quiet:
            for line in result.lines:
                print(line, file=self.results)
        self.results.flush()

    def fail(self, error: AirpatchError) -> None:
        """Print an error: one line, then one for each finding; before it what was done nevertheless."""
        for note in getattr(error, "__notes__", ()):
            self.note(note)
        if self.json:
            kind = type(error).__name__
            self._dump(
                {
                    "error": {
                        "class": kind,
                        "exit": error.exit_code,
                        "message": error.message,
                        "findings": list(error.findings),
                    }
                }
            )
        _say(f"airpatch: {error.message}", *(f"  {finding}" for finding in error.findings))

    def crash(self, error: Exception, trace: str) -> None:
        """Print an internal error."""
        message = f"{type(error).__name__}: {error}"
        if self.json:
            self._dump({"error": {"class": "Defect", "exit": 1, "message": message, "findings": []}})
        _say(
            f"airpatch: internal error: {message}",
            trace if self.verbose else "  please report it, with what another run with -v prints",
        )

    def _dump(self, data: dict[str, object]) -> None:
        print(json.dumps(data, indent=2), file=self.results, flush=True)


def _say(*lines: str) -> None:
    """Write to stderr. Where that is a log on a full disk, the exit code still has to tell what happened."""
    with suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr)


def megabytes(size: int) -> str:
    """`size` in bytes, for people: three digits or so, in decimal units as disks and lines have."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """`3 images`, `1 image`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines with the columns of `rows` aligned; the columns numbered in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
