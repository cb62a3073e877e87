"""klauspost/compress flate, which pgzip (skopeo, podman, buildah) runs, and which is Go's own from 1.27 on.

Here is how uncompressed data is cut into blocks (`flate/deflate.go`, Klaus Post and the Go authors, BSD); match
search and block writing are in the other klauspost modules.
"""

from __future__ import annotations

from array import array

from airpatch.encoders.klauspost_blocks import KlauspostWriter
from airpatch.encoders.klauspost_chains import LazyMatcher
from airpatch.encoders.klauspost_matcher import BLOCK, BlockMatcher

_WINDOW = 1 << 15
_HISTORY = 5 * BLOCK  # uncompressed data that klauspost's encoder holds; when full, all but the last window goes
_REBASE = 1 << 30  # positions stay within 32 bits


class KlauspostDeflater:
    """Levels 1 to 6. Output does not depend on how the uncompressed data is cut into pieces."""

    steps = 0
    """Each byte takes about as long as any other."""

    def __init__(self, matcher: BlockMatcher, writer: KlauspostWriter, dictionary: bytes) -> None:
        self._matcher = matcher
        self._writer = writer
        self._uncompressed = bytearray(_HISTORY + BLOCK)
        self._begin = 0  # of the current block
        self._end = len(dictionary)
        self._base = BLOCK
        self._uncompressed[: self._end] = dictionary
        self._search()

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        view = memoryview(data)
        while view:
            if self._end - self._begin == BLOCK:  # not before more uncompressed data comes: the last block is special
                self._block(last=False)
            taken = min(len(view), BLOCK - (self._end - self._begin))
            self._uncompressed[self._end : self._end + taken] = view[:taken]
            self._end += taken
            view = view[taken:]
        return self._writer.take()

    def flush(self) -> bytes:
        """End the blocks so far, and the output at a byte. Nothing may be fed after it."""
        self._block(last=True)
        self._writer.sync()
        return self._writer.take()

    def finish(self, flushed: bool = False) -> bytes:
        """Return the last compressed bytes, `flushed` after `Flush`."""
        self._block(last=True)
        if flushed:
            self._writer.sync()
        self._writer.finish()
        return self._writer.take()

    def _block(self, last: bool) -> None:
        size = self._end - self._begin
        if size >= 128:
            tokens = self._search()
            source = bytes(memoryview(self._uncompressed)[self._end - size : self._end])
            if not tokens:
                self._writer.stored(source)
            elif len(tokens) > size - (size >> 4):
                self._writer.literals(source, last)
            else:
                self._writer.tokens(tokens, source, last)
            return
        source = bytes(memoryview(self._uncompressed)[self._begin : self._end])
        self._begin = self._end
        if size > 32:
            self._writer.literals(source, last)
        elif size:
            self._writer.stored(source)

    def _search(self) -> array[int]:
        """Find the tokens of the uncompressed data from `_begin` to `_end`, and begin the next block."""
        if self._end > _HISTORY:
            dropped = self._begin - _WINDOW
            kept = self._end - dropped
            self._uncompressed[:kept] = self._uncompressed[dropped : self._end]
            self._begin -= dropped
            self._end = kept
            self._base += dropped
            if self._base > _REBASE:
                self._matcher.rebase(self._base - BLOCK)
                self._base = BLOCK
        tokens = self._matcher.tokens(self._uncompressed, self._begin, self._end, self._base)
        self._begin = self._end
        return tokens


class KlauspostLazyDeflater:
    """Levels 7 to 9. Output does not depend on how the uncompressed data is cut into pieces."""

    def __init__(self, matcher: LazyMatcher, writer: KlauspostWriter) -> None:
        self._matcher = matcher
        self._writer = writer

    @property
    def steps(self) -> int:
        """The steps that the search has taken."""
        return self._matcher.steps

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        view = memoryview(data)
        while view:
            if self._matcher.full:  # not before more uncompressed data comes: the last step is special
                self._step(last=False)
            view = view[self._matcher.fill(view) :]
        return self._writer.take()

    def flush(self) -> bytes:
        """End the blocks so far, and the output at a byte. Nothing may be fed after it."""
        self._step(last=True)
        self._writer.sync()
        return self._writer.take()

    def finish(self, flushed: bool = False) -> bytes:
        """Return the last compressed bytes, `flushed` after `Flush`."""
        self._step(last=True)
        if flushed:
            self._writer.sync()
        self._writer.finish()
        return self._writer.take()

    def _step(self, last: bool) -> None:
        for tokens, source in self._matcher.step(last):
            self._writer.tokens(tokens, source, last)
