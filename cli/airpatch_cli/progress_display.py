"""Progress on stderr for every part of the work that takes longer than a second: a bar on a terminal, lines in a log.

Both show the amount done, the rate, the elapsed and the remaining time, and the current image and blob. A display that
cannot be written, on a full disk or a terminal that is gone, is given up; the work goes on.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from airpatch.errors import TargetError
from airpatch.units import megabytes
from airpatch_cli.standard_streams import abandon, write_lines

_DELAY = 1.0
"""Seconds that a part takes before anything is shown."""
_LINE_EVERY = 5.0
"""Seconds between lines."""
_UNWRITABLE = (OSError, ValueError, TargetError)
_BAR = "{desc}: {percentage:3.0f}%|{bar:12}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]{postfix}"


@dataclass(slots=True)
class _Part:
    label: str
    total: int
    began: float = field(default_factory=lambda: time.monotonic())
    done: int = 0
    item: str = ""
    shown: float | None = None
    """When the last line was printed."""
    shown_done: int = 0
    """The amount that it reported as done."""
    bar: Any = None


class ProgressDisplay:
    """Implements `airpatch.Progress`. `mode`: auto, bar, plain or off. For use by many threads."""

    def __init__(self, mode: str = "off") -> None:
        if mode == "auto":
            mode = "bar" if sys.stderr.isatty() else "plain"
        self.is_off = mode == "off"
        self._is_bar = mode == "bar"
        self._part: _Part | None = None
        self._lock = threading.Lock()

    def start(self, label: str, total: int) -> None:
        self.end()
        with self._lock:
            self._part = None if self.is_off else _Part(label, total)

    def advance(self, size: int, item: str) -> None:
        with self._lock:
            part = self._part
            if part is None:
                return
            part.done += size
            part.item = item or part.item
            now = time.monotonic()
            if now - part.began < _DELAY:
                return
            try:
                if self._is_bar:
                    _show_bar(part, size)
                elif part.shown is None or now - part.shown >= _LINE_EVERY:
                    _print_line(part, now)
            except _UNWRITABLE:
                abandon(sys.stderr)
                self._part = None

    def end(self) -> None:
        with self._lock:
            part, self._part = self._part, None
            if part is None:
                return
            try:
                if part.bar is not None:
                    part.bar.close()
                elif part.shown is not None and part.shown_done != part.done == part.total:
                    _print_line(part, time.monotonic())
            except _UNWRITABLE:
                abandon(sys.stderr)


def _show_bar(part: _Part, size: int) -> None:
    if part.bar is None:
        from tqdm import tqdm  # here, because most calls end before a bar is due

        part.bar = tqdm(
            total=part.total, desc=part.label, unit="B", unit_scale=True, leave=False, file=sys.stderr,
            bar_format=_BAR, dynamic_ncols=True,
        )  # fmt: skip
        part.bar.start_t -= time.monotonic() - part.began
        size = part.done
    part.bar.set_postfix_str(part.item, refresh=False)
    part.bar.update(size)


def _print_line(part: _Part, now: float) -> None:
    part.shown, part.shown_done = now, part.done
    elapsed = now - part.began
    rate = part.done / elapsed if elapsed else 0.0
    share = 100 * part.done // part.total if part.total else 100
    text = (
        f"{part.label}: {megabytes(part.done)} of {megabytes(part.total)} ({share} %), {megabytes(round(rate))}/s, "
        f"{_clock(elapsed)} elapsed"
    )
    if part.done < part.total:
        if share:  # before that it is a guess
            text += f", {_clock((part.total - part.done) / rate)} left"
        text += f", at {part.item}" if part.item else ""
    write_lines([f"airpatch: {text}"], sys.stderr)


def _clock(seconds: float) -> str:
    """`0:05`, `12:34`, `1:02:03`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
