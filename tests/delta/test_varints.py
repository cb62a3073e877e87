"""Whole numbers as bytes: one encoding for each, and all others refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta import varints
from airpatch.errors import FormatError


def packed(*numbers: int) -> bytes:
    out = bytearray()
    for number in numbers:
        varints.put(out, number)
    return bytes(out)


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_numbers_come_back(numbers: list[int]) -> None:
    assert list(varints.unpack(packed(*numbers))) == numbers


@pytest.mark.parametrize(
    ("number", "data"), [(0, "00"), (127, "7f"), (128, "8001"), (624485, "e58e26"), (2**63 - 1, "ff" * 8 + "7f")]
)
def test_encodings(number: int, data: str) -> None:
    """624485 is the example of DWARF."""
    assert packed(number) == bytes.fromhex(data)


@pytest.mark.parametrize(
    "data",
    ["80", "8000", "ff" * 8, "ff" * 9 + "01", "80" * 9 + "01"],
    ids=["cut", "long", "cut late", "2**64", "2**63"],
)
def test_other_encodings_are_refused(data: str) -> None:
    with pytest.raises(FormatError):
        varints.unpack(bytes.fromhex(data))


@given(st.integers(-(2**62), 2**62 - 1))
def test_signed_numbers_fold(number: int) -> None:
    assert varints.unzigzag(varints.zigzag(number)) == number
    assert [varints.zigzag(each) for each in (0, -1, 1, -2)] == [0, 1, 2, 3]


@given(st.lists(st.integers(0, 2**63 - 1), max_size=50), st.integers(1, 20))
def test_numbers_come_one_after_the_other(numbers: list[int], times: int) -> None:
    out = bytearray()
    for number in numbers * times * 40:
        varints.put(out, number)
    assert list(varints.iterate(bytes(out))) == numbers * times * 40
    assert varints.count(bytes(out)) == len(numbers) * times * 40
