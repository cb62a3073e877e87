# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `taken` < len(data).
"""The rolling hash by which `pigz --rsyncable` cuts its input (`pigz.c`, Mark Adler, zlib licence).

It is twelve bits, so a byte is forgotten when twelve others have followed: the same bytes are cut at the same
places wherever they are. There is a cut after one of 4096 bytes, on average.
"""

from __future__ import annotations

import cython

_MASK = cython.declare(cython.uint, 0xFFF)
_CUT = cython.declare(cython.uint, 0x7FF)  # the hash after a byte that ends a piece; at the beginning, too


@cython.cclass
class RollingHash:
    """The hash of the uncompressed data so far."""

    _hash: cython.uint

    def __init__(self) -> None:
        self._hash = 0x7FF

    def find_cut(self, data: bytes | memoryview) -> int:
        """Take bytes up to the next cut; return how many these are, or 0 if all were taken and there is no cut."""
        if not data:
            return 0
        view: cython.const[cython.uchar][::1] = data
        bytes_: cython.p_const_uchar = cython.address(view[0]) if cython.compiled else view
        size: cython.Py_ssize_t = len(data)
        mask: cython.uint = _MASK
        cut: cython.uint = _CUT
        value: cython.uint = self._hash
        taken: cython.Py_ssize_t = 0
        found: cython.bint = False
        with cython.nogil:
            while taken < size and not found:
                value = value << 1 ^ bytes_[taken]
                if not cython.compiled:  # C drops what is shifted out, and one step less makes each byte faster
                    value &= mask
                taken += 1
                found = value & mask == cut
        self._hash = value & mask
        return taken if found else 0
