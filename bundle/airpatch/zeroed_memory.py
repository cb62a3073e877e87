"""Large buffers and tables of which mostly little is used."""

from __future__ import annotations

from array import array
from contextlib import suppress
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap

_HUGE_PAGE = 2 << 20
"""Bytes."""


def lazy_zeros(size: int) -> mmap:
    """Return `size` zero bytes, which take no memory, and no time, before they are used (mmap(2)).

    Large ones lie in huge pages, where the kernel has them (madvise(2)): one page fault for each 2 MiB. In pages of
    4 KiB the first touch of each position of a table of matches took longer than the search.
    """
    zeros = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    if size >= _HUGE_PAGE:
        with suppress(OSError):
            zeros.madvise(MADV_HUGEPAGE)
    return zeros


class ZeroedTables:
    """Tables of zeros beside each other, in as few pages as they can be: for those that are used a little all over."""

    def __init__(self, size: int) -> None:
        """All that are taken have at most `size` bytes."""
        self._rest = memoryview(lazy_zeros(-size // _HUGE_PAGE * -_HUGE_PAGE))  # only whole ones begin where they can

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes."""
        table, self._rest = self._rest[:size], self._rest[size:]
        return table


def zeroed_words(count: int) -> array[int] | memoryview:
    """Return `count` words of 32 bits, all 0; many lie in huge pages, as a table by hashes is used all over."""
    if 4 * count < _HUGE_PAGE:
        return array("I", [0]) * count
    return ZeroedTables(4 * count).take(4 * count).cast("I")
