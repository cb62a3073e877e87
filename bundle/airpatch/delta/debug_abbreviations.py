"""Abbreviations of .debug_abbrev as what to do with each attribute of an entry of .debug_info (DWARF 5, 7.5.3, 7.5.6).

An *action* is a byte: how many bytes to pass over, or which kind of field or of variable size an attribute has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

END = 0
LARGEST = 16  # of the attributes of a fixed size; their actions are these sizes
NUMBER, STRING, BLOCK_1, BLOCK_2, BLOCK_4, BLOCK = 17, 18, 19, 20, 21, 22
ADDRESS, ADDRESS_END, SPAN_4, SPAN_8, IN_UNIT = 23, 24, 25, 26, 27
OFFSET = 28
"""The first of the actions of an offset of four bytes into a section, in the order of `SECTIONS`."""
INFO, TEXT, LINE_TEXT, LINES, LOCATIONS, RANGES = range(6)
SECTIONS = (
    (b".debug_info",),
    (b".debug_str",),
    (b".debug_line_str",),
    (b".debug_line",),
    (b".debug_loc", b".debug_loclists"),
    (b".debug_ranges", b".debug_rnglists"),
)
"""What offsets lead into, by its name in older and newer versions."""

_HIGH_PC = 0x12
_OFFSETS_OF = {0x10: LINES, 0x55: RANGES, 0x2C: RANGES, 0x74: RANGES} | dict.fromkeys(
    (0x02, 0x19, 0x2A, 0x38, 0x40, 0x46, 0x48, 0x4A, 0x4D, 0x8C), LOCATIONS
)
"""Attributes whose DW_FORM_sec_offset leads into a section that is known."""
_SEC_OFFSET, _IMPLICIT_CONST, _FLAG_PRESENT = 0x17, 0x21, 0x19
_FORMS = {
    **{0x01: ADDRESS, 0x03: BLOCK_2, 0x04: BLOCK_4, 0x05: 2, 0x06: 4, 0x07: 8, 0x08: STRING, 0x09: BLOCK},
    **{0x0A: BLOCK_1, 0x0B: 1, 0x0C: 1, 0x0D: NUMBER, 0x0E: OFFSET + TEXT, 0x0F: NUMBER, 0x10: OFFSET + INFO},
    **{0x11: 1, 0x12: 2, 0x13: IN_UNIT, 0x14: 8, 0x15: NUMBER, _SEC_OFFSET: 4, 0x18: BLOCK, 0x1A: NUMBER},
    **{0x1B: NUMBER, 0x1C: 4, 0x1D: 4, 0x1E: 16, 0x1F: OFFSET + LINE_TEXT, 0x20: 8, 0x22: NUMBER, 0x23: NUMBER},
    **{0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4, 0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4},
    **{0x1F01: NUMBER, 0x1F02: NUMBER, 0x1F20: 4, 0x1F21: 4},  # of GNU
}
"""The action of each form; other forms end a table."""
_ENDS = {0x06: SPAN_4, 0x07: SPAN_8, 0x01: ADDRESS_END}
"""Actions of forms of DW_AT_high_pc."""


@dataclass(frozen=True, slots=True)
class Table:
    """Actions of the abbreviations 1, 2, 3, ...; it was read up to `end` of its section, in bytes."""

    end: int
    actions: tuple[bytes, ...]


def read_table(data: Sequence[int], start: int) -> Table:
    """Return the table at `start`: up to its end, or to the first abbreviation that is out of order, cut short or
    unknown."""
    numbers = _Numbers(data, start)
    actions: list[bytes] = []
    while numbers.read() == len(actions) + 1:
        numbers.read()
        numbers.at += 1  # whether it has children
        found = _actions(numbers)
        if found is None:
            break
        actions.append(found)
    return Table(min(numbers.at, len(data)), tuple(actions))


def _actions(numbers: _Numbers) -> bytes | None:
    """Return the actions of the attributes that follow, None if one is unknown or cut short."""
    actions = bytearray()
    while not numbers.is_bad:
        attribute, form = numbers.read(), numbers.read()
        if attribute == form == 0:
            return bytes((*actions, END))
        if form == _IMPLICIT_CONST:
            numbers.read()
        elif form != _FLAG_PRESENT:
            action = _FORMS.get(form)
            if action is None:
                return None
            if form == _SEC_OFFSET and attribute in _OFFSETS_OF:
                action = OFFSET + _OFFSETS_OF[attribute]
            elif attribute == _HIGH_PC:
                action = _ENDS.get(form, action)
            actions.append(action)
    return None


class _Numbers:
    """LEB128 numbers of at most 4 bytes, from `at` on. `is_bad` is set by one that is cut short or longer."""

    def __init__(self, data: Sequence[int], at: int) -> None:
        self._data = data
        self.at = at
        self.is_bad = False

    def read(self) -> int:
        """Return the next number, -1 if it is bad or one before it was."""
        value = 0
        for shift in range(0, 28, 7):
            if self.is_bad or self.at >= len(self._data):
                break
            byte = self._data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        self.is_bad = True
        return -1
