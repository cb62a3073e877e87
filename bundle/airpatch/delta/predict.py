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

MAX_COVER = 1 << 20  # bytes of a cover with prediction: it is predicted as a whole

PLAIN, CODE_X86, CODE_AARCH64, POINTERS, RELATIVE, FRAMES = 0, 1, 2, 3, 4, 5
BASED, SYMBOLS, RELOCATIONS = 6, 7, 8  # + 3i: offsets from base i, symbols with names there, relocations of those there

PREDICT, LEARN, LABEL = 0, 1, 2  # what to do with references

MEMORY = 1 << 18  # references that a group remembers
_SLOT_SHIFT = cython.declare(cython.int, 46)  # leaves the 18 bits of a slot
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_PAGE = cython.declare(cython.ulonglong, 0xFFF)  # of 4 KiB, which ADRP counts in
_FOLLOWERS = cython.declare(cython.int, 64)  # bytes after an ADRP that are searched for what uses it
_SIGN = cython.declare(cython.ulonglong, 1 << 31)
_MULTIPLIER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)


class Memory:
    """Where references went, shared by all groups of a delta.

    Each group has a number of its own, which takes part in the keys: what one has learned says nothing to the
    next.
    """

    def __init__(self) -> None:
        self.keys = array("Q")  # filled when first used: most deltas declare no addresses
        self.went = array("Q")
        self._groups = 0

    def next_group(self) -> int:
        """Return the number of the next group with addresses, from 1 on."""
        if not self._groups:
            self.keys = array("Q", bytes(8)) * MEMORY
            self.went = array("Q", bytes(8)) * MEMORY
        self._groups += 1
        return self._groups


@cython.cclass
class Predictor:
    """Predicts the covers of one group, one after another, and learns from what came out.

    A reference whose prediction was wrong shows where its address really went; that is remembered in a
    direct-mapped table, so the next reference to the same address is right.
    """

    _low: cython.ulonglong[::1]
    _high: cython.ulonglong[::1]
    _from: cython.ulonglong[::1]
    _to: cython.ulonglong[::1]
    _spans: cython.Py_ssize_t
    _points: cython.Py_ssize_t
    _keys: cython.ulonglong[::1]
    _went: cython.ulonglong[::1]
    _salt: cython.ulonglong
    _pages: cython.ulonglong[::1]

    def __init__(self, spans: list[tuple[int, int]], points: list[tuple[int, int]], memory: Memory) -> None:
        """`spans` are the ranges of valid source addresses (first, one past the last), `points` pairs
        (source address, target address): from the first on up to the next point, addresses move alike. Both
        ascend."""
        self._low = array("Q", [low for low, _ in spans] or [0])
        self._high = array("Q", [high for _, high in spans] or [0])
        self._from = array("Q", [origin for origin, _ in points] or [0])
        self._to = array("Q", [to for _, to in points] or [0])
        self._spans = len(spans)
        self._points = len(points)
        self._salt = (memory.next_group() << 48) & ((1 << 64) - 1)
        self._keys = memory.keys
        self._went = memory.went
        self._pages = array("Q", bytes(8)) * 64  # that registers hold of the source, then of the target

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _valid(self, address: cython.ulonglong) -> cython.bint:
        i: cython.Py_ssize_t = 0
        while i < self._spans and not self._low[i] <= address < self._high[i]:
            i += 1
        return i < self._spans

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _map(self, address: cython.ulonglong) -> cython.ulonglong:
        slot: cython.Py_ssize_t = _slot(address)
        if self._keys[slot] == address ^ self._salt:
            return self._went[slot]
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self._points
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) >> 1
            if self._from[middle] <= address:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return address
        return (self._to[low - 1] + (address - self._from[low - 1])) & _MASK64

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def relocate(
        self, table: cython.const[cython.uchar][::1], piece: cython.uchar[::1], address: cython.ulonglong
    ) -> cython.void:
        """Label in `piece`, which stands at `address`, what the relocations of `table` put there when it is loaded."""
        size: cython.ulonglong = len(piece)
        entries: cython.Py_ssize_t = len(table) // 24
        i: cython.Py_ssize_t
        place: cython.ulonglong
        label: cython.ulonglong
        # In bounds: 24 * i + 24 <= len(table), place + 8 <= size.
        for i in range(entries):
            place = ((_load32(table, 24 * i) | _load32(table, 24 * i + 4) << 32) - address) & _MASK64
            if size < 8 or place > size - 8:
                continue
            label = self._map(_load32(table, 24 * i + 16) | _load32(table, 24 * i + 20) << 32)
            _store32(piece, cython.cast(cython.Py_ssize_t, place), label)
            _store32(piece, cython.cast(cython.Py_ssize_t, place) + 4, label >> 32 ^ _load32(table, 24 * i + 12))

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
        if mode == CODE_X86:
            self._run_x86(source, piece, task, origin, landing)
        elif mode == CODE_AARCH64:
            self._run_aarch64(source, piece, task, origin, landing)
        elif mode == FRAMES:
            self._run_frames(source, piece, task, origin, landing)
        elif mode >= BASED and mode % 3 == 1:
            self._run_symbols(source, piece, task, origin, source_base, target_base)
        elif mode >= BASED and mode % 3 == 2:
            self._run_relocations(source, piece, task, origin, source_base, target_base)
        else:
            self._run_table(source, piece, mode, task, origin, landing, source_base, target_base)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _run_x86(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        task: cython.int,
        origin: cython.ulonglong,
        landing: cython.ulonglong,
    ) -> cython.void:
        """Intel SDM volume 2: CALL, JMP, Jcc of 32 bits, and the ModR/M bytes of rip-relative operands."""
        size: cython.Py_ssize_t = min(len(source), len(piece))
        at: cython.Py_ssize_t = 0
        b: cython.uint
        # In bounds: at + 4 <= size wherever a byte is read, and after it is moved.
        while at + 4 <= size:
            b = source[at]
            if (b & 0xFE) == 0xE8 or (b & 0xC7) == 0x05:
                at += 1
            elif b == 0x0F and (source[at + 1] & 0xF0) == 0x80:
                at += 2
            else:
                at += 1
                continue
            if at + 4 > size:
                break
            if self._field32(source, piece, at, task, (origin + at + 4) & _MASK64, (landing + at + 4) & _MASK64):
                at += 4

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _run_table(
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
        size: cython.Py_ssize_t = min(len(source), len(piece))
        width: cython.Py_ssize_t = 8 if mode == POINTERS else 4
        at: cython.Py_ssize_t = (width - origin % width) % width
        # In bounds: at + width <= size wherever a field is read or written.
        while at + width <= size:
            if mode == RELATIVE:
                self._field32(source, piece, at, task, (origin + at) & _MASK64, (landing + at) & _MASK64)
            elif mode != POINTERS:
                self._field32(source, piece, at, task, source_base, target_base)
            else:
                self._field64(source, piece, at, task)
            at += width

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _run_frames(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        task: cython.int,
        origin: cython.ulonglong,
        landing: cython.ulonglong,
    ) -> cython.void:
        """Linux Standard Base Core 5.0, 10.6.1: entries of functions, addressed by signed 32-bit displacements."""
        size: cython.Py_ssize_t = min(len(source), len(piece))
        at: cython.Py_ssize_t = (4 - origin % 4) % 4
        length: cython.ulonglong
        back: cython.ulonglong
        span: cython.ulonglong
        address: cython.ulonglong
        went: cython.ulonglong
        # In bounds: at + 21 <= size.
        while at + 21 <= size:
            length = _load32(source, at)
            back = _load32(source, at + 4)
            span = _load32(source, at + 12)
            address = (origin + at + 8 + ((_load32(source, at + 8) ^ _SIGN) - _SIGN)) & _MASK64
            if (
                not 16 <= length < 1 << 16
                or length & 3
                or back & 3
                or not 0 < back < 1 << 30
                or not 0 < span < 1 << 30
                or not self._valid(address)
            ):
                at += 4
                continue
            if task != LEARN:
                went = (self._map((address + span - 1) & _MASK64) + 1 - self._map(address)) & _MASK64
                if 0 < went < 2 * span:
                    _store32(piece, at + 12, went)
                went = self._map((origin + at + 4 - back) & _MASK64)
                _store32(piece, at + 4, (landing + at + 4 - went) & _MASK64 if task == PREDICT else went)
            self._field32(source, piece, at + 8, task, (origin + at + 8) & _MASK64, (landing + at + 8) & _MASK64)
            if source[at + 16] == 4 and _load32(source, at + 17):
                self._field32(source, piece, at + 17, task, (origin + at + 17) & _MASK64, (landing + at + 17) & _MASK64)
            at += cython.cast(cython.Py_ssize_t, length + 4)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _run_symbols(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        task: cython.int,
        origin: cython.ulonglong,
        source_base: cython.ulonglong,
        target_base: cython.ulonglong,
    ) -> cython.void:
        """System V ABI, chapter 4, Symbol Table."""
        size: cython.Py_ssize_t = min(len(source), len(piece))
        at: cython.Py_ssize_t = (8 - origin % 8) % 8
        span: cython.ulonglong
        address: cython.ulonglong
        went: cython.ulonglong
        # In bounds: at + 24 <= size.
        while at + 24 <= size:
            address = _load32(source, at + 8) | _load32(source, at + 12) << 32
            span = _load32(source, at + 16)
            if (
                source[at + 4] & 15 > 10
                or source[at + 5] > 3
                or _load32(source, at + 20)
                or not (address == 0 or self._valid(address))
            ):
                at += 8
                continue
            if address and task != LEARN and span:
                went = (self._map((address + span - 1) & _MASK64) + 1 - self._map(address)) & _MASK64
                if 0 < went < 2 * span:
                    _store32(piece, at + 16, went)
            self._field32(source, piece, at, task, source_base, target_base)
            if address:
                self._field64(source, piece, at + 8, task)
            at += 24

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _run_relocations(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        task: cython.int,
        origin: cython.ulonglong,
        source_base: cython.ulonglong,
        target_base: cython.ulonglong,
    ) -> cython.void:
        """System V ABI, chapter 4, Relocation: entries with addends."""
        size: cython.Py_ssize_t = min(len(source), len(piece))
        at: cython.Py_ssize_t = (8 - origin % 8) % 8
        kind: cython.ulonglong
        symbol: cython.ulonglong
        address: cython.ulonglong
        moved: cython.ulonglong
        # In bounds: at + 24 <= size.
        while at + 24 <= size:
            kind = _load32(source, at + 8)
            symbol = _load32(source, at + 12)
            if not 0 < kind < 2048 or not self._valid(_load32(source, at) | _load32(source, at + 4) << 32):
                at += 8
                continue
            self._field64(source, piece, at, task)
            if symbol:
                address = (source_base + 24 * symbol) & _MASK64
                if task == LEARN:
                    self._learn(address, (target_base + 24 * _load32(piece, at + 12)) & _MASK64)
                else:
                    moved = (self._map(address) - (target_base if task == PREDICT else 0)) & _MASK64
                    _store32(piece, at + 12, moved // 24 if task == PREDICT else moved)
            self._field64(source, piece, at + 16, task)
            at += 24

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _field64(
        self, source: cython.const[cython.uchar][::1], piece: cython.uchar[::1], at: cython.Py_ssize_t, task: cython.int
    ) -> cython.void:
        """Carry out the task for the 64-bit address at `at`, if it is valid."""
        address: cython.ulonglong = _load32(source, at) | _load32(source, at + 4) << 32
        went: cython.ulonglong
        if not self._valid(address):
            return
        if task == LEARN:
            self._learn(address, _load32(piece, at) | _load32(piece, at + 4) << 32)
            return
        went = self._map(address)
        _store32(piece, at, went)
        _store32(piece, at + 4, went >> 32)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _field32(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        at: cython.Py_ssize_t,
        task: cython.int,
        there: cython.ulonglong,
        here: cython.ulonglong,
    ) -> cython.bint:
        """Carry out the task for the signed 32-bit field at `at`, which counts from `there` in the source and from
        `here` in the target; return whether it means a valid address."""
        address: cython.ulonglong = (there + ((_load32(source, at) ^ _SIGN) - _SIGN)) & _MASK64
        if not self._valid(address):
            return False
        if task == LEARN:
            self._learn(address, (here + ((_load32(piece, at) ^ _SIGN) - _SIGN)) & _MASK64)
        else:
            _store32(piece, at, (self._map(address) - (here if task == PREDICT else 0)) & _MASK64)
        return True

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _run_aarch64(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        task: cython.int,
        origin: cython.ulonglong,
        landing: cython.ulonglong,
    ) -> cython.void:
        """Arm Architecture Reference Manual, C4.1 and C6.2: branches and literals, ADR, and ADRP with what uses it."""
        size: cython.Py_ssize_t = min(len(source), len(piece))
        at: cython.Py_ssize_t = (4 - origin % 4) % 4
        i: cython.int
        there: cython.ulonglong
        here: cython.ulonglong
        address: cython.ulonglong
        went: cython.ulonglong
        word: cython.ulonglong
        other: cython.ulonglong
        bits: cython.int
        place: cython.int
        scale: cython.int
        register: cython.Py_ssize_t
        for i in range(64):
            self._pages[i] = 0
        # In bounds: at + 4 <= size wherever a word is read or written; a register has 5 bits, and 32 more entries hold
        # the pages of the target.
        while at + 4 <= size:
            word = _load32(source, at)
            other = _load32(piece, at)
            there = (origin + at) & _MASK64
            here = (landing + at) & _MASK64
            bits = 0
            place = 5
            if (word & 0x7C000000) == 0x14000000:  # B, BL
                bits, place = 26, 0
            elif (
                (word & 0xFF000000) == 0x54000000  # B.cond
                or (word & 0x7E000000) == 0x34000000  # CBZ, CBNZ
                or (word & 0x3B000000) == 0x18000000  # LDR of a literal
            ):
                bits = 19
            elif (word & 0x7E000000) == 0x36000000:  # TBZ, TBNZ
                bits = 14
            if bits:
                address = (there + _signed(word >> place, bits) * 4) & _MASK64
                if self._valid(address):
                    if task == LEARN:
                        self._learn(address, (here + _signed(other >> place, bits) * 4) & _MASK64)
                    else:
                        went = (self._map(address) - (here if task == PREDICT else 0)) & _MASK64
                        _store32(piece, at, _with_field(word, went >> 2, bits, place))
            elif (word & 0x1F000000) == 0x10000000:  # ADR, ADRP
                self._page(source, piece, at, task, there, here, size)
            else:
                scale = _offset_scale(word)
                register = (word >> 5) & 31
                if scale >= 0 and self._pages[register]:
                    address = (self._pages[register] + (((word >> 10) & 0xFFF) << scale)) & _MASK64
                    if self._valid(address):
                        if task == LEARN:
                            went = (self._pages[32 + register] + (((other >> 10) & 0xFFF) << scale)) & _MASK64
                            self._learn(address, went)
                        else:
                            went = self._map(address) & 0xFFF
                            if went & ((cython.cast(cython.ulonglong, 1) << scale) - 1) == 0:
                                _store32(piece, at, _with_field(word, went >> scale, 12, 10))
                self._pages[word & 31] = 0
            at += 4

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _page(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        at: cython.Py_ssize_t,
        task: cython.int,
        there: cython.ulonglong,
        here: cython.ulonglong,
        size: cython.Py_ssize_t,
    ) -> cython.void:
        """Carry out the task for an ADR or ADRP at `at`: the next word that adds an offset to its page says what is
        meant."""
        word: cython.ulonglong = _load32(source, at)
        other: cython.ulonglong = _load32(piece, at)
        value: cython.ulonglong = _signed((word >> 5 & 0x7FFFF) << 2 | (word >> 29 & 3), 21)
        found: cython.ulonglong = _signed((other >> 5 & 0x7FFFF) << 2 | (other >> 29 & 3), 21)
        register: cython.Py_ssize_t = word & 31
        address: cython.ulonglong
        went: cython.ulonglong
        follower: cython.ulonglong
        i: cython.Py_ssize_t
        scale: cython.int
        if word >> 31 == 0:
            address = (there + value) & _MASK64
            self._pages[register] = 0
            if not self._valid(address):
                return
            if task == LEARN:
                self._learn(address, (here + found) & _MASK64)
                return
            went = (self._map(address) - (here if task == PREDICT else 0)) & _MASK64
        else:
            address = ((there & ~_PAGE) + (value << 12)) & _MASK64
            self._pages[register] = address
            self._pages[32 + register] = ((here & ~_PAGE) + (found << 12)) & _MASK64
            if task == LEARN:
                return
            # In bounds: i + 4 <= size.
            i = at + 4
            while i + 4 <= size and i <= at + _FOLLOWERS:
                follower = _load32(source, i)
                scale = _offset_scale(follower)
                if scale >= 0 and (follower >> 5 & 31) == cython.cast(cython.ulonglong, register):
                    address = (address + ((follower >> 10 & 0xFFF) << scale)) & _MASK64
                    break
                i += 4
            if not self._valid(address):
                return
            went = self._map(address) >> 12
            if task == PREDICT:
                went = (went - (here >> 12)) & _MASK64
        word = word & 0x9F00001F | (went >> 2 & 0x7FFFF) << 5 | (went & 3) << 29
        _store32(piece, at, word)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _learn(self, address: cython.ulonglong, went: cython.ulonglong) -> cython.void:
        slot: cython.Py_ssize_t
        if self._map(address) != went:
            slot = _slot(address)
            self._keys[slot] = address ^ self._salt
            self._went[slot] = went


@cython.cfunc
@cython.inline
def _signed(value: cython.ulonglong, bits: cython.int) -> cython.ulonglong:
    """Return the lowest `bits` bits as a signed number modulo 2**64."""
    sign: cython.ulonglong = cython.cast(cython.ulonglong, 1) << (bits - 1)
    return (((value & (2 * sign - 1)) ^ sign) - sign) & _MASK64


@cython.cfunc
@cython.inline
def _with_field(
    word: cython.ulonglong, value: cython.ulonglong, bits: cython.int, place: cython.int
) -> cython.ulonglong:
    mask: cython.ulonglong = (cython.cast(cython.ulonglong, 1) << bits) - 1
    return word & (0xFFFFFFFF ^ mask << place) | (value & mask) << place


@cython.cfunc
@cython.inline
def _offset_scale(word: cython.ulonglong) -> cython.int:
    """Return by how many bits the 12-bit offset of an ADD, load or store is shifted; -1 if it is none of them."""
    if (word & 0xFFC00000) == 0x91000000:
        return 0
    if (word & 0x3B000000) == 0x39000000:
        return 4 if (word & 0xC4800000) == 0x04800000 else cython.cast(cython.int, word >> 30)
    return -1


@cython.cfunc
@cython.inline
def _slot(address: cython.ulonglong) -> cython.Py_ssize_t:
    return cython.cast(cython.Py_ssize_t, ((address * _MULTIPLIER) & _MASK64) >> _SLOT_SHIFT)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
def _load32(piece: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    value: cython.ulonglong = piece[at + 3]
    value = value << 8 | piece[at + 2]
    value = value << 8 | piece[at + 1]
    return value << 8 | piece[at]


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
def _store32(piece: cython.uchar[::1], at: cython.Py_ssize_t, value: cython.ulonglong) -> cython.void:
    piece[at] = value & 255
    piece[at + 1] = (value >> 8) & 255
    piece[at + 2] = (value >> 16) & 255
    piece[at + 3] = (value >> 24) & 255
