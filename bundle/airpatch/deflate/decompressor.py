"""Inflating where only the bytes that come out matter, and the checksums of gzip and zlib: ISA-L's, which are fast.

ISA-L takes a few streams that zlib refuses, whose codes are incomplete. What comes out is the same wherever both take
a stream. Where decisions matter, `airpatch.deflate.inflate` reads them.
"""

from __future__ import annotations

from typing import Protocol, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

RAW, ZLIB, GZIP = -15, 15, 31
"""Framings of a deflate stream, in zlib's window bits."""

DecompressionError = cast("type[Exception]", IsalError)  # to its stubs it is a value
crc32 = isal_zlib.crc32
adler32 = isal_zlib.adler32


class PiecewiseDecompressor(Protocol):
    """The part of the interface of `zlib.decompressobj` by which bounded pieces are made."""

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Decompressor(PiecewiseDecompressor, Protocol):
    """The interface of `zlib.decompressobj`."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...

    def flush(self) -> bytes: ...


def decompressor(framing: int) -> Decompressor:
    """Return what inflates one stream with that framing. Its methods raise `DecompressionError`."""
    return isal_zlib.decompressobj(framing)
