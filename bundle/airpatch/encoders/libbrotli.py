"""libbrotli itself (RFC 7932), in the version whose output has names. It is vendored, and there is no replica of it."""

from __future__ import annotations

import cython

from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.encoders.libbrotli import (
        BROTLI_DECODER_RESULT_ERROR,
        BROTLI_DECODER_RESULT_SUCCESS,
        BROTLI_OPERATION_FINISH,
        BROTLI_OPERATION_PROCESS,
        BROTLI_PARAM_LGWIN,
        BROTLI_PARAM_QUALITY,
        BrotliDecoderCreateInstance,
        BrotliDecoderDecompressStream,
        BrotliDecoderDestroyInstance,
        BrotliDecoderLazyStaticInitInner,
        BrotliEncoderCompressStream,
        BrotliEncoderCreateInstance,
        BrotliEncoderDestroyInstance,
        BrotliEncoderIsFinished,
        BrotliEncoderLazyStaticInitInner,
        BrotliEncoderSetParameter,
    )

AVAILABLE = bool(cython.compiled)
"""Uncompiled there is no libbrotli."""
VERSION = "1.2.1"
QUALITIES = range(4, 12)
"""Those that a stream has been met with, or may be. At 0 and 1 output depends on the pieces that are fed."""
WINDOWS = range(10, 23)
"""Logarithms of the window's size; tables for larger ones take above 100 MiB."""

SLOW = 10
"""The quality from which on it makes about 1 MB/s."""
BEGINNING = 1 << 14
"""Steps (airpatch.encoders.spending) in the time that a stream takes to begin and to end, at a lower quality."""
EACH_STREAM = 1 << 10
"""Bytes that it makes at such a quality in the time that a stream takes besides."""

_has_tables = cython.declare(cython.bint, False)
_OUT = cython.declare(cython.size_t, 128 << 10)
_HELD = 1 << 20
"""Bytes from which libbrotli takes input to be large: below quality 10 it asks how many there are at first."""


def brotli_name(quality: int, window: int) -> str:
    """Return the name of the encoder of that quality, with a window of 2^`window` bytes."""
    return f"libbrotli-{VERSION}-{quality}-{window}"


def brotli_names() -> tuple[str, ...]:
    """Return the names of all encoders."""
    return tuple(_PARAMETERS)


def brotli_encoder(name: str, spend: Spend = UNBOUNDED.spend) -> BrotliEncoder:
    """Return a new encoder. Raises FormatError for an unknown name, or if libbrotli is not built in.

    At slow qualities `spend` receives how many bytes will be made before they are.
    """
    if name not in _PARAMETERS:
        raise FormatError(f"unknown encoder {name!r}")
    quality, window = _PARAMETERS[name]
    return BrotliEncoder(quality, window, spend if quality >= SLOW else UNBOUNDED.spend)


_PARAMETERS = {brotli_name(quality, window): (quality, window) for quality in QUALITIES for window in WINDOWS}


@cython.cclass
class BrotliEncoder:
    """Makes the stream that libbrotli makes of data given to it at once. Types are in libbrotli.pxd."""

    def __init__(self, quality: int, window: int, spend: Spend) -> None:
        if not cython.compiled:
            raise FormatError("libbrotli is not built in")
        self._spend = spend
        self._held = bytearray()
        self._buffer = bytearray(_OUT)
        self._out = self._buffer
        _make_tables()
        self._state = BrotliEncoderCreateInstance(cython.NULL, cython.NULL, cython.NULL)
        if self._state == cython.NULL:
            raise MemoryError
        BrotliEncoderSetParameter(self._state, BROTLI_PARAM_QUALITY, quality)
        BrotliEncoderSetParameter(self._state, BROTLI_PARAM_LGWIN, window)

    def __dealloc__(self) -> None:
        if self._state != cython.NULL:
            BrotliEncoderDestroyInstance(self._state)

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        self._held += data
        if len(self._held) <= _HELD:
            return b""
        # The last byte waits: a block that ends the stream is another one.
        given, self._held = self._held[:-1], self._held[-1:]
        return self._run(given, BROTLI_OPERATION_PROCESS)

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        self._spend(EACH_STREAM)
        return self._run(self._held, BROTLI_OPERATION_FINISH)

    def _run(self, data: bytearray, operation: int) -> bytes:
        self._spend(len(data))
        source: cython.const[cython.uchar][::1] = data or b"\0"
        given: cython.p_const_uchar = cython.address(source[0])
        left: cython.size_t = len(data)
        how: cython.int = operation
        out = bytearray()
        is_right: cython.int = 1
        while is_right:
            to: cython.p_uchar = cython.address(self._out[0])
            room: cython.size_t = _OUT
            with cython.nogil:
                is_right = BrotliEncoderCompressStream(
                    self._state,
                    how,
                    cython.address(left),
                    cython.address(given),
                    cython.address(room),
                    cython.address(to),
                    cython.NULL,
                )
            out += self._buffer[: _OUT - room]
            if BrotliEncoderIsFinished(self._state) or (how == BROTLI_OPERATION_PROCESS and not left and room):
                return bytes(out)
        raise MemoryError  # there is no other error


@cython.cclass
class BrotliDecompressor:
    """Decompresses one stream, by the interface of `zlib.decompressobj`. Types are in libbrotli.pxd.

    `eof` is whether all of it has been returned; `unused_data` is what followed, `unconsumed_tail` what is to be given
    again, since there was no room.
    """

    def __init__(self) -> None:
        if not cython.compiled:
            raise FormatError("libbrotli is not built in")
        self.eof = False
        self.unused_data = self.unconsumed_tail = b""
        self._buffer = bytearray(_OUT)
        self._out = self._buffer
        _make_tables()
        self._state = BrotliDecoderCreateInstance(cython.NULL, cython.NULL, cython.NULL)
        if self._state == cython.NULL:
            raise MemoryError

    def __dealloc__(self) -> None:
        if self._state != cython.NULL:
            BrotliDecoderDestroyInstance(self._state)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to `max_length` bytes, one or more, of the content. Raises FormatError for what is no stream."""
        source: cython.const[cython.uchar][::1] = data or b"\0"
        given: cython.p_const_uchar = cython.address(source[0])
        left: cython.size_t = len(data)
        to: cython.p_uchar = cython.address(self._out[0])
        most: cython.size_t = min(max_length, _OUT)
        room: cython.size_t = most
        result: cython.int
        with cython.nogil:
            result = BrotliDecoderDecompressStream(
                self._state,
                cython.address(left),
                cython.address(given),
                cython.address(room),
                cython.address(to),
                cython.NULL,
            )
        if result == BROTLI_DECODER_RESULT_ERROR:
            raise FormatError("not a brotli stream")
        rest = data[len(data) - left :]
        self.eof = result == BROTLI_DECODER_RESULT_SUCCESS
        self.unused_data, self.unconsumed_tail = (rest, b"") if self.eof else (b"", rest)
        return bytes(self._buffer[: most - room])


@cython.cfunc
def _make_tables() -> cython.void:
    """Have libbrotli make its tables, which takes a millisecond, unless it has. The interpreter's lock is held."""
    global _has_tables
    if not _has_tables:
        BrotliEncoderLazyStaticInitInner()
        BrotliDecoderLazyStaticInitInner()
        _has_tables = True
