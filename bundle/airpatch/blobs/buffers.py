"""Memory for frames under way."""

from __future__ import annotations

import mmap

from airpatch.linux import large_buffer

_LARGE = 1 << 20
"""Bytes of a view from which its memory is used again."""


class Buffers:
    """Views of at most `largest` bytes. Large ones lie in memory that is used again: new pages cost more than copying.

    Not for use by two threads at once.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._free: list[mmap.mmap] = []

    def take(self, size: int) -> memoryview:
        """A view of `size` bytes, of any content. More than `largest` are taken for this one use."""
        if not _LARGE < size <= self._largest:
            return memoryview(bytearray(size))
        return memoryview(self._free.pop() if self._free else large_buffer(self._largest))[:size]

    def give_back(self, view: memoryview) -> None:
        """Tell that a view from `take` is not looked at any more."""
        if isinstance(view.obj, mmap.mmap):
            self._free.append(view.obj)
