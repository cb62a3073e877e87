# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: the shorter of source and piece is the size that the loops get; 32 registers of each side have their
# pages.
"""What a reference inside copied bytes becomes when the code that it points to has moved.

In a new build of a program most instructions stay, but the addresses inside them change, because something
before or between them grew. Which way each piece moved is known from the covers of the delta itself: they
say which range of source is which range of target. So a copied 32-bit displacement or 64-bit pointer is
*predicted*: read it, find the source address that it means, map it, write the field that means the mapped
address. Where the guess is wrong the delta's byte differences put it right; a prediction costs nothing and
is never needed to be true. This is the insight of Courgette and Zucchini (Chromium) without disassembly:
fields are recognised by their looks.

All numbers are addresses in the sense of the ranges that the delta declares, computed modulo 2**64.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.delta.modes import CODE_AARCH64, CODE_X86, DEBUG, FRAMES, RELOCATIONS, SYMBOLS, UNALIGNED
from airpatch.delta.references import Memory

if cython.compiled:
    from cython.cimports.airpatch.delta.debug_info import DebugInfo
    from cython.cimports.airpatch.delta.predict_code import run_aarch64, run_x86
    from cython.cimports.airpatch.delta.predict_tables import (
        relocate,
        run_frames,
        run_relocations,
        run_symbols,
        run_table,
        run_unaligned,
    )
    from cython.cimports.airpatch.delta.references import References
else:
    from airpatch.delta.debug_info import DebugInfo
    from airpatch.delta.predict_code import run_aarch64, run_x86
    from airpatch.delta.predict_tables import (
        relocate,
        run_frames,
        run_relocations,
        run_symbols,
        run_table,
        run_unaligned,
    )
    from airpatch.delta.references import References

MAX_COVER = 1 << 20  # bytes of a cover with prediction: it is predicted as a whole

_CODE_X86 = cython.declare(cython.int, CODE_X86)
_CODE_AARCH64 = cython.declare(cython.int, CODE_AARCH64)
_FRAMES = cython.declare(cython.int, FRAMES)
_UNALIGNED = cython.declare(cython.int, UNALIGNED)
_DEBUG = cython.declare(cython.int, DEBUG)
_SYMBOLS = cython.declare(cython.int, SYMBOLS)
_RELOCATIONS = cython.declare(cython.int, RELOCATIONS)


@cython.cclass
class Predictor(References):
    """Predicts the covers of one group, one after another, and learns from what came out."""

    _pages: cython.ulonglong[::1]
    _debug_info: DebugInfo

    def __init__(self, spans: list[tuple[int, int]], points: list[tuple[int, int]], memory: Memory) -> None:
        super().__init__(spans, points, memory)
        self._debug_info = None
        self._pages = array("Q", bytes(8)) * 64  # that registers hold of the source, then of the target

    @cython.ccall
    def read_fields(self, debug_info: DebugInfo) -> cython.void:
        """Take the fields of the mode DEBUG from there: without it, none is known."""
        self._debug_info = debug_info

    @cython.ccall
    def relocate(
        self, table: cython.const[cython.uchar][::1], piece: cython.uchar[::1], address: cython.ulonglong
    ) -> cython.void:
        """Label in `piece`, which stands at `address`, what the relocations of `table` put there when it is loaded."""
        entries: cython.p_const_uchar = cython.address(table[0]) if cython.compiled else table
        labelled: cython.p_uchar = cython.address(piece[0]) if cython.compiled else piece
        relocate(self, entries, len(table) // 24, labelled, len(piece), address)

    @cython.ccall
    def run(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        mode: cython.int,
        task: cython.int,
        origin: cython.ulonglong,
        landing: cython.ulonglong,
        source_base: cython.ulonglong,
        target_base: cython.ulonglong,
    ) -> cython.void:
        """Go through the references that `mode` recognises in `source`, which stands at address `origin`.

        `piece` is as long as source and goes to `landing`. The tasks: PREDICT, where it is a copy of source, writes
        its references as they should be; LEARN, where it holds what is right, only looks at it; LABEL, where it is a
        copy, too, writes where each reference leads to in the target, so that equal bytes mean the same.
        """
        old: cython.p_const_uchar = cython.address(source[0]) if cython.compiled else source
        new: cython.p_uchar = cython.address(piece[0]) if cython.compiled else piece
        pages: cython.p_ulonglong = cython.address(self._pages[0]) if cython.compiled else self._pages
        size: cython.Py_ssize_t = min(len(source), len(piece))
        if mode == _CODE_X86:
            run_x86(self, old, new, size, task, origin, landing)
        elif mode == _CODE_AARCH64:
            run_aarch64(self, old, new, size, pages, task, origin, landing)
        elif mode == _FRAMES:
            run_frames(self, old, new, size, task, origin, landing)
        elif mode == _UNALIGNED:
            run_unaligned(self, old, new, size, task)
        elif mode == _DEBUG:
            if self._debug_info is not None:
                self._debug_info.run(self, old, new, size, task, origin)
        elif mode >= _SYMBOLS and (mode - _SYMBOLS) % 3 == 0:
            run_symbols(self, old, new, size, task, origin, source_base, target_base)
        elif mode >= _RELOCATIONS and (mode - _RELOCATIONS) % 3 == 0:
            run_relocations(self, old, new, size, task, origin, source_base, target_base)
        else:
            run_table(self, old, new, size, mode, task, origin, landing, source_base, target_base)
