"""Parallel gzip: blocks of a fixed size, each compressed on its own after the end of the one before.

The framing of klauspost/pgzip (skopeo, podman, buildah) and of pigz. Since a block depends on nothing but
itself and its dictionary, blocks can be compressed in parallel; the output does not depend on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future

# Compress a block: its plaintext, the dictionary, and whether it is the last one.
CompressBlock = Callable[[bytes, bytes, bool], bytes]


class BlockwiseDeflater:
    """Cut plaintext into blocks and compress each.

    A block of `size` bytes follows a dictionary of the `dictionary` bytes before it. With `ends_early` a full
    block is not the last one even if no plaintext follows: then an empty one is. At most `ahead` blocks wait
    for `pool`.
    """

    def __init__(
        self,
        compress: CompressBlock,
        size: int,
        dictionary: int,
        ends_early: bool,
        pool: Executor | None = None,
        ahead: int = 4,
    ) -> None:
        self._compress = compress
        self._size = size
        self._dictionary_size = dictionary
        self._ends_early = ends_early
        self._pool = pool
        self._ahead = ahead
        self._block = bytearray()
        self._dictionary = b""
        self._done: deque[Future[bytes]] = deque()

    def feed(self, data: bytes) -> bytes:
        """Take plaintext; return compressed bytes, maybe none."""
        out = bytearray()
        view = memoryview(data)
        while view:
            if len(self._block) == self._size:
                out += self._next(last=False)
            taken = min(len(view), self._size - len(self._block))
            self._block += view[:taken]
            view = view[taken:]
            if self._ends_early and len(self._block) == self._size:
                out += self._next(last=False)
        return bytes(out)

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        out = bytearray(self._next(last=True))
        while self._done:
            out += self._done.popleft().result()
        return bytes(out)

    def _next(self, last: bool) -> bytes:
        """Compress the block at hand; return what is ready, and no less than what is over the limit."""
        block = bytes(self._block)
        dictionary = self._dictionary
        self._block.clear()
        self._dictionary = block[-self._dictionary_size :]
        if self._pool is None:
            return self._compress(block, dictionary, last)
        self._done.append(self._pool.submit(self._compress, block, dictionary, last))
        out = bytearray()
        while self._done and (self._done[0].done() or len(self._done) > self._ahead):
            out += self._done.popleft().result()
        return bytes(out)
