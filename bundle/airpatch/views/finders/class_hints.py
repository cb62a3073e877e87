"""Class files of Java that are not packed (JVMS 4.1)."""

from __future__ import annotations

from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.class_files import MAGIC, MAX_CLASS, class_size
from airpatch.views.finders.hint import Hint

__all__ = ["MAGIC", "find"]


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the class file that `data` begins with."""
    try:
        size = class_size(data[:MAX_CLASS])
    except FormatError:
        return ()
    return (Hint(0, framings.CLASS, 0, size, name),)
