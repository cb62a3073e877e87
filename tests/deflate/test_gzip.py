"""The header of a gzip member: how far it reaches, as far as that can be told."""

from __future__ import annotations

import pytest

from airpatch.deflate.gzip import header_size, is_plain_header, may_begin_member
from airpatch.deflate.layout_column import HEADER_LIMIT
from airpatch.errors import FormatError

PLAIN = b"\x1f\x8b\x08" + bytes(7)
FULL = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\x03\x00abcname\0comment\0\x12\x34"


@pytest.mark.parametrize("header", [PLAIN, FULL])
def test_size_is_known_when_all_is_there(header: bytes) -> None:
    assert header_size(header + b"stream") == len(header)
    for size in range(len(header)):
        assert header_size(header[:size]) is None


def test_an_extra_field_that_goes_on_is_not_taken_for_whole() -> None:
    assert header_size(b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff") is None


@pytest.mark.parametrize("data", [b"x", b"\x1f\x8b\x07", b"\x1f\x8b\x08\x20" + bytes(6), b"PK\x03\x04" + bytes(10)])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        header_size(data)
    assert not may_begin_member(data.ljust(10, b"\0"))


def test_a_header_over_the_limit_is_refused() -> None:
    with pytest.raises(FormatError, match="limit"):
        header_size(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * HEADER_LIMIT + b"\0")


def test_a_plain_header_is_whole_and_has_no_checksum() -> None:
    assert is_plain_header(PLAIN)
    assert is_plain_header(b"\x1f\x8b\x08\x08" + bytes(6) + b"name\0")
    for other in (FULL, PLAIN + b"\0", PLAIN[:-1], b"\x1f\x8b\x08\xe0" + bytes(6), b"PK\x03\x04" + bytes(10)):
        assert not is_plain_header(other)
