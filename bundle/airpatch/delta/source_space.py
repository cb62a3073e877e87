"""Sources as one address space.

All sources of a delta stand one after another in the order given; a *position* is an offset into that row. A
copy never crosses from one source into the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from mmap import mmap
from typing import TypeAlias

# What gives bytes at any offset without copying; large uncompressed layers are mmap objects over scratch files.
Buffer: TypeAlias = bytes | bytearray | memoryview | mmap


@dataclass(frozen=True, slots=True)
class Space:
    """The sources in a row: source `i` has the positions bases[i] <= p < bases[i] + sizes[i]."""

    sources: tuple[memoryview, ...]
    """Their bytes; empty where sizes alone are known."""
    sizes: tuple[int, ...]
    bases: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, sources: Sequence[Buffer]) -> Space:
        views = tuple(memoryview(source).cast("B") for source in sources)
        return replace(cls.of_sizes([len(view) for view in views]), sources=views)

    @classmethod
    def of_sizes(cls, sizes: Sequence[int]) -> Space:
        """Return the space of sources of which nobody asks for a byte; all are empty."""
        *bases, size = accumulate(sizes, initial=0)
        return cls((memoryview(b""),) * len(sizes), tuple(sizes), tuple(bases), size)

    def locate(self, position: int) -> int:
        """Return the number of the source that holds `position`, which must be 0 <= position < size.

        Of empty sources at the same position the next one that has bytes is meant: the last base not above
        it.
        """
        return bisect_right(self.bases, position) - 1

    def holds(self, position: int, length: int) -> bool:
        """Return whether `length` bytes from `position` are all within one source."""
        if not 0 <= position < self.size:
            return False
        number = bisect_right(self.bases, position) - 1
        return 0 <= length <= self.bases[number] + self.sizes[number] - position

    def slice(self, position: int, length: int) -> memoryview | None:
        """Return `length` bytes from `position`, or None if they are not all within one source."""
        return self.ahead(position, length) if self.holds(position, length) else None

    def ahead(self, position: int, length: int) -> memoryview:
        """Return `length` bytes from `position`, fewer where its source ends."""
        if position >= self.size:
            return memoryview(b"")
        number = bisect_right(self.bases, position) - 1  # `locate`, which is called a million times
        offset = position - self.bases[number]
        return self.sources[number][offset : offset + length]
