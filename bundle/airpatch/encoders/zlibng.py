"""zlib-ng as CPython calls it: the blocks of zlib, from tokens that depend on how it is called.

At levels 3 to 6 zlib-ng forgets the match that follows whenever a call of `deflate` ends: when all of its input is
taken, or where a block fills the buffer for output. CPython 3.10 and newer gives a call all that `compress` is given,
and buffers of the sizes in `_BUFFERS`, from the first one on for each `compress` (`_BlocksOutputBuffer`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

from airpatch.deflate.blocks import BlockWriter
from airpatch.encoders.zlib import write_smallest
from airpatch.encoders.zlibng_match import ZlibNgMatcher

_BUFFERS = tuple(size << 10 for size in (32, 64, 256, 1024, 4096, 8192, 16384, 16384, *4 * (32768,), 65536))
"""Sizes in bytes of the buffers for output; the last one recurs."""


class ZlibNgDeflater:
    """The output for data that is given to `compress` in pieces of `piece` bytes, or at once if that is 0.

    It does not depend on how data is fed.
    """

    def __init__(self, matcher: ZlibNgMatcher, piece: int = 0) -> None:
        self._matcher = matcher
        self._piece = piece
        self._writer = BlockWriter()
        self._out = bytearray()
        self._begin()

    def _begin(self) -> None:
        """Begin a call of `compress`."""
        self._left = self._piece
        self._made = 0  # whole bytes of it
        self._ends = _ends()
        self._end = next(self._ends)

    @property
    def steps(self) -> int:
        """The steps that the search has taken."""
        return self._matcher.steps

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        view = memoryview(data)
        while view:
            if self._piece and not self._left:
                self._drain(final=False)
                self._begin()
            taken = self._matcher.fill(view[: self._left] if self._piece else view)
            if not taken:
                self._drain(final=False)
            self._left -= taken
            view = view[taken:]
        return self._take()

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        self._drain(final=False)
        self._drain(final=True)
        self._writer.pad()
        self._out += self._writer.take()
        return self._take()

    def _drain(self, final: bool) -> None:
        while (tokens := self._matcher.next_block(final)) is not None:
            write_smallest(self._writer, tokens, self._matcher.source, self._matcher.last)
            made = self._writer.take()
            self._out += made
            self._made += len(made)
            if self._made >= self._end:
                self._matcher.interrupt()
                self._end = next(end for end in self._ends if end > self._made)

    def _take(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out


def _ends() -> Iterator[int]:
    """Yield how many bytes there are with each buffer."""
    end = 0
    for size in chain(_BUFFERS, repeat(_BUFFERS[-1])):
        end += size
        yield end
