# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: what is compared ends at `_end`, or with gzip 258 bytes after an index up to _SLIDE; a candidate has a
# byte before it, since chains end at 0; `_newest` has the bits of `_hash_mask`, the ring 15.
"""The window of zlib and of GNU gzip over the uncompressed data, and the longest match in it (`deflate.c`).

zlib 1.2.13 (Jean-loup Gailly and Mark Adler, zlib licence) and gzip 1.12 (Jean-loup Gailly, GPL), reimplemented here.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders.zlib_levels import SearchLimits

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load32
    from cython.cimports.airpatch.encoders.zlib_chains import RING, slide
else:
    from airpatch.byte_access import common, load32
    from airpatch.encoders.zlib_chains import RING, slide

_WINDOW = cython.declare(cython.int, 1 << 15)
_SPAN = cython.declare(cython.int, 2 << 15)  # uncompressed data held: a window to copy from and one to compress
_MIN_MATCH = cython.declare(cython.int, 3)
_MAX_MATCH = cython.declare(cython.int, 258)
_FARTHEST = cython.declare(cython.int, (1 << 15) - (258 + 3 + 1))  # distance of a match
_SLIDE = cython.declare(cython.int, (2 << 15) - (258 + 3 + 1))  # from this index on the window slides
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)


@cython.cclass
class ZlibWindow:
    """Two windows of uncompressed data, of which the older one is dropped when both are full. Types are in
    zlib_window.pxd.

    `_end` is where the uncompressed data ends, `_dropped` how many bytes of the stream were before the window, `steps`
    how many candidates have been looked at.
    Parameters are those of ZlibMatcher.
    """

    # 0 stands for no position, which is why nothing matches the first byte of the window. The window's upper
    # half keeps what was there before when it slides, and beyond it lies room for reading past the end.

    def __init__(self, search: SearchLimits, memory_level: int, gzip: bool, dictionary: bytes) -> None:
        self._uncompressed = memoryview(bytearray(_SPAN + _MAX_MATCH))
        self._window = self._uncompressed
        hash_bits = memory_level + 7
        self._hash_shift = (hash_bits + 2) // 3
        self._hash_mask = (1 << hash_bits) - 1
        self._newest = array("H", bytes(2 << hash_bits))
        self._older = array("H", bytes(2 * _WINDOW))
        self._gzip = gzip
        self._good = search.good
        self._nice = search.nice
        self._chain = search.chain
        self._empty = False  # no chain has a position
        self.steps = 0
        self._dropped = -len(dictionary)
        self._uncompressed[: len(dictionary)] = dictionary
        self._end = len(dictionary)

    def take(self, data: memoryview) -> int:
        """Take uncompressed data; return how many bytes of it, 0 if the window is full."""
        taken = min(len(data), _SPAN - self._end)
        self._uncompressed[self._end : self._end + taken] = data[:taken]
        self._end += taken
        return taken

    @cython.cfunc
    def drop_half(self, all_leave: cython.bint) -> cython.void:
        """Drop the older half of the window, and the positions in it. `all_leave` says that there are no others."""
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        self._uncompressed[:_WINDOW] = self._uncompressed[_WINDOW:_SPAN]
        self._end -= _WINDOW
        self._dropped += _WINDOW
        if not all_leave:
            slide(newest, len(self._newest), _WINDOW)
            slide(older, len(self._older), _WINDOW)
        elif not self._empty:
            slide(newest, len(self._newest), _SPAN)
        self._empty = all_leave

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def longest(self, index: cython.Py_ssize_t, candidate: cython.Py_ssize_t, length: cython.Py_ssize_t) -> cython.uint:
        """Follow a chain for the longest match over `length` bytes at `index`; return its token, or 0."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        ahead: cython.Py_ssize_t = self._end - index
        limit: cython.Py_ssize_t = _MAX_MATCH if self._gzip else min(_MAX_MATCH, ahead)
        enough: cython.Py_ssize_t = min(self._nice, limit)
        oldest: cython.Py_ssize_t = max(index - _FARTHEST, 0)
        most: cython.int = self._chain >> 2 if length >= self._good else self._chain
        chain: cython.int = most
        match: cython.uint = 0
        found: cython.Py_ssize_t
        ending: cython.uint
        if length >= limit or (self._gzip and index > _SLIDE):
            return 0
        # The last four bytes of a longer match, or all three: where they differ, nothing else need be compared. Before
        # `candidate` there is a byte, since chains end at 0.
        mask: cython.uint = _MASK32 if length >= _MIN_MATCH else _MASK32 - 0xFF
        ending = load32(window, index + length - 3)
        while True:
            if (load32(window, candidate + length - 3) ^ ending) & mask == 0:
                found = common(window, candidate, window, index, limit)
                if found > length:
                    length = found
                    match = cython.cast(cython.uint, min(length, ahead)) << 16 | (index - candidate)
                    if found >= enough:
                        break
                    mask = _MASK32
                    ending = load32(window, index + length - 3)
            candidate = older[candidate & RING]
            chain -= 1
            if candidate <= oldest or chain == 0:
                break
        self.steps += most - chain + 1
        return match if match >> 16 >= _MIN_MATCH else 0
