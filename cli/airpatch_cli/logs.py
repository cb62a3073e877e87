"""Decisions of the library on stderr: with `-v` each of them, with `-vv` more."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LEVELS = (logging.INFO, logging.DEBUG)


class _Handler(logging.Handler):
    """Writes to what is stderr now. A line that cannot be written is lost, and nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            print(f"airpatch: {self.format(record)}", file=sys.stderr)


@contextmanager
def decisions_shown(verbosity: int) -> Iterator[None]:
    """Show what the library logs within the block: `verbosity` is how often `-v` was given, at least once."""
    logger = logging.getLogger("airpatch")
    handler = _Handler()
    level = logger.level
    logger.setLevel(_LEVELS[min(verbosity, len(_LEVELS)) - 1])
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
