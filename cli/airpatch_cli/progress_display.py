"""Progress on stderr for everything that takes longer than a second: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any, Self

_DELAY = 1.0
"""Seconds before anything is shown."""
_LINE_EVERY = 5.0
"""Seconds between plain lines."""


class ProgressDisplay:
    """Bytes done out of a total, for one part of the work after the other. `mode`: auto, bar, plain or off."""

    def __init__(self, mode: str = "off") -> None:
        if mode == "auto":
            mode = "bar" if sys.stderr.isatty() else "plain"
        self._mode = mode
        self._label = ""
        self._total = 0
        self._done = 0
        self._bar: Any = None
        self._lock = threading.Lock()
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_part()

    def start(self, label: str, total: int) -> None:
        """Begin a part of `total` bytes."""
        self._end_part()
        self._label, self._total, self._done = label, total, 0
        self._began = self._spoke = time.monotonic()

    def end(self) -> None:
        self._end_part()

    def advance(self, size: int, item: str) -> None:
        """`size` more bytes are done. May be called by any thread."""
        if self._mode == "off":
            return
        with self._lock:
            self._done += size
            now = time.monotonic()
            if now - self._began < _DELAY:
                return
            if self._mode == "bar":
                self._show_bar()
            elif self._spoke == self._began or now - self._spoke >= _LINE_EVERY:
                self._spoke = now
                self._print_line(now)

    def _show_bar(self) -> None:
        if self._bar is None:
            from tqdm import tqdm  # here, because most calls end before a bar is due

            self._bar = tqdm(
                total=max(self._total, self._done), desc=self._label, unit="B", unit_scale=True, leave=False,
                file=sys.stderr,
            )  # fmt: skip
            self._bar.start_t -= _DELAY
        self._bar.update(min(self._done, self._bar.total) - self._bar.n)

    def _print_line(self, now: float) -> None:
        share = min(100 * self._done // max(self._total, 1), 100)
        rate = self._done / (now - self._began) / 1e6
        text = f"{self._label}: {self._done / 1e6:.0f} of {self._total / 1e6:.0f} MB ({share} %), {rate:.0f} MB/s"
        print(f"airpatch: {text}", file=sys.stderr, flush=True)

    def _end_part(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
