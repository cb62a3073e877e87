"""Large tables and buffers of which mostly little is used."""

from __future__ import annotations

from contextlib import suppress
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap

_HUGE = 2 << 20  # bytes of a page


def untouched(size: int) -> mmap:
    """Return `size` zeros that take no memory, and no time, before they are used: most frames are small.

    Positions are scattered over tables. In pages of 4 KiB the first touch of each took longer than the search.
    """
    zeros = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    if size >= _HUGE:
        with suppress(OSError):  # a kernel without huge pages
            zeros.madvise(MADV_HUGEPAGE)
    return zeros
