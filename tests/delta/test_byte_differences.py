"""The wrong bytes of copies: counted, written as two columns, and put right from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.byte_differences import DifferenceReader, DifferenceWriter, unequal
from airpatch.errors import FormatError

PAIRS = st.lists(
    st.binary(max_size=300).flatmap(
        lambda wanted: st.tuples(st.just(wanted), st.binary(min_size=len(wanted), max_size=len(wanted)))
    ),
    max_size=6,
)


def columns(pairs: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    writer = DifferenceWriter()
    for wanted, piece in pairs:
        writer.add(wanted, piece)
    gaps, values = writer.take()
    assert len(writer) == 0
    return bytes(gaps), bytes(values)


@given(PAIRS)
def test_pieces_are_put_right(pairs: list[tuple[bytes, bytes]]) -> None:
    gaps, values = columns(pairs)
    assert len(values) == sum(unequal(wanted, piece, 1 << 20) for wanted, piece in pairs)
    reader = DifferenceReader(gaps, values)
    for wanted, piece in pairs:
        if wanted == piece and reader.skip_right(len(piece)):
            continue
        copy = bytearray(piece)
        reader.apply(copy)
        assert copy == wanted
    assert reader.done


def test_right_bytes_are_skipped_up_to_the_next_wrong_one() -> None:
    reader = DifferenceReader(*columns([(b"same" * 100 + b"new", b"same" * 100 + b"old")]))
    assert reader.skip_right(400)
    assert not reader.skip_right(1)
    piece = bytearray(b"old")
    reader.apply(piece)
    assert piece == b"new"
    assert reader.skip_right(1 << 40), "after the last difference everything is right"


def test_counting_stops_above_the_limit() -> None:
    assert unequal(b"abcdef", b"ABCDEF", 6) == 6
    assert 2 < unequal(bytes(1000), b"\1" * 1000, 2) < 1000


@pytest.mark.parametrize(
    ("gaps", "values"),
    [(b"\0", b""), (b"", b"\1"), (b"\0", b"\0"), (b"\0\x80", b"\1"), (b"\x80\0", b"\1")],
    ids=["more", "fewer", "no change", "cut short", "not the shortest"],
)
def test_columns_that_do_not_fit_together(gaps: bytes, values: bytes) -> None:
    with pytest.raises(FormatError):
        DifferenceReader(gaps, values)


def test_many_gaps_are_unpacked_run_by_run() -> None:
    wanted = bytes(range(1, 251)) * 2000
    pieces = [
        (wanted[start : start + 7919], bytes(7919)[: len(wanted) - start]) for start in range(0, len(wanted), 7919)
    ]
    reader = DifferenceReader(*columns(pieces))
    for expected, piece in pieces:
        copy = bytearray(piece)
        reader.apply(copy)
        assert copy == expected
    assert reader.done
