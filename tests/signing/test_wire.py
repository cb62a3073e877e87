"""SSH's data types: what is written comes back, and what is cut or not in its only form is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.signing.wire import WireReader, string


@given(st.lists(st.binary(max_size=300)))
def test_strings_come_back(values: list[bytes]) -> None:
    reader = WireReader(b"".join(map(string, values)), "it")
    assert [reader.string() for _ in values] == values
    reader.end()


@given(st.binary(max_size=40), st.data())
def test_a_string_cut_anywhere_is_refused(value: bytes, data: st.DataObject) -> None:
    whole = string(value)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FormatError, match="it: cut short"):
        WireReader(whole[:cut], "it").string()


@given(st.integers(0, 2**521))
def test_numbers_have_one_form(value: int) -> None:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b""
    assert WireReader(string(raw), "it").mpint() == value
    with pytest.raises(FormatError, match="shortest form"):
        WireReader(string(b"\0" + raw), "it").mpint()


@pytest.mark.parametrize("raw", [b"\x80", b"\xff\xff", b"\0"])
def test_negative_numbers_and_a_long_zero_are_refused(raw: bytes) -> None:
    with pytest.raises(FormatError, match="negative or not in its shortest form"):
        WireReader(string(raw), "it").mpint()


def test_a_tail_is_refused() -> None:
    with pytest.raises(FormatError, match="has 3 bytes after its end"):
        WireReader(b"abc", "it").end()


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(FormatError, match="not UTF-8"):
        WireReader(string(b"\xff"), "it").text()
