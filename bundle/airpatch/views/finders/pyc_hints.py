"""Compiled files of Python."""

from __future__ import annotations

from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.finders.hint import Hint
from airpatch.views.pyc_files import HEADER, MAGICS, MAX_PYC, pyc_size

__all__ = ["MAGICS", "find"]


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the compiled file that `data` begins with. What is in its header, as the time of its source, is no change
    for which it would be expanded.
    """
    try:
        size = pyc_size(data[:MAX_PYC])
    except FormatError:
        return ()
    return (Hint(0, framings.PYC, HEADER, size, name),)
