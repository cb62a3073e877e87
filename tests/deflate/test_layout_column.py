"""Records of the layout come back, and malformed ones are refused."""

from __future__ import annotations

import io
import re
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate import layout_column as layout
from airpatch.deflate.header import zlib_header
from airpatch.deflate.layout_column import (
    BlockPiece,
    Code,
    LayoutReader,
    MemberStart,
    Record,
    Tail,
    Trailer,
    write_record,
)
from airpatch.errors import FormatError

HEADER = zlib_header(bytes(97) + b"\1" + bytes(158) + b"\1", b"\0")
FLAGS = st.booleans()


@pytest.mark.parametrize(("literals", "distances"), [([9, 0, 1, 5], [3, 0]), ([1, 2, 3, 0], [0, 0])])
def test_counts_of_at_least_one_are_those_of_an_encoder_that_counts_from_one(
    literals: list[int], distances: list[int]
) -> None:
    filled = [array("I", [max(1, count) for count in each]) for each in (literals, distances)]
    made = layout.compute_header(Code.GO_FILLED, array("I", literals), array("I", distances))
    assert made == layout.compute_header(Code.GO_WIDE, *filled)
    assert made != layout.compute_header(Code.GO_WIDE, array("I", literals), array("I", distances))


@st.composite
def pieces(draw: st.DrawFn) -> BlockPiece:
    kind = draw(st.sampled_from([0, 1, 2, layout.OTHER]))
    count = draw(st.integers(0, 65535))
    if kind == 0:
        return BlockPiece(kind, count, draw(FLAGS), padding=draw(st.integers(0, 31)))
    long = sorted(draw(st.sets(st.integers(0, count - 1), max_size=5))) if count else []
    final = draw(FLAGS) and kind != layout.OTHER
    code = draw(st.sampled_from(Code)) if kind == 2 else Code.EXPLICIT
    header = HEADER if kind == 2 and code is Code.EXPLICIT else None
    more = draw(FLAGS) and count > 0
    return BlockPiece(kind, count, final, more, long=long, code=code, header=header)


OPTIONAL = st.one_of(st.none(), st.integers(0, 2**32 - 1))
RECORDS = st.one_of(
    pieces(),
    st.builds(MemberStart, st.binary(max_size=300)),
    st.builds(Tail, st.binary(min_size=1, max_size=300)),
    st.builds(Trailer, st.integers(0, 127), OPTIONAL, OPTIONAL),
)


@given(st.lists(RECORDS, max_size=9), st.integers(1, 9))
def test_records_come_back(records: list[Record], size: int) -> None:
    file = io.BytesIO(b"".join(map(write_record, records)))
    reader = LayoutReader(lambda _: file.read(size))
    for record in records:
        assert reader.record() == record
    assert reader.record() is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x83",  # unknown record
        b"\x27\x00",  # member with a flag
        b"\x07\x00",  # final piece
        b"\x08\x00",  # stored block that goes on
        b"\x21\x00",  # fixed block with a code
        b"\xa2\x00",  # reserved code
        b"\x01\x81\x80\x04",  # 65537 tokens
        b"\x00\x80\x80\x04",  # 65536 stored bytes
        b"\x23\x81\x80\x40",  # header over 1 MiB
        b"\x63\x81\x80\x04",  # tail over 64 KiB
        b"\x01\xff\xff\xff\xff\xff\x01",  # number over 35 bits
        b"\x01\x81\x80\x80\x80\x80\x00" + bytes(9),  # a small number in six bytes
        b"\x11\x02\x01\x02",  # long match after the end
        b"\x11\x02\x03\x00\x00\x00",  # more long matches than tokens
        b"\x02\x00\x1e\x00\x00" + bytes(400),  # 287 literals
        b"\x02\x00\x00\x1e\x00" + bytes(400),  # 31 distances
        b"\x02\x00\x00\x00\x10" + bytes(400),  # 20 run lengths
        b"\x02\x00\x00\x00\x00\x08" + bytes(400),  # a run length of 8
        b"\x02\x00\x00\x00\x00" + bytes(19) + b"\x9c",  # unknown run
    ],
)
def test_adversary_41_malformed_records_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        LayoutReader(io.BytesIO(data).read).record()


@given(RECORDS)
def test_adversary_37_records_cut_short_are_refused(record: Record) -> None:
    data = write_record(record)
    for size in range(1, len(data)):
        with pytest.raises(FormatError):
            LayoutReader(io.BytesIO(data[:size]).read).record()


def test_the_specification_has_the_tags_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "spec" / "DEFLATE.md").read_text()
    for name, value in re.findall(r"\| (piece|member|trailer|tail) (0x\w\w) \|", text):
        assert getattr(layout, f"{name.upper()}_TAG") == int(value, 16)
    assert f"at most {layout.PIECE} tokens" in text
    for code, words in zip(Code, ("explicit", "zlib", "Go's", "the same", "as 3"), strict=True):
        assert re.search(rf"^\| {code.value} \| .*{words}", text, re.MULTILINE)


def test_a_header_that_is_written_out_comes_back() -> None:
    piece = BlockPiece(2, 7, True, False, long=[3], code=Code.EXPLICIT, header=HEADER)
    file = io.BytesIO(write_record(piece) + write_record(Tail(b"x")))
    reader = LayoutReader(file.read)
    assert [reader.record(), reader.record(), reader.record()] == [piece, Tail(b"x"), None]


@pytest.mark.parametrize(
    "data",
    [
        b"\x63\x00",  # a tail of nothing
        b"\x09\x00",  # a fixed block that goes on, and has no token
    ],
)
def test_adversary_41_records_without_effect_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        LayoutReader(io.BytesIO(data).read).record()
