"""zopfli itself, in the version whose output has names. It is vendored, and there is no replica of it."""

from __future__ import annotations

import cython

from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.encoders.libzopfli import ZopfliDeflatePart, ZopfliInitOptions, ZopfliOptions
    from cython.cimports.libc.stdlib import free, malloc

AVAILABLE = bool(cython.compiled)
"""Uncompiled there is no zopfli."""
VERSION = "1.0.3"
ITERATIONS = (15,)
"""Those that streams have been met with: the default."""

_BLOCK = cython.declare(cython.Py_ssize_t, 1_000_000)
"""Bytes that zopfli compresses at a time."""
_WINDOW = cython.declare(cython.Py_ssize_t, 32 << 10)
_DYNAMIC = cython.declare(cython.int, 2)


def zopfli_names() -> tuple[str, ...]:
    """Return the names of all encoders."""
    return tuple(_ITERATIONS)


def zopfli_deflater(name: str) -> ZopfliDeflater:
    """Return a new encoder. Raises FormatError for an unknown name, or if zopfli is not built in."""
    if name not in _ITERATIONS:
        raise FormatError(f"unknown encoder {name!r}")
    return ZopfliDeflater(_ITERATIONS[name])


_ITERATIONS = {f"zopfli-{VERSION}-{iterations}": iterations for iterations in ITERATIONS}


@cython.cclass
class ZopfliDeflater:
    """One deflate stream by zopfli. Types are in libzopfli.pxd.

    What is held are `_before` bytes of window, then bytes to compress. Of the stream's last byte `_bits` bits are
    known, if it is not whole.
    """

    def __init__(self, iterations: int) -> None:
        if not cython.compiled:
            raise FormatError("zopfli is not built in")
        self._iterations = iterations
        self._held = bytearray()
        self._before = 0
        self._bits = self._partial = 0

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        self._held += data
        out = b""
        while len(self._held) - self._before > _BLOCK:
            out += self._part(_BLOCK, False)
        return out

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        out = self._part(len(self._held) - self._before, True)
        return out + bytes([self._partial]) if self._bits else out

    def _part(self, size: int, is_last: bool) -> bytes:
        """Compress the next `size` bytes; return what is whole of the stream."""
        source: cython.const[cython.uchar][::1] = self._held or b"\0"
        begin: cython.size_t = self._before
        end: cython.size_t = begin + size
        final: cython.int = is_last
        out: cython.p_uchar = cython.NULL
        made: cython.size_t = 0
        options = cython.declare(ZopfliOptions)
        ZopfliInitOptions(cython.address(options))
        options.numiterations = self._iterations
        if self._bits:  # zopfli appends to arrays that it makes larger by realloc
            out = cython.cast(cython.p_uchar, malloc(1))
            if out == cython.NULL:
                raise MemoryError
            out[0] = self._partial
            made = 1
        with cython.nogil:
            ZopfliDeflatePart(
                cython.address(options),
                _DYNAMIC,
                final,
                cython.address(source[0]),
                begin,
                end,
                cython.address(self._bits),
                cython.address(out),
                cython.address(made),
            )
        del source
        data = bytes(out[:made])
        free(out)
        if self._bits:
            self._partial = data[-1]
            data = data[:-1]
        drop = max(self._before + size - _WINDOW, 0)
        self._held = self._held[drop:]
        self._before += size - drop
        return data
