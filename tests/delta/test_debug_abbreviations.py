"""Tables of abbreviations: what each attribute takes, and where a malformed table ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.debug_abbreviations import (
    ADDRESS,
    ADDRESS_END,
    END,
    IN_UNIT,
    INFO,
    LOCATIONS,
    OFFSET,
    SPAN_4,
    STRING,
    Table,
    read_table,
)
from fixtures.debugging import abbreviations, number

FUNCTION = [(0x03, 0x08), (0x11, 0x01), (0x12, 0x01), (0x49, 0x10)]
VARIABLE = [(0x02, 0x17), (0x3F, 0x19), (0x49, 0x13), (0x3A, 0x0B)]


def test_actions_follow_from_forms_and_attributes() -> None:
    data = abbreviations(FUNCTION, VARIABLE, [(0x12, 0x06), (0x88, 0x17)])
    assert read_table(data, 0) == Table(
        len(data),
        (
            bytes([STRING, ADDRESS, ADDRESS_END, OFFSET + INFO, END]),
            bytes([OFFSET + LOCATIONS, IN_UNIT, 1, END]),
            bytes([SPAN_4, 4, END]),
        ),
    )


def test_a_constant_in_the_abbreviation_takes_no_bytes_of_an_entry() -> None:
    data = b"\1\x34\0" + number(0x3A) + number(0x21) + number(9999) + b"\0\0\0"
    assert read_table(data, 0) == Table(len(data), (bytes([END]),))


@pytest.mark.parametrize(
    ("rest", "read"),
    [
        (b"\3\x34\0\0\0", 1),  # not the next one
        (b"\2\x34\0\3\x18\3\x50\0\0", 7),  # a form that there is not
        (b"\2\x34\0\x80\x80\x80\x80\1\1\0\0", 7),  # a number of five bytes
        (b"\2\x34\0\3\x08", 5),  # cut short
        (b"\2\x34", 3),
    ],
)
def test_a_table_ends_before_what_is_malformed(rest: bytes, read: int) -> None:
    first = abbreviations(VARIABLE)[:-1]
    table = read_table(b"--" + first + rest, 2)
    assert len(table.actions) == 1
    assert table.end == min(2 + len(first) + read, 2 + len(first + rest))


@given(st.binary(max_size=60), st.integers(0, 70))
def test_any_bytes_are_read_up_to_some_place(data: bytes, start: int) -> None:
    table = read_table(data, start)
    assert table.end <= len(data)
    assert all(actions.index(END) == len(actions) - 1 for actions in table.actions)
