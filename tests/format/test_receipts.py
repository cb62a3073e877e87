"""Receipts have one form and hold nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.receipts import Receipt, emit_receipt, parse_receipt
from tests.target import support

RELEASE = support.r1().release
RECEIPT = emit_receipt(Receipt(RELEASE, 1_700_000_000))


@given(st.integers(0, 253_402_300_799))
def test_receipts_come_back_as_they_were(installed: int) -> None:
    receipt = Receipt(RELEASE, installed)
    assert parse_receipt(emit_receipt(receipt)) == receipt


def test_adversary_37_receipts_that_are_cut_are_refused() -> None:
    for size in range(len(RECEIPT)):
        with pytest.raises(FormatError):
            parse_receipt(RECEIPT[:size])
    with pytest.raises(FormatError):
        parse_receipt(RECEIPT + b"\0")


@given(st.integers(0, len(RECEIPT) * 8 - 1))
def test_adversary_38_a_receipt_with_a_flipped_bit_is_another_one_or_refused(bit: int) -> None:
    content = bytearray(RECEIPT)
    content[bit // 8] ^= 1 << bit % 8
    try:
        receipt = parse_receipt(bytes(content))
    except FormatError:
        return
    assert emit_receipt(receipt) == content


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_receipt(content: bytes) -> None:
    with pytest.raises(FormatError):
        parse_receipt(content)


@pytest.mark.parametrize("installed", [None, True, -1, 2**63, 1.0, "1", b"1", [1]], ids=repr)
def test_adversary_42_a_time_that_is_none_is_no_receipt(installed: object) -> None:
    plain = canonical.unpack(RECEIPT, "")
    assert isinstance(plain, dict)
    with pytest.raises(FormatError):
        parse_receipt(canonical.pack(plain | {"installed": installed}))


@pytest.mark.parametrize(
    "change",
    [{"airpatch": 2}, {"airpatch": True}, {"extra": 1}, {"release": None}, {"release": {}}],
    ids=repr,
)
def test_other_receipts_are_refused(change: dict[str, object]) -> None:
    plain = canonical.unpack(RECEIPT, "")
    assert isinstance(plain, dict)
    with pytest.raises(FormatError):
        parse_receipt(canonical.pack(plain | change))
    with pytest.raises(FormatError):
        parse_receipt(canonical.pack(dict(reversed(plain.items()))))
