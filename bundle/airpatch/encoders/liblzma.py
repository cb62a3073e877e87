"""liblzma itself (xz files), in the version whose output has names. It is vendored, and there is no replica of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cython

from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.encoders.liblzma import (
        LZMA_BUF_ERROR,
        LZMA_FILTER_LZMA2,
        LZMA_FINISH,
        LZMA_MEM_ERROR,
        LZMA_OK,
        LZMA_PRESET_EXTREME,
        LZMA_RUN,
        LZMA_STREAM_END,
        LZMA_TELL_UNSUPPORTED_CHECK,
        LZMA_VLI_UNKNOWN,
        lzma_code,
        lzma_end,
        lzma_filter,
        lzma_lzma_preset,
        lzma_mt,
        lzma_options_lzma,
        lzma_stream,
        lzma_stream_decoder,
        lzma_stream_encoder,
        lzma_stream_encoder_mt,
    )
    from cython.cimports.libc.stdlib import calloc, free
    from cython.cimports.libc.string import memset

AVAILABLE = bool(cython.compiled)
"""Uncompiled there is no liblzma."""
VERSION = "5.8.1"
CHECKS = {"crc32": 1, "crc64": 4}
"""The checks of content, and their numbers in the header (xz file format 2.1.1.2)."""
MAGIC = b"\xfd7zXZ\0"
"""What an xz stream begins with."""
MAX_DICTIONARY = 8 << 20
"""Bytes that a stream may refer back: those of preset 6, for which the encoder takes 94 MiB."""
EACH_STREAM = 1 << 10
"""Bytes that libbrotli makes at quality 11 in the time that a stream takes besides."""
_DICTIONARIES = (1 << 18, 1 << 20, 2 << 20, 4 << 20, 4 << 20, 8 << 20, 8 << 20)
"""Of the presets from 0 on."""
_KERNEL = "6-1MiB"
"""What modules of Linux are compressed by."""
_MEMORY_LIMIT = cython.declare(cython.ulonglong, 9 << 20)
"""Bytes that a decoder takes for the largest dictionary, about."""
_BLOCK, _HAS_SIZES, _LZMA2 = 12, 0xC0, b"\x21\x01"
_OUT = cython.declare(cython.size_t, 128 << 10)


@dataclass(frozen=True, slots=True)
class XzParameters:
    """The preset, whether it is an extreme one, the check's number, the dictionary's size in bytes, and whether headers
    of blocks have sizes, as those of `xz -T2` have, which cuts long content.
    """

    preset: int
    is_extreme: bool
    check: int
    dictionary: int
    has_sizes: bool


def xz_name(preset: str, check: str, has_sizes: bool) -> str:
    """Return the name of the encoder of that preset, such as `6` or `6e`, and check."""
    return f"liblzma-{VERSION}-{preset}-{check}" + "-mt" * has_sizes


def xz_names() -> tuple[str, ...]:
    """Return the names of all encoders, those most often met first."""
    return tuple(_PARAMETERS)


def xz_parameters(name: str) -> XzParameters:
    """Return what a name says. Raises FormatError for an unknown one."""
    if name not in _PARAMETERS:
        raise FormatError(f"unknown encoder {name!r}")
    return _PARAMETERS[name]


def xz_encoder(name: str, spend: Spend = UNBOUNDED.spend) -> XzEncoder:
    """Return a new encoder. Raises FormatError for an unknown name, or if liblzma is not built in.

    `spend` receives what it will take before it is made.
    """
    return XzEncoder(xz_parameters(name), spend)


def xz_candidates(stream: bytes) -> list[str]:
    """Return the names of those that write what a stream begins with, the likeliest first, by the header of its first
    block (xz file format 3.1): 32 bytes will do.
    """
    if not stream.startswith(MAGIC) or len(stream) < 32:
        return []
    flags = stream[_BLOCK + 1]
    at = _BLOCK + 2
    for _ in range(2 if flags == _HAS_SIZES else 0):
        while stream[at] & 0x80 and at < 29:
            at += 1
        at += 1
    if flags not in (0, _HAS_SIZES) or stream[at : at + 2] != _LZMA2:
        return []
    packed = stream[at + 2]  # the size of the dictionary (5.3.1)
    dictionary = (2 | packed & 1) << (packed // 2 + 11)
    wanted = (stream[7], dictionary, flags == _HAS_SIZES)
    return [name for name, has in _PARAMETERS.items() if (has.check, has.dictionary, has.has_sizes) == wanted]


def xz_effort(size: int, is_extreme: bool) -> int:
    """Return how many bytes libbrotli makes, at quality 11, in the time that liblzma takes for `size` bytes: an extreme
    preset, which looks at ten times as many candidates, takes four times as long for the worst content.
    """
    return 2 * size if is_extreme else size // 2


def _parameters(preset: str, check: str, has_sizes: bool) -> XzParameters:
    number = int(preset[0])
    dictionary = 1 << 20 if preset == _KERNEL else _DICTIONARIES[number]
    return XzParameters(number, preset.endswith("e"), CHECKS[check], dictionary, has_sizes)


_PARAMETERS = {
    xz_name(preset, check, has_sizes): _parameters(preset, check, has_sizes)
    for preset, has_sizes, check in product(
        ("6", _KERNEL, "6e", *(f"{preset}{kind}" for preset in range(6, -1, -1) for kind in ("", "e"))),
        (False, True),
        ("crc64", "crc32"),
    )
}


@cython.cclass
class XzEncoder:
    """Makes the stream that liblzma makes. Types are in liblzma.pxd."""

    def __init__(self, parameters: XzParameters, spend: Spend) -> None:
        if not cython.compiled:
            raise FormatError("liblzma is not built in")
        self._spend = spend
        self._is_extreme = parameters.is_extreme
        self._buffer = bytearray(_OUT)
        self._out = self._buffer
        self._stream = _new_stream()
        options = cython.declare(lzma_options_lzma)
        lzma_lzma_preset(
            cython.address(options), parameters.preset | (LZMA_PRESET_EXTREME if parameters.is_extreme else 0)
        )
        options.dict_size = parameters.dictionary
        filters = cython.declare(lzma_filter[2])
        filters[0].id, filters[1].id = LZMA_FILTER_LZMA2, LZMA_VLI_UNKNOWN
        filters[0].options = cython.address(options)
        check: cython.int = parameters.check
        if parameters.has_sizes:
            threads = cython.declare(lzma_mt)
            memset(cython.address(threads), 0, cython.sizeof(threads))
            threads.threads, threads.filters, threads.check = 1, filters, check
            result = lzma_stream_encoder_mt(self._stream, cython.address(threads))
        else:
            result = lzma_stream_encoder(self._stream, filters, check)
        if result != LZMA_OK:
            raise MemoryError  # there is no other error

    def __dealloc__(self) -> None:
        _end(self._stream)

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        self._spend(xz_effort(len(data), self._is_extreme))
        return self._run(data, LZMA_RUN)

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        self._spend(EACH_STREAM)
        return self._run(b"", LZMA_FINISH)

    def _run(self, data: bytes, action: int) -> bytes:
        source: cython.const[cython.uchar][::1] = data or b"\0"
        how: cython.int = action
        result: cython.int = LZMA_OK
        self._stream.next_in = cython.address(source[0])
        self._stream.avail_in = len(data)
        out = bytearray()
        while self._stream.avail_in or (how == LZMA_FINISH and result == LZMA_OK):
            self._stream.next_out = cython.address(self._out[0])
            self._stream.avail_out = _OUT
            with cython.nogil:
                result = lzma_code(self._stream, how)
            if result not in (LZMA_OK, LZMA_STREAM_END):
                raise MemoryError  # there is no other error
            out += self._buffer[: _OUT - self._stream.avail_out]
        return bytes(out)


@cython.cclass
class XzDecompressor:
    """Decompresses one stream of LZMA2, by the interface of `zlib.decompressobj`. Types are in liblzma.pxd.

    `eof` is whether all of it has been returned; `unused_data` is what followed, `unconsumed_tail` what is to be given
    again, since there was no room.
    """

    def __init__(self) -> None:
        if not cython.compiled:
            raise FormatError("liblzma is not built in")
        self.eof = False
        self.unused_data = self.unconsumed_tail = b""
        self._buffer = bytearray(_OUT)
        self._out = self._buffer
        self._stream = _new_stream()
        if lzma_stream_decoder(self._stream, _MEMORY_LIMIT, LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK:
            raise MemoryError

    def __dealloc__(self) -> None:
        _end(self._stream)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to `max_length` bytes, one or more, of the content, or none for want of data. Raises FormatError
        for what is no stream, or refers back farther than `MAX_DICTIONARY`.
        """
        source: cython.const[cython.uchar][::1] = data or b"\0"
        most: cython.size_t = min(max_length, _OUT)
        result: cython.int = LZMA_OK
        self._stream.next_in = cython.address(source[0])
        self._stream.avail_in = len(data)
        self._stream.next_out = cython.address(self._out[0])
        self._stream.avail_out = most
        with cython.nogil:
            result = lzma_code(self._stream, LZMA_RUN)
        made = most - self._stream.avail_out
        if result == LZMA_MEM_ERROR:
            raise MemoryError
        if result not in (LZMA_OK, LZMA_STREAM_END, LZMA_BUF_ERROR):
            raise FormatError("not an xz stream, or one with a dictionary of more than 8 MiB")
        rest = data[len(data) - self._stream.avail_in :]
        self.eof = result == LZMA_STREAM_END
        self.unused_data, self.unconsumed_tail = (rest, b"") if self.eof else (b"", rest)
        return bytes(self._buffer[:made])


@cython.cfunc
def _new_stream() -> cython.pointer(lzma_stream):
    """Return the state of a stream that has not begun."""
    made = cython.cast(cython.pointer(lzma_stream), calloc(1, cython.sizeof(lzma_stream)))
    if made == cython.NULL:
        raise MemoryError
    return made


@cython.cfunc
def _end(stream: cython.pointer(lzma_stream)) -> cython.void:
    if stream != cython.NULL:
        lzma_end(stream)
        free(stream)
