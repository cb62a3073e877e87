"""What the user sees: results on stdout, everything else on stderr, and all of it as JSON on request."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TextIO

from airpatch.errors import AirpatchError, TargetError
from airpatch.execution import Execution
from airpatch.progress import NO_PROGRESS
from airpatch.timestamps import emit_timestamp
from airpatch_cli.progress_display import ProgressDisplay
from airpatch_cli.standard_streams import try_to_write, visible, write_lines, write_text

_FORMAT_VERSION = 1
"""Version of the documents that `--json` prints (spec/JSON.md)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command reports: `lines` for people, `data` for `--json`."""

    data: dict[str, object]
    lines: Sequence[str] = ()
    exit_code: int = 0
    notes: Sequence[str] = ()
    """Remarks for stderr."""
    text: str = ""
    """Replaces `lines` where text must be printed unchanged."""


@dataclass(slots=True)
class Console:
    """`results` is where results go: stdout, or stderr when stdout carries a bundle."""

    command: str = ""
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    results: TextIO = field(default_factory=lambda: sys.stdout)
    progress: ProgressDisplay = field(default_factory=ProgressDisplay)
    execution: Execution = field(default_factory=Execution)
    """How the command is to work, according to its options."""
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long the command has been running."""
        return time.monotonic() - self.began

    @classmethod
    def early(cls, words: Sequence[str]) -> Self:
        """Return a console for errors in the arguments themselves."""
        return cls(json="--json" in words)

    @classmethod
    def from_args(cls, args: Namespace) -> Self:
        piped = getattr(args, "output", None) == "-"
        mode = "off" if args.quiet else getattr(args, "progress", "off")
        results = sys.stderr if piped else sys.stdout
        progress = ProgressDisplay(mode)
        watching = NO_PROGRESS if progress.is_off else progress
        memory = getattr(args, "memory", None) or Execution().memory
        ask = _ask if _is_watched(args) else None
        execution = Execution(getattr(args, "jobs", None), memory, progress=watching, ask=ask)
        return cls(args.command, args.json, args.quiet, args.verbose > 0, results, progress, execution)

    def note(self, text: str) -> None:
        """Print a remark on stderr."""
        if not self.quiet:
            try_to_write([f"airpatch: {text}"], sys.stderr)

    def end_line(self) -> None:
        """Begin a new line on a terminal, which has written ^C into the one that the person sees."""
        if not self.quiet and sys.stderr.isatty():
            try_to_write([""], sys.stderr)

    def report(self, result: Result) -> None:
        """Print a result and its remarks. Raises BrokenPipeError, or TargetError."""
        for note in result.notes:
            self.note(note)
        if self.json:
            self._dump(self.command, result.data)
        elif not self.quiet and result.text:
            write_text(result.text, self.results)
        elif not self.quiet:
            write_lines(result.lines, self.results)

    def fail(self, error: AirpatchError) -> None:
        """Print an error: one line, then one for each finding; before it, what was done in spite of it."""
        for note in getattr(error, "__notes__", ()):
            self.note(note)
        self._dump_error(type(error).__name__, error.exit_code, error.message, error.findings)
        try_to_write([f"airpatch: {error.message}", *(f"  {finding}" for finding in error.findings)], sys.stderr)

    def crash(self, error: Exception) -> None:
        """Print an internal error."""
        from traceback import format_exception  # here, since it is not expected to be needed

        message = f"{type(error).__name__}: {error}"
        self._dump_error("InternalError", 1, message, ())
        details = (
            "".join(format_exception(error)).splitlines()
            if self.verbose
            else ["  please report it, together with the output of another run with -v"]
        )
        try_to_write([f"airpatch: internal error: {message}", *details], sys.stderr)

    def _dump_error(self, kind: str, exit_code: int, message: str, findings: Sequence[str]) -> None:
        if self.json:
            error = {"class": kind, "exit": exit_code, "message": message, "findings": list(findings)}
            with suppress(BrokenPipeError, TargetError):
                self._dump("error", {"error": error})

    def _dump(self, kind: str, data: dict[str, object]) -> None:
        """Print a document in the format that spec/json.schema.json defines under the name `kind`."""
        document = {"format": f"airpatch.{kind}/{_FORMAT_VERSION}", **data}
        write_text(json.dumps(document, indent=2) + "\n", self.results)


def _is_watched(args: Namespace) -> bool:
    """Return whether a person can be asked: there is a terminal, and no --quiet."""
    return not args.quiet and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _ask(text: str) -> bool:
    """Ask for something, and wait for Enter; False where the person ends the input instead."""
    sys.stderr.write(f"airpatch: {visible(text)}, then press Enter (Ctrl-D to give up) ")
    sys.stderr.flush()
    return bool(sys.stdin.readline())


def title_of(output: str) -> str:
    """Return what an output is called for people."""
    return "standard output" if output == "-" else output


def timestamp(seconds: int) -> str:
    """Return a moment, in seconds since 1970, in the notation of RFC 3339."""
    return emit_timestamp(seconds)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return lines with the columns of `rows` aligned to the left, those numbered in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
