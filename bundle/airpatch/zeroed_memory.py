"""Large buffers and tables of which mostly little is used."""

from __future__ import annotations

from array import array
from contextlib import suppress
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap

_HUGE_PAGE = 2 << 20
"""Bytes."""


def lazy_zeros(size: int, in_huge_pages: bool = True) -> mmap:
    """Return `size` zero bytes, which take no memory, and no time, before they are used (mmap(2)).

    Large ones lie in huge pages, where the kernel has them (madvise(2)): one page fault for each 2 MiB. In pages of
    4 KiB the first touch of each position of a table of matches took longer than the search. Where little is used of a
    table, here and there, small pages take less memory.
    """
    zeros = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    if in_huge_pages and size >= _HUGE_PAGE:
        with suppress(OSError):
            zeros.madvise(MADV_HUGEPAGE)
    return zeros


def zeroed_words(count: int) -> array[int] | memoryview:
    """Return `count` words of 32 bits, all 0; many lie in huge pages, as a table by hashes is used all over."""
    if 4 * count < _HUGE_PAGE:
        return array("I", [0]) * count
    return memoryview(lazy_zeros(4 * count)).cast("I")
