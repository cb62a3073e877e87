"""Frames as klauspost/compress zstd writes them: how uncompressed data becomes blocks.

BuildKit, containerd, skopeo, podman, buildah, kaniko and crane write zstd layers with it. The framing is that of
`zstd/encoder.go` and `zstd/frameenc.go` from 1.14.2 on (Klaus Post, BSD); match search and block writing are in the
other kzstd modules.
"""

from __future__ import annotations

from xxhash import xxh64

from airpatch.encoders.kzstd_blocks import ZstdBlockWriter
from airpatch.encoders.kzstd_matcher import ZstdMatcher
from airpatch.encoders.kzstd_sequences import Sequences

MAGIC = b"\x28\xb5\x2f\xfd"
_CHECKSUM = 1 << 2
_SINGLE_SEGMENT = 1 << 5
_SMALL = 1024  # up to this, a frame has a window descriptor although all of it is one block
_LEAST_WINDOW_LOG = 10
_EMPTY_LAST_BLOCK = b"\x01\0\0"


class KlauspostZstd:
    """One frame, with a checksum. Output does not depend on how the uncompressed data is cut into pieces.

    `frames_nothing`: without any data there is still an empty frame (from 1.18.5 on).
    """

    def __init__(
        self, matcher: ZstdMatcher, blocks: ZstdBlockWriter, window: int, block: int, frames_nothing: bool
    ) -> None:
        self._matcher = matcher
        self._blocks = blocks
        self._window = window
        self._block = block
        self._frames_nothing = frames_nothing
        self._pending = bytearray()
        self._checksum = xxh64()
        self._begun = False

    def begin(self, size: int) -> None:
        """Begin another frame with the same tables; `size` changes nothing."""
        self._matcher.reset()
        self._blocks.reset()
        self._pending.clear()
        self._checksum.reset()
        self._begun = False

    def take_tables(self, other: KlauspostZstd) -> None:
        """Go on with the tables of another encoder of the same level, which is over; output is the same."""
        self._matcher.take_tables(other._matcher)

    def search(self, block: bytes, size: int, alone: bool) -> Sequences:
        """Begin another frame; return the sequences of its first `size` bytes, which `block` begins with.

        But for their end they are those of the whole block. `alone` says that it is all of the frame. What is returned
        is overwritten by the next call.
        """
        self.begin(size)
        self._matcher.weigh(block)
        return self._matcher.sequences(*self._matcher.fill(block[:size]), alone)

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        out = bytearray()
        view = memoryview(data)
        self._checksum.update(view)
        if self._pending:
            taken = self._block - len(self._pending)
            self._pending += view[:taken]
            view = view[taken:]
            if len(self._pending) < self._block:
                return b""
            out += self._next(self._pending)
            self._pending.clear()
        while len(view) >= self._block:
            out += self._next(view[: self._block])
            view = view[self._block :]
        self._pending += view
        return bytes(out)

    def flush(self) -> bytes:
        """End the block so far; the frame goes on."""
        if not self._pending:
            return b""
        out = self._next(self._pending)
        self._pending.clear()
        return out

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        if self._pending:
            last = self._encode(self._pending, last=True) if self._begun else self._alone(self._pending)
        elif self._begun:
            last = _EMPTY_LAST_BLOCK
        elif self._frames_nothing:
            last = self._header() + _EMPTY_LAST_BLOCK
        else:
            return b""
        return last + self._checksum.intdigest().to_bytes(8, "little")[:4]

    def _next(self, source: bytes | bytearray | memoryview) -> bytes:
        """Return a block that others follow, after the frame's header if it is the first one."""
        out = b"" if self._begun else self._header()
        self._begun = True
        return out + self._encode(source, last=False)

    def _header(self) -> bytes:
        return stream_header(self._window)

    def _alone(self, source: bytes | bytearray) -> bytes:
        """Return the header and the only block of a frame."""
        return lone_block_header(len(source)) + self._encode(source, last=True, alone=True)

    def _encode(self, source: bytes | bytearray | memoryview, last: bool, alone: bool = False) -> bytes:
        begin, end = self._matcher.fill(source)
        found = self._matcher.sequences(begin, end, alone)
        return self._blocks.block(found, self._matcher.buffer, begin, end, last, end - begin == self._block)


def stream_header(window: int) -> bytes:
    """Return the header of a frame of several blocks, or of none, with that window in bytes."""
    return MAGIC + bytes((_CHECKSUM, _window_byte(window)))


def lone_block_header(size: int) -> bytes:
    """Return the header of a frame of one block with so many bytes of content: it says its size."""
    if size < 256:
        code, content_size = 0, b""
    elif size < 65536 + 256:
        code, content_size = 1, (size - 256).to_bytes(2, "little")
    else:
        code, content_size = 2, size.to_bytes(4, "little")
    if size <= _SMALL:
        window = max(1 << size.bit_length(), 1 << _LEAST_WINDOW_LOG)
        return MAGIC + bytes((code << 6 | _CHECKSUM, _window_byte(window))) + content_size
    return MAGIC + bytes((code << 6 | _CHECKSUM | _SINGLE_SEGMENT,)) + content_size


def _window_byte(window: int) -> int:
    return ((window - 1).bit_length() - _LEAST_WINDOW_LOG) << 3
