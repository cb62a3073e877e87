"""Offsets of frames are left out of a table of contents, and put in again; any text comes back."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.encoders.zstd_toc import MAX_TEXT, FrameOffsets
from airpatch.errors import FormatError

BEGINS = array("Q", [0, 97, 1500, 2000, *range(3000, 30_000, 30)])
ENTRY = '{"name":"a%d","size":12,"offset":%d,"endOffset": %d}'


def toc(begins: array[int]) -> bytes:
    return ",".join(ENTRY % (i, begins[i], begins[i + 1]) for i in range(0, len(begins) - 1, 2)).encode()


def test_where_frames_begin_is_left_out() -> None:
    """So tables of the same entries are the same, wherever their frames are."""
    moved = array("Q", [begin + 12_345 for begin in BEGINS])
    short = FrameOffsets(BEGINS).shorten(toc(BEGINS))
    assert b"1500" not in short
    assert FrameOffsets(moved).shorten(toc(moved)) == short
    assert FrameOffsets(moved).restore(short) == toc(moved)


def test_numbers_that_are_no_offset_stay() -> None:
    for text in (b'"size":96', b'"size":097', b'"a97":1', b'"offset":29970', b'"offset":' + b"9" * 25, b"97"):
        assert FrameOffsets(BEGINS).shorten(text) == text
    assert FrameOffsets(BEGINS[:0]).shorten(b'"offset":0') == b'"offset":0'


@given(st.lists(st.binary(max_size=40) | st.sampled_from([toc(BEGINS)[:900], b":97", b": 3000", b"\xfd\xfe\xff"])))
def test_any_text_comes_back(parts: list[bytes]) -> None:
    one, other = FrameOffsets(BEGINS), FrameOffsets(BEGINS)
    assert [other.restore(one.shorten(part)) for part in parts] == parts


@pytest.mark.parametrize(
    ("short", "begins", "message"),
    [
        (b"text\xfd", BEGINS, "cut short"),
        (b"\xfe", BEGINS, "cut short"),
        (b"\xfe\x01\xfe\xff" * 4, BEGINS, "not there"),
        (b"\xfe\0", BEGINS[:0], "not there"),
        (b"\xfe\0" * (MAX_TEXT // 3), BEGINS, "more than"),
    ],
)
def test_what_cannot_be_restored(short: bytes, begins: array[int], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        FrameOffsets(begins).restore(short)
