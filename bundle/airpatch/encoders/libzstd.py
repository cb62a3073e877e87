"""libzstd itself, in the versions whose output has a name. It is vendored, and there is no replica of it."""

from __future__ import annotations

import cython

from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.encoders.libzstd import libzstd_1_5_6, libzstd_1_5_7

AVAILABLE = bool(cython.compiled)
"""Uncompiled there is no libzstd of a given version."""
VERSIONS = ("1.5.6", "1.5.7")

_CONTINUE, _FLUSH, _END = 0, 1, 2
_OUT = cython.declare(cython.size_t, 128 << 10)


@cython.cclass
class LibzstdEncoder:
    """Frames by a version of libzstd. Types are in libzstd.pxd.

    With `workers`, one or more, it cuts the input into jobs; the number of workers does not matter. `sized`: it is told
    how much data there is, and writes that into the header.
    """

    def __init__(self, version: str, level: int, workers: int, checksum: bool, sized: bool) -> None:
        if not cython.compiled or version not in VERSIONS:
            raise FormatError(f"libzstd {version} is not built in")
        self._api = cython.address(libzstd_1_5_6) if version == "1.5.6" else cython.address(libzstd_1_5_7)
        self._context = self._api.create()
        if self._context == cython.NULL:
            raise MemoryError
        self._sized = sized
        self._buffer = bytearray(_OUT)
        self._out = self._buffer
        self._check(self._api.set(self._context, level, workers, checksum))

    def __dealloc__(self) -> None:
        if self._context != cython.NULL:
            self._api.release(self._context)

    def limit(self, hash_log: int, chain_log: int) -> None:
        """Make tables of so many bits, which is quicker for little data; 0 leaves them. Output may differ."""
        self._check(self._api.limit(self._context, hash_log, chain_log))

    def begin(self, size: int) -> None:
        """Begin another frame, of `size` bytes of uncompressed data."""
        self._check(self._api.begin(self._context, size if self._sized else -1))

    def once(self, data: bytes | bytearray | memoryview) -> bytes:
        """Return a frame of all of `data`, which libzstd sees at once: it cuts blocks, and finds matches, otherwise."""
        self.begin(len(data))
        self._buffer = bytearray(len(data) + (len(data) >> 8) + _OUT)
        self._out = self._buffer
        return self._run(data, _END)

    def feed(self, data: bytes | bytearray | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        return self._run(data, _CONTINUE)

    def flush(self) -> bytes:
        """Return all bytes of what has been fed; the frame goes on with a new block."""
        return self._run(b"", _FLUSH)

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        return self._run(b"", _END)

    def _run(self, data: bytes | bytearray | memoryview, mode: int) -> bytes:
        source: cython.const[cython.uchar][::1] = data if data else b"\0"
        size: cython.size_t = len(data)
        at: cython.size_t = 0
        written: cython.size_t
        room: cython.size_t = len(self._buffer)
        left: cython.size_t = 1
        how: cython.int = mode
        out = bytearray()
        while left if how else at < size:
            written = 0
            with cython.nogil:
                left = self._api.run(
                    self._context,
                    cython.address(source[0]),
                    size,
                    cython.address(at),
                    cython.address(self._out[0]),
                    room,
                    cython.address(written),
                    how,
                )
            self._check(left)
            out += self._buffer[:written]
        return bytes(out)

    def _check(self, result: int) -> None:
        code: cython.size_t = result
        if self._api.is_error(code):
            raise FormatError("libzstd cannot make such a frame")
