"""zopfli itself, in the version whose output has names. It is vendored, and there is no replica of it."""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.encoders.libzopfli import ZopfliDeflatePart, ZopfliInitOptions, ZopfliOptions
    from cython.cimports.libc.stdlib import free, malloc

AVAILABLE = bool(cython.compiled)
"""Uncompiled there is no zopfli."""
VERSION = "1.0.3"
ITERATIONS = (15,)
"""Those that streams have been met with: the default."""

USUAL = 4
"""Bytes that libbrotli makes at quality 11 in the time of one of usual content."""
EACH_STREAM = 16 << 10
"""The same for a stream besides, or a block of one: even an empty one takes time."""
_CHAIN = cython.declare(cython.longlong, 256)
"""At so many places in the window, or fewer, stand usual content's three bytes; zopfli compares them all."""
_MAX_CHAIN = cython.declare(cython.int, 8192)
"""Those that it compares at most."""
_RUN = cython.declare(cython.Py_ssize_t, 258)
"""Within longer runs of a byte it does not look."""
_HASHES = cython.declare(cython.Py_ssize_t, 1 << 15)

_BLOCK = cython.declare(cython.Py_ssize_t, 1_000_000)
"""Bytes that zopfli compresses at a time."""
_WINDOW = cython.declare(cython.Py_ssize_t, 32 << 10)
_DYNAMIC = cython.declare(cython.int, 2)


def zopfli_names() -> tuple[str, ...]:
    """Return the names of all encoders."""
    return tuple(_ITERATIONS)


def zopfli_deflater(name: str, spend: Spend = UNBOUNDED.spend) -> ZopfliDeflater:
    """Return a new encoder. Raises FormatError for an unknown name, or if zopfli is not built in.

    `spend` receives what each block will take before it is made (`zopfli_effort`).
    """
    if name not in _ITERATIONS:
        raise FormatError(f"unknown encoder {name!r}")
    return ZopfliDeflater(_ITERATIONS[name], spend)


@cython.boundscheck(False)
@cython.wraparound(False)
def zopfli_effort(content: bytes, before: cython.Py_ssize_t = 0) -> int:
    """Return how many bytes libbrotli makes, at quality 11, in the time that zopfli takes for `content` behind its
    first `before` bytes: roughly, and at most four times too few.

    zopfli compares each place with those in the window that begin with the same three bytes.
    """
    # In bounds: `at` is below the size, and a hash below the count of hashes.
    data: cython.const[cython.uchar][::1] = content or b"\0"
    counts: cython.int[::1] = array("i", bytes(4 * _HASHES))
    size: cython.Py_ssize_t = len(content)
    run: cython.Py_ssize_t = 0
    at: cython.Py_ssize_t
    key: cython.Py_ssize_t
    compared: cython.longlong = 0
    for at in range(2, size):
        run = run + 1 if data[at] == data[at - 1] else 0
        key = (data[at - 2] << 10 ^ data[at - 1] << 5 ^ data[at]) & (_HASHES - 1)
        if at - 2 >= before and run < _RUN:
            compared += min(counts[key], _MAX_CHAIN)
        counts[key] += 1
        if at - 2 >= _WINDOW:
            old: cython.Py_ssize_t = at - 2 - _WINDOW
            counts[(data[old] << 10 ^ data[old + 1] << 5 ^ data[old + 2]) & (_HASHES - 1)] -= 1
    return USUAL * max(size - before, compared // _CHAIN)


_ITERATIONS = {f"zopfli-{VERSION}-{iterations}": iterations for iterations in ITERATIONS}


@cython.cclass
class ZopfliDeflater:
    """One deflate stream by zopfli. Types are in libzopfli.pxd.

    What is held are `_before` bytes of window, then bytes to compress. Of the stream's last byte `_bits` bits are
    known, if it is not whole.
    """

    def __init__(self, iterations: int, spend: Spend) -> None:
        if not cython.compiled:
            raise FormatError("zopfli is not built in")
        self._iterations = iterations
        self._spend = spend
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
        self._spend(EACH_STREAM + zopfli_effort(bytes(self._held[: self._before + size]), self._before))
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
