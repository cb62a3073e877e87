"""Parallel gzip: blocks of a fixed size, each compressed on its own after the end of the one before.

The framing of klauspost/pgzip (skopeo, podman, buildah) and of pigz. Since a block depends on nothing but
itself and its dictionary, blocks can be compressed in parallel; the output does not depend on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Protocol


class Section(Protocol):
    """The deflater of one block."""

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take plaintext; return compressed bytes, maybe none."""
        ...

    def flush(self) -> bytes:
        """End the output at a byte; return what is left of it."""
        ...

    def finish(self) -> bytes:
        """End the stream; return the last compressed bytes."""
        ...


class BlockwiseDeflater:
    """Cut plaintext into blocks and compress each.

    A block of `size` bytes follows the `dictionary` bytes before it, which `make` is given. The last block is finished,
    all others are flushed; with `flushes_all`, the last one is flushed, too, and then finished, and a full block is not
    the last one even if no plaintext follows: then an empty one is. At most `ahead` blocks wait for `pool`. Without it,
    output comes as soon as a block's deflater has any.
    """

    def __init__(
        self,
        make: Callable[[bytes], Section],
        size: int,
        dictionary: int,
        flushes_all: bool,
        pool: Executor | None = None,
        ahead: int = 4,
    ) -> None:
        self._make = make
        self._size = size
        self._dictionary_size = dictionary
        self._flushes_all = flushes_all
        self._pool = pool
        self._ahead = ahead
        self._filled = 0  # bytes of the current block
        self._block = bytearray()  # these bytes, for the pool
        self._section: Section | None = None  # that has taken these bytes, without a pool
        self._tail = b""  # the plaintext's last bytes so far, the next dictionary
        self._dictionary = b""  # of the current block
        self._done: deque[Future[bytes]] = deque()

    def feed(self, data: bytes) -> bytes:
        """Take plaintext; return compressed bytes, maybe none."""
        out = bytearray()
        view = memoryview(data)
        while view:
            if self._filled == self._size:
                out += self._next(last=False)
            piece = view[: self._size - self._filled]
            view = view[len(piece) :]
            self._filled += len(piece)
            self._tail = (self._tail + bytes(piece[-self._dictionary_size :]))[-self._dictionary_size :]
            if self._pool is None:
                self._section = self._section or self._make(self._dictionary)
                out += self._section.feed(piece)
            else:
                self._block += piece
            if self._flushes_all and self._filled == self._size:
                out += self._next(last=False)
        return bytes(out)

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        out = bytearray(self._next(last=True))
        while self._done:
            out += self._done.popleft().result()
        return bytes(out)

    def _next(self, last: bool) -> bytes:
        """End the block at hand; return what is ready, and no less than what is over the limit."""
        dictionary, self._dictionary = self._dictionary, self._tail
        self._filled = 0
        if self._pool is None:
            section = self._section or self._make(dictionary)
            self._section = None
            return self._end(section, last)
        block = bytes(self._block)
        self._block.clear()
        self._done.append(self._pool.submit(self._compress, block, dictionary, last))
        out = bytearray()
        while self._done and (self._done[0].done() or len(self._done) > self._ahead):
            out += self._done.popleft().result()
        return bytes(out)

    def _compress(self, block: bytes, dictionary: bytes, last: bool) -> bytes:
        section = self._make(dictionary)
        return section.feed(block) + self._end(section, last)

    def _end(self, section: Section, last: bool) -> bytes:
        if not last:
            return section.flush()
        return section.flush() + section.finish() if self._flushes_all else section.finish()
