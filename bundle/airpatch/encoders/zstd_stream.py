"""Zstd frames in views: read piece by piece, whoever wrote them, and made by the encoders that have names.

Slow levels of libzstd take long whatever the content, and large tables take long to begin: that is told beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import zstandard

from airpatch.encoders.libzstd import VERSIONS, LibzstdEncoder
from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.encoders.zstd_frame import MAX_HEADER, FrameHeader, read_header
from airpatch.encoders.zstd_replicas import LIBZSTD_LEVELS, FrameEncoder, frame_encoder
from airpatch.errors import FormatError

MAX_WINDOW = 8 << 20
"""Bytes that a frame may refer back: libzstd's level 19 has no larger window."""
MAX_SIZED = 32 << 20
"""Bytes of content of a frame whose encoder is told their number first, or sees all of them at once: they are held."""
EACH, EACH_LARGE = 1 << 10, 1 << 16
"""Bytes that libbrotli makes at quality 11 in the time that a frame takes besides; the latter with large tables."""
_NAME = re.compile(r"libzstd-[\d.]+-(\d+)(?:-mt)?(-sized|-once)?(?:-nosum)?")
_LARGE_TABLES = 9
"""The level from which on tables may have tens of MiB, if the size is not known."""
_SLOW = 13
"""The level from which on libzstd may make as little as 1 MB/s. Below it makes 18, and klauspost/compress 12."""
_QUICK = 16
_BLOCK, _BLOCK_HEADER, _CHECKSUM = 128 << 10, 3, 4
_LEAST_HEADER = 6
_RUN = 1
_NO_FRAME = "not a zstd frame"


def once_name(version: str, level: int, checksum: bool) -> str:
    """Return the name of libzstd of that version and level that sees all of the content at once."""
    return f"libzstd-{version}-{level}-once" + "-nosum" * (not checksum)


def once_names() -> tuple[str, ...]:
    """Return the names of those that no layer is written by."""
    return tuple(_ONCE)


def zstd_effort(name: str, size: int) -> int:
    """Return how many bytes libbrotli makes at quality 11 while an encoder makes a frame of `size` bytes of content."""
    found = _NAME.fullmatch(name)
    level = int(found[1]) if found else 0
    has_large_tables = found is not None and not found[2] and level >= _LARGE_TABLES
    return (EACH_LARGE if has_large_tables else EACH) + _making(level, size)


_ONCE = {once_name(*each): each for each in product(VERSIONS, range(1, LIBZSTD_LEVELS + 1), (True, False))}


def _making(level: int, size: int) -> int:
    return size if level >= _SLOW else -(-size // _QUICK)


def _check(header: FrameHeader) -> None:
    if header.dictionary:
        raise FormatError("a zstd frame with a dictionary")
    if header.window > MAX_WINDOW:
        raise FormatError(f"a zstd frame with a window of {header.window} bytes; {MAX_WINDOW} are allowed")


class ZstdStreamEncoder:
    """Makes one frame. Raises FormatError for an unknown encoder, or if libzstd is not built in.

    `spend` receives what it will take before it is made. With the `size` of the content, if that is known, fewer bytes
    are held.
    """

    def __init__(self, name: str, spend: Spend = UNBOUNDED.spend, size: int | None = None) -> None:
        found = _NAME.fullmatch(name)
        self._level = int(found[1]) if found else 0
        self._held = bytearray() if found and found[2] else None
        self._spend = spend
        spend(zstd_effort(name, 0))
        self._once: LibzstdEncoder | None = None
        if name in _ONCE:
            version, level, checksum = _ONCE[name]
            self._once = LibzstdEncoder(version, level, 0, checksum, True)
        else:
            self._encoder: FrameEncoder = frame_encoder(name)
            if self._held is not None and size is not None:
                self._encoder.begin(size)
                self._held = None

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none. Raises FormatError if that is too much."""
        self._spend(_making(self._level, len(data)))
        if self._held is None:
            return self._encoder.feed(data)
        if len(self._held) + len(data) > MAX_SIZED:
            raise FormatError(f"a zstd frame of known size has more than {MAX_SIZED} bytes of content")
        self._held += data
        return b""

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        if self._held is None:
            return self._encoder.finish()
        if self._once is not None:
            return self._once.once(self._held)
        self._encoder.begin(len(self._held))
        return self._encoder.feed(memoryview(self._held)) + self._encoder.finish()


class ZstdStreamDecompressor:
    """Decompresses one frame, by the interface of `zlib.decompressobj`, and block by block, each of 128 KiB at most.

    `eof` is whether all of it has been returned; `unused_data` is what followed, `unconsumed_tail` what is to be given
    again, since there was no room.
    """

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = self.unconsumed_tail = b""
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
        self._header = FrameHeader(0, 0, None, False, False, False)
        self._held = b""
        self._wanted = _LEAST_HEADER
        self._take: Callable[[], None] = self._take_header
        """What takes a part of `_wanted` bytes once `_held` has all of it."""
        self._is_last = self._is_over = False
        self._size = 0
        self._made = memoryview(b"")
        """Content that is yet to be returned."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to `max_length` bytes, one or more, of the content. Raises FormatError for what is no frame."""
        at = 0
        while at < len(data) and not self._made and not self._is_over:
            part = data[at : at + self._wanted - len(self._held)]
            self._held += part
            at += len(part)
            if len(self._held) == self._wanted:
                self._take()
        out = bytes(self._made[:max_length])
        self._made = self._made[max_length:]
        self.eof = self._is_over and not self._made
        self.unused_data, self.unconsumed_tail = (data[at:], b"") if self.eof else (b"", data[at:])
        return out

    def _next(self, wanted: int, take: Callable[[], None]) -> None:
        self._held, self._wanted, self._take = b"", wanted, take

    def _take_header(self) -> None:
        try:
            self._header = read_header(self._held)
        except FormatError:
            if self._wanted == MAX_HEADER:
                raise
            self._wanted += 1
            return
        _check(self._header)
        self._unpack()
        self._next(_BLOCK_HEADER, self._take_block_header)

    def _take_block_header(self) -> None:
        word = int.from_bytes(self._held, "little")
        size = word >> 3
        if size > min(_BLOCK, self._header.window):
            raise FormatError("a zstd frame with a block that is larger than its window, or than 128 KiB")
        self._is_last = bool(word & 1)
        self._wanted += 1 if word >> 1 & 3 == _RUN else size
        self._take = self._take_block
        if len(self._held) == self._wanted:
            self._take()

    def _take_block(self) -> None:
        self._unpack()
        if not self._is_last:
            self._next(_BLOCK_HEADER, self._take_block_header)
        elif self._header.checksum:
            self._next(_CHECKSUM, self._take_checksum)
        else:
            self._end()

    def _take_checksum(self) -> None:
        self._unpack()
        self._end()

    def _end(self) -> None:
        self._is_over = True
        if not self._unpacker.eof or self._header.content not in (None, self._size):
            raise FormatError(_NO_FRAME)

    def _unpack(self) -> None:
        try:
            self._made = memoryview(self._unpacker.decompress(self._held))
        except zstandard.ZstdError:
            raise FormatError(_NO_FRAME) from None
        self._size += len(self._made)
