"""Memory for frames that are being packed or unpacked, reused from frame to frame."""

from __future__ import annotations

import mmap

from airpatch.zeroed_memory import lazy_zeros

_LARGE = 1 << 20
"""Bytes of a view above which its memory is reused."""


class Buffers:
    """Views of at most `largest` bytes. Large ones lie in memory that is reused: new pages cost more than copying.

    Not for use by two threads at once.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._free: list[mmap.mmap] = []

    def take(self, size: int) -> memoryview:
        """Return a view of `size` bytes with arbitrary content. One of more than `largest` bytes is not reused."""
        if not _LARGE < size <= self._largest:
            return memoryview(bytearray(size))
        return memoryview(self._free.pop() if self._free else lazy_zeros(self._largest))[:size]

    def give_back(self, view: memoryview) -> None:
        """Say that a view from `take` is no longer in use."""
        if isinstance(view.obj, mmap.mmap):
            self._free.append(view.obj)
