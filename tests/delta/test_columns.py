"""Columns come back out of segments; whatever else is read is refused, within bounded memory."""

from __future__ import annotations

import io

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.columns import COLUMNS, MAX_SEGMENT, MAX_STORED, ColumnCompressor, ColumnDecompressor, weigh
from airpatch.delta.varints import put
from airpatch.errors import FormatError

SEGMENTS = st.lists(st.lists(st.binary(max_size=200), min_size=COLUMNS, max_size=COLUMNS), max_size=4)


SMALL = zstandard.ZstdCompressionParameters.from_level(3, window_log=10, write_content_size=False)


def stored(segments: list[list[bytes]]) -> bytes:
    compressor = ColumnCompressor([3] * COLUMNS, 1 << 16)
    return b"".join(piece for columns in segments for piece in compressor.segment(columns))


@given(SEGMENTS)
def test_columns_come_back(segments: list[list[bytes]]) -> None:
    reader = ColumnDecompressor(io.BytesIO(stored(segments)))
    assert [reader.segment() for _ in segments] == segments
    assert reader.at_end()


@given(SEGMENTS.filter(bool), st.data())
def test_damage_ends_in_columns_or_is_refused(segments: list[list[bytes]], data: st.DataObject) -> None:
    content = bytearray(stored(segments))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    reader = ColumnDecompressor(io.BytesIO(content))
    try:
        while not reader.at_end():
            assert sum(map(len, reader.segment())) <= MAX_SEGMENT
            break
    except FormatError as error:
        assert error.message.startswith("delta: ")  # noqa: PT017 - both outcomes are right


def test_a_segment_that_claims_too_much_is_refused_unread() -> None:
    head = bytearray()
    put(head, MAX_SEGMENT + 1)
    put(head, 1)
    with pytest.raises(FormatError, match="exceeds its limits"):
        ColumnDecompressor(io.BytesIO(bytes(head))).segment()


def test_a_segment_may_have_as_much_as_its_limits() -> None:
    head = bytearray()
    put(head, MAX_SEGMENT)
    put(head, MAX_STORED)
    with pytest.raises(FormatError, match="cut short"):
        ColumnDecompressor(io.BytesIO(bytes(head) + bytes(COLUMNS - 1))).segment()


def test_a_mixed_segment_that_claims_too_much_is_refused_unread() -> None:
    head = bytearray(COLUMNS)
    put(head, MAX_STORED + 1)
    with pytest.raises(FormatError, match="exceeds its limits"):
        ColumnDecompressor(io.BytesIO(bytes(head))).segment()


def test_a_column_of_another_size_is_refused() -> None:
    content = bytearray(stored([[b"x" * 9, *[b""] * (COLUMNS - 1)]]))
    content[0] = 8
    with pytest.raises(FormatError, match="control does not have the size"):
        ColumnDecompressor(io.BytesIO(content)).segment()


def test_what_a_column_has_beyond_its_size_is_refused_wherever_it_is_stored() -> None:
    compressor = zstandard.ZstdCompressor(compression_params=SMALL).compressobj()
    data = compressor.compress(b"x" * 9) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    empty, more = bytes(3), (1 << 3).to_bytes(3, "little") + b"y"  # blocks that are raw
    for tail, is_taken in ((empty * 100, True), (empty * 100 + more, False)):
        head = bytearray()
        put(head, 9)
        put(head, len(data + tail))
        segment = io.BytesIO(head + bytes(COLUMNS) + data + tail)
        if is_taken:
            assert ColumnDecompressor(segment).segment()[0] == b"x" * 9
        else:
            with pytest.raises(FormatError, match="control does not have the size"):
                ColumnDecompressor(segment).segment()


def test_a_column_that_does_not_decompress_is_named() -> None:
    content = bytearray(stored([[b"x" * 9, *[b""] * (COLUMNS - 1)]]))
    content[content.index(b"\x28\xb5\x2f\xfd")] ^= 0xFF
    with pytest.raises(FormatError, match="delta: column control: zstd"):
        ColumnDecompressor(io.BytesIO(content)).segment()


def test_each_column_has_its_level() -> None:
    with pytest.raises(ValueError, match="longer"):
        ColumnCompressor([3] * (COLUMNS - 1), 1 << 16)


def test_a_segment_over_the_limit_is_not_written() -> None:
    columns = [bytes(MAX_SEGMENT), b"x", *[b""] * (COLUMNS - 2)]
    with pytest.raises(ValueError, match="exceeds its limits"):
        list(ColumnCompressor([3] * COLUMNS, 1 << 16).segment(columns))


def test_what_repeats_itself_weighs_little() -> None:
    assert weigh(b"again " * 1000) < 100
