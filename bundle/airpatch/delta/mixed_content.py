# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: loops go up to the sizes of their buffers; a place in the ring of literals is masked; contexts are as many
# as each model was made with.
"""Literals and corrections of a segment by context mixing (spec/DELTA.md, Mixing): smaller than as columns, and slower.

Neither is coded by itself: a literal is coded knowing what the source holds where the last copy would go on, and a
correction knowing the copy, where in a reference it stands, and what lies before it in the target.
"""

from __future__ import annotations

import cython

from airpatch.delta.modes import KINDS
from airpatch.zeroed_memory import ZeroedTables

if cython.compiled:
    from cython.cimports.airpatch.delta.mixing import Coder, Model, context
else:
    from airpatch.delta.mixing import Coder, Model, context

_LITERAL_CONTEXTS = cython.declare(cython.int, 9)
_FLAG_CONTEXTS = cython.declare(cython.int, 5)
_VALUE_CONTEXTS = cython.declare(cython.int, 6)
_TRUSTS = 3
_BLOCK = cython.declare(cython.Py_ssize_t, 32)  # bytes of a copy that are right or not, before it is said which
_AT_ONCE = cython.declare(cython.Py_ssize_t, 1 << 12)  # bytes, for whose bits there is room, and that need no GIL:
_SHORT = cython.declare(cython.Py_ssize_t, 1 << 8)  # fewer are coded before another thread would give it back
_BITS = cython.declare(cython.Py_ssize_t, 10)  # that a byte takes at most: whether it, and its block, is right, and 8
_PHASES = cython.declare(cython.Py_ssize_t, 8)
# Declared, since Cython computes with longer literals as Python does: byte by byte that takes a tenth of the time.
_MASK32 = cython.declare(cython.ulonglong, (1 << 32) - 1)
_MASK40 = cython.declare(cython.ulonglong, (1 << 40) - 1)
_MASK48 = cython.declare(cython.ulonglong, (1 << 48) - 1)
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_FIELDS = cython.declare(cython.ulonglong, 0xFFF8C7F8)  # of an x86-64 instruction
# Selectors and refinements of the model of flags: of covers, of blocks, of bytes.
_BLOCKS = cython.declare(cython.Py_ssize_t, 1)
_BYTES = cython.declare(cython.Py_ssize_t, 1 + KINDS)
_REFINED_COVERS = cython.declare(cython.Py_ssize_t, KINDS << 8)
_REFINED_BLOCKS = cython.declare(cython.Py_ssize_t, (KINDS << 8) + 1)


@cython.cclass
class MixedContent:
    """The literals and corrections of a delta, one segment after another. What it learns lasts from one to the next."""

    _coder: Coder
    _literals: Model
    _flags: Model
    _values: Model
    _history: cython.ulonglong  # the last 8 bytes of the target, the last one lowest
    _ring: cython.uchar[::1]  # the last literals
    _last: cython.longlong  # place of the ring
    _count: cython.longlong  # of literals so far
    _matches: cython.uint[::1]
    _unused: cython.int  # bits of a context that tell no place in `_matches`
    _like: cython.longlong  # the literal that resembles the next one
    _alike: cython.longlong  # how many before it are the same
    _last_covers: cython.ulonglong  # which of the last ones were wrong, the last one lowest; likewise blocks
    _last_blocks: cython.ulonglong
    _last_values: cython.ulonglong
    _field: cython.int  # bytes of an x86-64 reference still to come in what is corrected
    _row: cython.ulonglong  # of the last 16 bytes of it in blocks that are not right: which were wrong
    _run: cython.ulonglong  # bytes of it that were right since
    _reading: cython.bint

    def __init__(self, size: int) -> None:
        """Small models do for a small target, which is of `size` bytes."""
        bits = min(max(size.bit_length() + 1, 12), 20)
        self._coder = Coder()
        self._literals = Model(_LITERAL_CONTEXTS, bits, 256 * _TRUSTS, 256 * _TRUSTS, 6)
        self._flags = Model(_FLAG_CONTEXTS, min(bits, 18), 1 + KINDS + KINDS * _PHASES, (KINDS << 8) + 257, 4)
        self._values = Model(_VALUE_CONTEXTS, min(bits, 19), 256, 256 * _PHASES, 6)
        tables = ZeroedTables(8 << bits)
        self._matches = tables.take(4 << min(bits, 18)).cast("I")
        self._ring = tables.take(1 << min(bits + 2, 22))
        self._last = len(self._ring) - 1
        self._history = 0
        self._unused = 32 - min(bits, 18)
        self._count = self._like = self._alike = 0
        self._last_covers = self._last_blocks = self._last_values = 0
        self._reading = False

    def read(self, data: bytes) -> None:
        """Begin a segment that is read."""
        self._coder.read(data)
        self._reading = True

    def write(self) -> None:
        """Begin a segment that is written."""
        self._coder.write()
        self._reading = False

    def written(self) -> bytes:
        """Return what a segment stores."""
        return self._coder.written()

    @property
    def used_up(self) -> bool:
        """Whether exactly what a segment stores has been read."""
        return self._coder.used_up

    @cython.ccall
    def literal(
        self, piece: cython.uchar[::1], ahead: cython.const[cython.uchar][::1], offset: cython.ulonglong
    ) -> cython.void:
        """Code a literal in place, which stands at `offset` in the target.

        `ahead` is what the source holds where the last copy would go on, perhaps less.
        """
        start: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        for start in range(0, len(piece), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(piece))
            self._coder.make_room(_BITS * (stop - start))
            if stop - start < _SHORT:
                self._literal(piece, ahead, offset, start, stop)
            else:
                with cython.nogil:
                    self._literal(piece, ahead, offset, start, stop)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _literal(
        self,
        piece: cython.uchar[::1],
        ahead: cython.const[cython.uchar][::1],
        offset: cython.ulonglong,
        start: cython.Py_ssize_t,
        stop: cython.Py_ssize_t,
    ) -> cython.void:
        """Code the bytes of a literal from `start` to `stop`."""
        contexts: cython.ulonglong[::1] = self._literals.contexts
        i: cython.Py_ssize_t
        expected: cython.ulonglong
        hint: cython.ulonglong
        history: cython.ulonglong
        trust: cython.Py_ssize_t
        byte: cython.int
        for i in range(start, stop):
            history = self._history
            hint = ahead[i] if i < len(ahead) else 0
            expected = self._ring[self._like & self._last] if self._alike else 0
            trust = 0 if self._alike == 0 else 2 if self._alike > 15 else 1
            contexts[0] = context(history & 0xFF, 0)
            contexts[1] = context(history & 0xFFFF, 1)
            contexts[2] = context(history & 0xFFFFFF, 2)
            contexts[3] = context(history & _MASK32, 3)
            contexts[4] = context(history & _MASK48, 4)
            contexts[5] = context(hint | (history & 0xFF) << 8, 5)
            contexts[6] = context(
                expected | cython.cast(cython.ulonglong, self._alike if self._alike < 15 else 15) << 8, 6
            )
            contexts[7] = context(history & _FIELDS, 7)
            contexts[8] = context(history & 0xFF | (history >> 24 & 0xFF) << 8 | ((offset + i) & 3) << 16, 8)
            byte = self._literals.byte(
                self._coder,
                piece[i],
                cython.cast(cython.int, expected),
                trust,
                trust,
            )
            piece[i] = cython.cast(cython.uchar, byte)
            self._history = (history << 8 | cython.cast(cython.ulonglong, byte)) & _MASK64
            self._remember(byte)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _remember(self, byte: cython.int) -> cython.void:
        """Note a literal, and find where the next one may be repeated from."""
        ring: cython.uchar[::1] = self._ring
        if self._alike and ring[self._like & self._last] == byte:
            self._alike += 1
            self._like += 1
        else:
            self._alike = 0
        ring[self._count & self._last] = cython.cast(cython.uchar, byte)
        self._count += 1
        slot: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, context(self._history & _MASK40, 9) >> self._unused)
        same: cython.longlong = 0
        if not self._alike:
            self._like = self._matches[slot]
            while (
                same < 32
                and same < self._like
                and ring[(self._like - 1 - same) & self._last] == ring[(self._count - 1 - same) & self._last]
            ):
                same += 1
            self._alike = same if same >= 4 else 0
        self._matches[slot] = cython.cast(cython.uint, self._count)

    @cython.ccall
    @cython.exceptval(check=False)
    def is_right(
        self, right: cython.bint, kind: cython.Py_ssize_t, piece: cython.const[cython.uchar][::1]
    ) -> cython.bint:
        """Code whether the copy `piece` is right, and return it. `kind` is its mode without the base."""
        contexts: cython.ulonglong[::1] = self._flags.contexts
        size: cython.ulonglong = len(piece)
        about: cython.ulonglong = 0 if size < 16 else 1 if size < 64 else 2 if size < 256 else 3
        name: cython.ulonglong = kind
        i: cython.Py_ssize_t
        contexts[0] = context(name, 16)
        contexts[1] = context(name | about << 4, 17)
        contexts[2] = context(name | (self._last_covers & 7) << 4 | about << 8, 18)
        contexts[3] = context(self._last_covers & 0xFF, 19)
        contexts[4] = context(name | (size if size < 1000 else 1000) << 4, 20)
        self._coder.make_room(1)
        right = not self._flags.flag(self._coder, not right, 0, _REFINED_COVERS)
        self._last_covers = (self._last_covers << 1 | (not right)) & 0xFF
        if right:
            for i in range(max(len(piece) - 8, 0), len(piece)):
                self._history = (self._history << 8 | piece[i]) & _MASK64
        return right

    @cython.ccall
    def correct(
        self,
        piece: cython.uchar[::1],
        wanted: cython.const[cython.uchar][::1],
        kind: cython.Py_ssize_t,
        address: cython.ulonglong,
    ) -> cython.longlong:
        """Make a copy that is not right into what is wanted, which is not looked at when it is read.

        `address` is where it stands. Return how many bytes were wrong.
        """
        begin: cython.Py_ssize_t
        end: cython.Py_ssize_t
        wrong: cython.longlong = 0
        self._field = 0
        self._row = self._run = 0
        for begin in range(0, len(piece), _AT_ONCE):
            end = min(begin + _AT_ONCE, len(piece))
            self._coder.make_room(_BITS * (end - begin))
            if end - begin < _SHORT:
                wrong += self._correct(piece, wanted, kind, address, begin, end)
            else:
                with cython.nogil:
                    wrong += self._correct(piece, wanted, kind, address, begin, end)
        return wrong

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _correct(
        self,
        piece: cython.uchar[::1],
        wanted: cython.const[cython.uchar][::1],
        kind: cython.Py_ssize_t,
        address: cython.ulonglong,
        begin: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
    ) -> cython.longlong:
        """Correct the bytes from `begin` to `end`; return how many were wrong."""
        start: cython.Py_ssize_t = begin
        stop: cython.Py_ssize_t
        i: cython.Py_ssize_t
        wrong: cython.longlong = 0
        before: cython.longlong
        phase: cython.ulonglong
        is_wrong: cython.bint
        byte: cython.int
        while start < end:
            stop = min(start + _BLOCK, end)
            is_wrong = False
            if not self._reading:
                i = start
                while i < stop and piece[i] == wanted[i]:
                    i += 1
                is_wrong = i < stop
            is_wrong = self._block(is_wrong, kind, self._run, piece, start)
            before = wrong
            for i in range(start, stop):
                if is_wrong:
                    if kind <= 1:
                        phase = 5 - self._field if self._field else 0
                    else:
                        phase = (address + i) & (3 if kind == 2 or kind == 4 else 7)
                    # The last byte of a block of which all others are right is not.
                    byte = 1
                    if i + 1 < stop or wrong > before:
                        byte = self._byte(
                            0 if self._reading else piece[i] != wanted[i], kind, phase, self._run, self._row, piece, i
                        )
                    self._row = (self._row << 1 | byte) & 0xFFFF
                    if byte:
                        wrong += 1
                        byte = 0 if self._reading else (wanted[i] - piece[i]) & 0xFF
                        piece[i] = (piece[i] + self._value(byte, kind, phase, self._run, piece[i])) & 0xFF
                        self._run = 0
                    else:
                        self._run += 1
                else:
                    self._run += 1
                byte = piece[i]
                if self._field:
                    self._field -= 1
                elif (
                    (byte & 0xFE) == 0xE8
                    or (byte & 0xC7) == 0x05
                    or ((self._history & 0xFF) == 0x0F and (byte & 0xF0) == 0x80)
                ):
                    self._field = 4
                self._history = (self._history << 8 | cython.cast(cython.ulonglong, byte)) & _MASK64
            start = stop
        return wrong

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _block(
        self,
        wrong: cython.bint,
        kind: cython.Py_ssize_t,
        run: cython.ulonglong,
        piece: cython.uchar[::1],
        start: cython.Py_ssize_t,
    ) -> cython.bint:
        """Code whether something is wrong in the block from `start` on."""
        contexts: cython.ulonglong[::1] = self._flags.contexts
        name: cython.ulonglong = kind
        last: cython.ulonglong = self._last_blocks
        beginning: cython.ulonglong = piece[start]
        if start + 1 < len(piece):
            beginning |= cython.cast(cython.ulonglong, piece[start + 1]) << 8
        contexts[0] = context(name, 21)
        contexts[1] = context(name | (last & 0xF) << 4, 22)
        contexts[2] = context(name | last << 4, 23)
        contexts[3] = context(name | (run >> 5 if run >> 5 < 15 else 15) << 4 | (last & 3) << 12, 24)
        contexts[4] = context(name | beginning << 4, 25)
        wrong = self._flags.flag(
            self._coder, wrong, _BLOCKS + kind, _REFINED_BLOCKS + cython.cast(cython.Py_ssize_t, last)
        )
        self._last_blocks = (last << 1 | wrong) & 0xFF
        return wrong

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _byte(
        self,
        wrong: cython.int,
        kind: cython.Py_ssize_t,
        phase: cython.ulonglong,
        run: cython.ulonglong,
        row: cython.ulonglong,
        piece: cython.uchar[::1],
        at: cython.Py_ssize_t,
    ) -> cython.int:
        """Code whether the byte at `at` is wrong."""
        contexts: cython.ulonglong[::1] = self._flags.contexts
        history: cython.ulonglong = self._history
        copied: cython.ulonglong = piece[at]
        following: cython.ulonglong = piece[at + 1] if at + 1 < len(piece) else 0
        where: cython.ulonglong = phase << 4 | cython.cast(cython.ulonglong, kind)
        far: cython.ulonglong = (
            15 if run > 255 else 14 if run > 64 else 13 if run > 32 else 12 if run > 16 else run if run < 11 else 11
        )
        contexts[0] = context(where | far << 8, 26)
        contexts[1] = context(where | copied << 8 | (history & 0xFF) << 16, 27)
        contexts[2] = context((where & 0xF) | copied << 8 | following << 16 | (history & 0xFFFF) << 24, 28)
        contexts[3] = context(where | row << 8, 29)
        contexts[4] = context((where & 0xF) | copied << 8 | (history & 0xFFFFFF) << 16, 30)
        return self._flags.flag(
            self._coder,
            wrong,
            _BYTES + _PHASES * kind + cython.cast(cython.Py_ssize_t, phase),
            cython.cast(cython.Py_ssize_t, far | phase << 4) + (kind << 8),
        )

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _value(
        self,
        value: cython.int,
        kind: cython.Py_ssize_t,
        phase: cython.ulonglong,
        run: cython.ulonglong,
        copied: cython.ulonglong,
    ) -> cython.int:
        """Code what to add to a wrong byte."""
        contexts: cython.ulonglong[::1] = self._values.contexts
        history: cython.ulonglong = self._history
        last: cython.ulonglong = self._last_values
        where: cython.ulonglong = phase << 4 | cython.cast(cython.ulonglong, kind)
        near: cython.ulonglong = run if run < 3 else 3
        contexts[0] = context(where | run << 8, 31)
        contexts[1] = context(where | copied << 8, 32)
        contexts[2] = context(where | copied << 8 | (history & 0xFF) << 16, 33)
        contexts[3] = context(where | (last & 0xFF) << 8 | near << 16, 34)
        contexts[4] = context(where | (last & 0xFFFF) << 8 | near << 24, 35)
        contexts[5] = context(copied | (history & 0xFFFF) << 8, 36)
        value = self._values.byte(self._coder, value, 0, 0, cython.cast(cython.Py_ssize_t, phase))
        self._last_values = (last << 8 | cython.cast(cython.ulonglong, value)) & 0xFFFF
        return value
