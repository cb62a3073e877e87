"""The library's log on stderr: with `-v` each decision, with `-vv` more."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from airpatch_cli.standard_streams import try_to_write

_LEVELS = (logging.INFO, logging.DEBUG)


class _Handler(logging.Handler):
    """Writes to whatever `sys.stderr` is at the moment. A line that cannot be written is lost, and nothing else is."""

    def emit(self, record: logging.LogRecord) -> None:
        try_to_write([f"airpatch: {self.format(record)}"], sys.stderr)


@contextmanager
def decisions_shown(verbosity: int) -> Iterator[None]:
    """Show what the library logs within the block; `verbosity`, 1 or more, counts how often `-v` was given."""
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
