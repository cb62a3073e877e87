"""Parallel gzip: sections of the uncompressed data, each compressed on its own after the end of the one before.

The framing of klauspost/pgzip (skopeo, podman, buildah) and of pigz. Since a section depends on nothing but
itself and its dictionary, sections can be compressed in parallel; the output does not depend on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from enum import IntEnum
from typing import Protocol


class Cut(IntEnum):
    """What happens at the end of a piece of uncompressed data."""

    NONE = 0  # nothing: the next piece belongs to it
    FLUSH = 1  # the output ends at a byte, and the section goes on
    SECTION = 2  # so does it, and the section ends


Piece = tuple[bytes | memoryview, Cut]


class Cutter(Protocol):
    """Decides where uncompressed data is cut.

    A piece may be empty: its cut then replaces a lesser one of the piece before it.
    """

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take uncompressed data; yield pieces of what has been taken so far."""
        ...

    def finish(self) -> Iterator[Piece]:
        """Yield the pieces that are left."""
        ...


class EvenCuts:
    """Sections of the same size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._filled = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take uncompressed data; yield all of it."""
        view = memoryview(data)
        while view:
            piece = view[: self._size - self._filled]
            view = view[len(piece) :]
            self._filled = (self._filled + len(piece)) % self._size
            yield piece, Cut.NONE if self._filled else Cut.SECTION

    def finish(self) -> Iterator[Piece]:
        """Yield nothing."""
        return iter(())


class OneSection:
    """The cuts of `cuts`, but where a section would end, the first one goes on after a flush."""

    def __init__(self, cuts: Cutter) -> None:
        self._cuts = cuts

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take uncompressed data; yield pieces of what has been taken so far."""
        return ((piece, min(cut, Cut.FLUSH)) for piece, cut in self._cuts.feed(data))

    def finish(self) -> Iterator[Piece]:
        """Yield the pieces that are left."""
        return ((piece, min(cut, Cut.FLUSH)) for piece, cut in self._cuts.finish())


class SectionDeflater(Protocol):
    """The deflater of one section."""

    @property
    def steps(self) -> int:
        """The steps that its search has taken."""
        ...

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        ...

    def flush(self) -> bytes:
        """End the output at a byte; return what is left of it."""
        ...

    def finish(self) -> bytes:
        """End the stream; return the last compressed bytes."""
        ...


class BlockwiseDeflater:
    """Cut uncompressed data into sections and compress each.

    `make` receives the `dictionary` bytes before a section. At the end of the uncompressed data the
    last one is finished; where else `cuts` says so, they are flushed. With `flushes_all`, the last one is flushed, too,
    and then finished, and a section that ends with the uncompressed data is not the last one: an empty one is. At most
    `ahead` sections wait for `pool`. Without it, output comes as soon as a section's deflater has any.
    """

    def __init__(
        self,
        make: Callable[[bytes], SectionDeflater],
        cuts: Cutter,
        dictionary: int,
        flushes_all: bool,
        pool: Executor | None = None,
        ahead: int = 4,
    ) -> None:
        self._make = make
        self._cuts = cuts
        self._dictionary_size = dictionary
        self._flushes_all = flushes_all
        self._pool = pool
        self._ahead = ahead
        self._due = Cut.NONE  # the cut at the end of the uncompressed data so far
        self._block = bytearray()  # the current section, for the pool
        self._flushes: list[int] = []  # indexes into it where its output ends at a byte
        self._section: SectionDeflater | None = None  # that has taken the current section, without a pool
        self._tail = bytearray()  # at least the uncompressed data's last bytes so far, the next dictionary
        self._dictionary = b""  # of the current section
        self._done: deque[Future[tuple[bytes, int]]] = deque()
        self._steps = 0  # of sections that are over

    @property
    def steps(self) -> int:
        """The steps that the searches have taken, without those of sections that are not at hand yet."""
        return self._steps + (self._section.steps if self._section is not None else 0)

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        return self._compress(self._cuts.feed(data))

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        out = bytearray(self._compress(self._cuts.finish()))
        out += self._end_section(last=True)
        while self._done:
            out += self._first_done()
        return bytes(out)

    def _compress(self, pieces: Iterator[Piece]) -> bytes:
        out = bytearray()
        for piece, cut in pieces:
            if piece:
                out += self._cut()
                out += self._take(piece)
            self._due = max(self._due, cut)
            if self._flushes_all:
                out += self._cut()
        return bytes(out)

    def _take(self, piece: bytes | memoryview) -> bytes:
        self._tail += piece[-self._dictionary_size :]
        if len(self._tail) > 8 * self._dictionary_size:
            del self._tail[: -self._dictionary_size]
        if self._pool is None:
            self._section = self._section or self._make(self._dictionary)
            return self._section.feed(piece)
        self._block += piece
        return b""

    def _cut(self) -> bytes:
        """Carry out the cut that is due between two pieces."""
        due, self._due = self._due, Cut.NONE
        if due is Cut.SECTION:
            return self._end_section(last=False)
        if due is Cut.FLUSH:
            if self._section is not None:
                return self._section.flush()
            self._flushes.append(len(self._block))
        return b""

    def _end_section(self, last: bool) -> bytes:
        """End the section at hand; return what is ready, and no less than what is over the limit."""
        dictionary, self._dictionary = self._dictionary, bytes(self._tail[-self._dictionary_size :])
        if self._pool is None:
            section = self._section or self._make(dictionary)
            self._section = None
            out = self._end(section, last)
            self._steps += section.steps
            return out
        block = bytes(self._block)
        self._block.clear()
        flushes, self._flushes = self._flushes, []
        self._done.append(self._pool.submit(self._compress_section, block, flushes, dictionary, last))
        ready = bytearray()
        while self._done and (self._done[0].done() or len(self._done) > self._ahead):
            ready += self._first_done()
        return bytes(ready)

    def _first_done(self) -> bytes:
        out, steps = self._done.popleft().result()
        self._steps += steps
        return out

    def _compress_section(self, block: bytes, flushes: list[int], dictionary: bytes, last: bool) -> tuple[bytes, int]:
        """Return a section and the steps that it took."""
        section = self._make(dictionary)
        view = memoryview(block)
        out = bytearray()
        begin = 0
        for end in flushes:
            out += section.feed(view[begin:end])
            out += section.flush()
            begin = end
        out += section.feed(view[begin:])
        out += self._end(section, last)
        return bytes(out), section.steps

    def _end(self, section: SectionDeflater, last: bool) -> bytes:
        if not last:
            return section.flush()
        return section.flush() + section.finish() if self._flushes_all else section.finish()
