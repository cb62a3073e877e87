# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: what is read of the section ends before its unit does, which ends before the section does; a number of an
# abbreviation is compared with their count; a field is handled only if all of it lies in the piece.
"""Debugging information of programs: which fields of .debug_info lead to addresses, or into other sections.

Go programs carry it unless they are stripped. When a line of code is inserted, most numbers in it change: addresses of
functions, and offsets of types, of lists of locations and of ranges. Where they stand is told by abbreviations.
DWARF 3 to 5 (5: 7.5), 32-bit format, addresses of 8 bytes. What is malformed has no fields, and is no error.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence

import cython

from airpatch.delta import debug_abbreviations
from airpatch.delta.debug_abbreviations import read_table
from airpatch.delta.references import LEARN
from airpatch.zeroed_memory import zeroed_words

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load32, load64, store32, store64
    from cython.cimports.airpatch.delta.references import References
else:
    from airpatch.byte_access import load32, load64, store32, store64
    from airpatch.delta.references import References

MAX_INFO = 1 << 31  # bytes
MAX_ABBREVIATIONS = 1 << 22  # bytes
MAX_UNITS = 1 << 16
MAX_ENTRY = 1 << 12  # bytes: whoever begins in an entry walks over all of it
_BLOCK_SHIFT = cython.declare(cython.int, 10)  # of so many bytes it is known which entry is under way
_PER_UNIT = cython.declare(cython.Py_ssize_t, 5)
_MAX_ENTRY = cython.declare(cython.Py_ssize_t, MAX_ENTRY)
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_OP_ADDR = cython.declare(cython.int, 3)  # DW_OP_addr
_LEARN = cython.declare(cython.int, LEARN)
_LARGEST = cython.declare(cython.int, debug_abbreviations.LARGEST)
_NUMBER = cython.declare(cython.int, debug_abbreviations.NUMBER)
_STRING = cython.declare(cython.int, debug_abbreviations.STRING)
_BLOCK_1 = cython.declare(cython.int, debug_abbreviations.BLOCK_1)
_BLOCK_2 = cython.declare(cython.int, debug_abbreviations.BLOCK_2)
_BLOCK_4 = cython.declare(cython.int, debug_abbreviations.BLOCK_4)
_BLOCK = cython.declare(cython.int, debug_abbreviations.BLOCK)
_ADDRESS = cython.declare(cython.int, debug_abbreviations.ADDRESS)
_ADDRESS_END = cython.declare(cython.int, debug_abbreviations.ADDRESS_END)
_SPAN_4 = cython.declare(cython.int, debug_abbreviations.SPAN_4)
_SPAN_8 = cython.declare(cython.int, debug_abbreviations.SPAN_8)
_IN_UNIT = cython.declare(cython.int, debug_abbreviations.IN_UNIT)
_OFFSET = cython.declare(cython.int, debug_abbreviations.OFFSET)

_HEADER = struct.Struct("<IH")  # length and version
_V3, _V3_SIZE = struct.Struct("<IB"), 11  # abbreviations, size of addresses
_V5, _V5_SIZES = struct.Struct("<BBI"), {1: 12, 2: 24, 3: 12, 4: 20, 5: 20, 6: 24}  # sizes by type of unit
_ABSENT = cython.declare(cython.ulonglong, (1 << 64) - 1)


@cython.cclass
class DebugInfo:
    """The section `info` with its `abbreviations`. Types are in debug_info.pxd.

    `bases` are, for each of `debug_abbreviations.SECTIONS`, its addresses in source and target; None if there is none.
    The first one is that of `info` itself.
    """

    def __init__(self, info: memoryview, abbreviations: memoryview, bases: Sequence[tuple[int, int] | None]) -> None:
        self._info = info
        self._bases = array("Q", [each for pair in bases for each in pair or (_ABSENT, _ABSENT)])
        self.address = self._bases[0]
        tables = _Tables(abbreviations)
        self._units = array("I", _units(info, tables))
        self._actions = bytearray(tables.actions)
        self._firsts = tables.firsts
        self._resume = zeroed_words((len(info) >> _BLOCK_SHIFT) + 1)
        self._mark()

    @cython.cfunc
    def _mark(self) -> cython.void:
        """Note for each block the last entry that begins before it, or else the first one."""
        unused = bytearray(1)
        view: cython.uchar[::1] = unused
        piece: cython.p_uchar = cython.address(view[0]) if cython.compiled else view
        unit: cython.Py_ssize_t
        blocks: cython.Py_ssize_t = len(self._resume)
        marked: cython.Py_ssize_t = 0
        last: cython.Py_ssize_t = self._units[2] if len(self._units) else 0
        for unit in range(0, len(self._units), _PER_UNIT):
            self._at = self._units[unit + 2]
            while self._at < self._units[unit + 1]:
                while marked < blocks and marked << _BLOCK_SHIFT < self._at:
                    self._resume[marked] = last
                    marked += 1
                last = self._at
                self._entry(None, piece, piece, 0, 0, 0, unit)
        while marked < blocks:
            self._resume[marked] = last
            marked += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def run(
        self,
        references: References,
        source: cython.p_const_uchar,
        piece: cython.p_uchar,
        size: cython.Py_ssize_t,
        task: cython.int,
        origin: cython.ulonglong,
    ) -> cython.void:
        """Go through the fields of `size` bytes that stand at the address `origin` in the source (`Predictor.run`)."""
        unit: cython.Py_ssize_t
        begin: cython.Py_ssize_t
        end: cython.Py_ssize_t
        offset: cython.ulonglong = (origin - self.address) & _MASK64
        if len(self._units) == 0 or offset >= cython.cast(cython.ulonglong, len(self._info)):
            return
        begin = cython.cast(cython.Py_ssize_t, offset)
        end = min(begin + size, len(self._info))
        self._at = self._resume[begin >> _BLOCK_SHIFT]
        unit = self._unit(self._at)
        while True:
            while self._at < min(end, self._units[unit + 1]):
                self._entry(references, source, piece, begin, end, task, unit)
            unit += _PER_UNIT
            if unit == len(self._units) or self._units[unit] >= end:
                return
            self._at = self._units[unit + 2]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _unit(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Return the last unit whose entries begin at `at` or before it, the first one if there is none."""
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = len(self._units) // _PER_UNIT
        middle: cython.Py_ssize_t
        while high - low > 1:
            middle = (low + high) >> 1
            if self._units[middle * _PER_UNIT + 2] <= at:
                low = middle
            else:
                high = middle
        return low * _PER_UNIT

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _entry(
        self,
        references: References,
        source: cython.p_const_uchar,
        piece: cython.p_uchar,
        begin: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        task: cython.int,
        unit: cython.Py_ssize_t,
    ) -> cython.void:
        """Pass over the entry under way, and handle its fields from `begin` up to `end`: those of the piece.

        What is malformed or too long ends the unit.
        """
        info: cython.p_const_uchar = cython.address(self._info[0]) if cython.compiled else self._info
        stop: cython.Py_ssize_t = min(self._at + _MAX_ENTRY, self._units[unit + 1])
        code: cython.ulonglong = self._number(stop)
        at: cython.Py_ssize_t
        size: cython.ulonglong
        low: cython.ulonglong = 0
        action: cython.int
        place: cython.Py_ssize_t
        width: cython.Py_ssize_t
        if code == 0:
            return
        if code > self._units[unit + 4]:
            self._at = self._units[unit + 1]
            return
        place = self._firsts[self._units[unit + 3] + cython.cast(cython.Py_ssize_t, code) - 1]
        while self._actions[place]:
            action = self._actions[place]
            place += 1
            at = self._at
            if action <= _LARGEST:
                size = action
            elif action == _NUMBER:
                while at < stop and info[at] & 0x80:
                    at += 1
                size = at + 1 - self._at
            elif action == _STRING:
                while at < stop and info[at]:
                    at += 1
                size = at + 1 - self._at
            elif action > _BLOCK:
                size = 8 if action <= _SPAN_8 and action != _SPAN_4 else 4
            else:
                size = self._block_size(action, stop)
                at = self._at
                if size < 9 or size > cython.cast(cython.ulonglong, stop - at):
                    pass
                elif begin <= at + 1 and at + 9 <= end and info[at] == _OP_ADDR:
                    self._field(references, source, piece, at + 1 - begin, task, _ADDRESS, unit, 0)
            at = self._at
            if size > cython.cast(cython.ulonglong, stop - at):
                self._at = self._units[unit + 1]
                return
            if action > _BLOCK and begin <= at:
                width = 4 if action == _SPAN_8 else cython.cast(cython.Py_ssize_t, size)
                if at + width <= end and not (action == _SPAN_8 and load32(info, at + 4)):
                    self._field(references, source, piece, at - begin, task, action, unit, low)
            if action == _ADDRESS:
                low = load64(info, at)
            self._at = at + cython.cast(cython.Py_ssize_t, size)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _block_size(self, action: cython.int, stop: cython.Py_ssize_t) -> cython.ulonglong:
        """Read the length of a block, in bytes; `_MASK64` if it is cut short."""
        info: cython.p_const_uchar = cython.address(self._info[0]) if cython.compiled else self._info
        width: cython.Py_ssize_t = 1 if action == _BLOCK_1 else 2 if action == _BLOCK_2 else 4
        at: cython.Py_ssize_t = self._at
        size: cython.ulonglong = 0
        i: cython.Py_ssize_t
        if action == _BLOCK:
            return self._number(stop)
        if width > stop - at:
            return _MASK64
        for i in range(width):
            size |= cython.cast(cython.ulonglong, info[at + i]) << (8 * i)
        self._at = at + width
        return size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _number(self, stop: cython.Py_ssize_t) -> cython.ulonglong:
        """Read a LEB128 number, of which the lowest 56 bits count; `_MASK64` if it is cut short."""
        info: cython.p_const_uchar = cython.address(self._info[0]) if cython.compiled else self._info
        value: cython.ulonglong = 0
        shift: cython.int = 0
        byte: cython.ulonglong = 0x80
        while byte & 0x80 and self._at < stop:
            byte = info[self._at]
            self._at += 1
            if shift < 56:
                value |= (byte & 0x7F) << shift
                shift += 7
        return _MASK64 if byte & 0x80 else value

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _field(
        self,
        references: References,
        source: cython.p_const_uchar,
        piece: cython.p_uchar,
        at: cython.Py_ssize_t,
        task: cython.int,
        action: cython.int,
        unit: cython.Py_ssize_t,
        low: cython.ulonglong,
    ) -> cython.void:
        """Carry out the task for the field at `at` of the piece; `low` is the last address of the entry before it."""
        there: cython.ulonglong
        here: cython.ulonglong
        section: cython.Py_ssize_t
        if action == _ADDRESS:
            references.field64(source, piece, at, task)
        elif action == _ADDRESS_END:
            there = (load64(source, at) - 1) & _MASK64
            if references.valid(there):
                if task == _LEARN:
                    references.learn(there, (load64(piece, at) - 1) & _MASK64)
                else:
                    store64(piece, at, (references.map(there) + 1) & _MASK64)
        elif action != _IN_UNIT and action < _OFFSET:
            there = load32(source, at)
            if task != _LEARN and there and references.valid(low):
                here = (references.map((low + there - 1) & _MASK64) + 1 - references.map(low)) & _MASK64
                if 0 < here < 2 * there:
                    store32(piece, at, here)
        elif action == _IN_UNIT:
            there = (self.address + self._units[unit]) & _MASK64
            references.field32(source, piece, at, task, there, references.map(there))
        else:
            section = 2 * (action - _OFFSET)
            if self._bases[section] != _ABSENT:
                references.field32(source, piece, at, task, self._bases[section], self._bases[section + 1])


class _Tables:
    """The tables of all units, which stand in the order of these."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._start, self._end = -1, 0  # of the table of the unit before, and up to where tables have been read
        self._found = 0, 0
        self.actions = bytearray()
        self.firsts = array("I")

    def find(self, start: int) -> tuple[int, int]:
        """Return the place in `firsts` of the first abbreviation of a unit's table, and their count: none, unless it is
        that of the unit before, or begins where none has been read."""
        if start != self._start:
            self._start = start
            self._found = 0, 0
            if self._end <= start <= len(self._data):
                table = read_table(self._data, start)
                self._end = table.end
                self._found = len(self.firsts), len(table.actions)
                for actions in table.actions:
                    self.firsts.append(len(self.actions))
                    self.actions += actions
        return self._found


def _units(info: memoryview, tables: _Tables) -> Iterator[int]:
    """Yield of each unit: start, end, where its entries begin, its first abbreviation and their count."""
    at, units = 0, 0
    while at + 12 <= len(info) and units < MAX_UNITS:
        size, version = _HEADER.unpack_from(info, at)
        end = at + 4 + size
        if size < 8 or end > len(info):
            return
        if version == 5:
            kind, width, table = _V5.unpack_from(info, at + _HEADER.size)
            header = _V5_SIZES.get(kind, 0)
        else:
            table, width = _V3.unpack_from(info, at + _HEADER.size)
            header = _V3_SIZE if version in (3, 4) else 0
        if header and width == 8 and at + header <= end:
            yield from (at, end, at + header, *tables.find(table))
        at = end
        units += 1
