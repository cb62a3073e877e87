"""Fields of .debug_info (DELTA.md, Debugging information): where they stand, by the abbreviations of its units."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

ADDRESS, END, SPAN, UNIT = range(6, 10)
"""What a field is, if it is not one that counts from the base of a section: 0 to 5."""
MAX_UNITS = 65536
MAX_ENTRY = 4096
_FIRST = {1: 12, 3: 12, 4: 20, 5: 20, 2: 24, 6: 24}  # where the entries of a unit of this kind begin, in version 5
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4, 0x09: 0, 0x18: 0}  # how many bytes tell the size, 0 for a LEB128 number
_LEB128 = {0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02}
_STRING = 0x08
_SIZES = {
    **dict.fromkeys((0x19, 0x21), 0),
    **dict.fromkeys((0x0B, 0x0C, 0x11, 0x25, 0x29), 1),
    **dict.fromkeys((0x05, 0x12, 0x26, 0x2A), 2),
    **dict.fromkeys((0x27, 0x2B), 3),
    **dict.fromkeys((0x06, 0x0E, 0x10, 0x13, 0x17, 0x1C, 0x1D, 0x1F, 0x28, 0x2C, 0x1F20, 0x1F21), 4),
    **dict.fromkeys((0x01, 0x07, 0x14, 0x20, 0x24), 8),
    0x1E: 16,
}
_FORMS = {*_SIZES, *_LEB128, *_BLOCKS, _STRING}
_MEANINGS = {0x01: ADDRESS, 0x13: UNIT, 0x10: 0, 0x0E: 1, 0x1F: 2}  # by form
_ENDS = {0x01: END, 0x06: SPAN, 0x07: SPAN}  # by form, of attribute 12
_SECTIONS = {  # of form 17, by attribute
    0x10: 3,
    **dict.fromkeys((0x02, 0x19, 0x2A, 0x38, 0x40, 0x46, 0x48, 0x4A, 0x4D, 0x8C), 4),
    **dict.fromkeys((0x2C, 0x55, 0x74), 5),
}
_Table = list[list[tuple[int, int | None]]]  # of each abbreviation the forms, and what fields they are


class Field(NamedTuple):
    """Where it stands in .debug_info, what it is, and of what: of UNIT the unit's offset, of SPAN its address."""

    at: int
    what: int
    of: int = 0

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return 8 if self.what in (ADDRESS, END) else 4


def _meaning(attribute: int, form: int) -> int | None:
    """What field it is, None if it is none; those of blocks are found in the entries."""
    if form == 0x17:
        return _SECTIONS.get(attribute)
    return (_ENDS if attribute == 0x12 and form in _ENDS else _MEANINGS).get(form)


class _Abbreviations:
    """The tables of .debug_abbrev, which are read from the beginning to the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def _number(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.data[self.at]
            self.at, value = self.at + 1, value | (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise LookupError("a number of more than 4 bytes")

    def table(self, at: int) -> _Table:
        """The table that begins there, empty if that is before the end of the one before."""
        table: _Table = []
        if not self.at <= at <= len(self.data):
            return table
        self.at = at
        with suppress(LookupError):  # what is cut short or unknown ends the table
            while self._number() == len(table) + 1:
                self._number()
                self.at += 1
                abbreviation = []
                while any((attribute := self._number(), form := self._number())):
                    if form not in _FORMS:
                        raise LookupError("an unknown form")
                    if form == 0x21:
                        self._number()
                    abbreviation.append((form, _meaning(attribute, form)))
                table.append(abbreviation)
        return table


def _number(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """The lowest 56 bits of a LEB128 number, and where it ends; LookupError if that is not before `stop` or there."""
    end = next((place for place in range(at, stop) if data[place] < 0x80), stop) + 1
    if end > stop:
        raise LookupError("a number that is too long")
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data[at : min(end, at + 8)])), end


def _fields(unit: bytes, at: int, table: _Table) -> Iterator[Field]:
    """The fields of a unit whose entries begin there; raises LookupError or ValueError where these break off."""
    while at < len(unit):
        stop = min(at + MAX_ENTRY, len(unit))
        number, at = _number(unit, at, stop)
        address = 0
        for form, meaning in table[number - 1] if number else ():
            size = _SIZES.get(form, 0)
            if form in _BLOCKS:
                width = _BLOCKS[form]
                size, at = (
                    (int.from_bytes(unit[at : at + width], "little"), at + width) if width else _number(unit, at, stop)
                )
            elif form == _STRING:
                size = unit.index(0, at, stop) + 1 - at
            elif form in _LEB128:
                size = _number(unit, at, stop)[1] - at
            if at + size > stop:
                raise LookupError("an attribute that passes the end")
            if form in _BLOCKS:
                if size >= 9 and unit[at] == 3:
                    yield Field(at + 1, ADDRESS)
            elif meaning == ADDRESS:
                address = int.from_bytes(unit[at : at + 8], "little")
                yield Field(at, ADDRESS)
            elif meaning is not None and not (form == 0x07 and any(unit[at + 4 : at + 8])):
                yield Field(at, meaning, address)
            at += size


class DebugInfo:
    """What a group knows of .debug_info: its fields, and of the six sections, from 0, the bases that there are."""

    def __init__(self, info: bytes, abbreviations: bytes, bases: dict[int, tuple[int, ...]]) -> None:
        self.info, self.abbreviations, self.bases = info, abbreviations, bases

    def fields(self, begin: int, end: int) -> Iterator[Field]:
        """Those that lie between these offsets."""
        first, last = (bisect_left(self._fields, (at,)) for at in (begin, end))
        yield from (field for field in self._fields[first:last] if field.at + field.size <= end)

    @cached_property
    def _fields(self) -> list[Field]:
        fields: list[Field] = []
        for begin, unit, first, table in self._units():
            with suppress(LookupError, ValueError):
                for at, what, of in _fields(unit, first, table):
                    fields.append(Field(begin + at, what, begin if what == UNIT else of))
        return fields

    def _units(self) -> Iterator[tuple[int, bytes, int, _Table]]:
        """Of each unit with entries: where it begins, its bytes, where in them the entries begin, their table."""
        tables, place, begin = _Abbreviations(self.abbreviations), -1, 0
        table: _Table = []
        for _ in range(MAX_UNITS):
            head = self.info[begin : begin + 12]
            end = begin + 4 + int.from_bytes(head[:4], "little")
            if end - begin < 12 or end > len(self.info):
                return
            version = int.from_bytes(head[4:6], "little")
            first, width, at = (_FIRST.get(head[6]), head[7], 8) if version == 5 else (11, head[10], 6)
            if version in (3, 4, 5) and first and width == 8 and begin + first <= end:
                before, place = place, int.from_bytes(head[at : at + 4], "little")
                table = table if place == before else tables.table(place)
                yield begin, self.info[begin:end], first, table
            begin = end


NO_DEBUG_INFO = DebugInfo(b"", b"", {})
