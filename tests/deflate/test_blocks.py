"""Blocks from tokens: zlib reads them, their size is as told, and what has no code is refused."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.blocks import BlockWriter, body_bits, count_symbols, long_matches, tokens_within
from airpatch.deflate.header import DynamicHeader, go_dynamic, zlib_dynamic
from airpatch.deflate.tables import LONG_258
from airpatch.errors import FormatError
from tests.deflate.support import token_lists


@given(token_lists(), st.sampled_from([zlib_dynamic, go_dynamic]))
def test_zlib_reads_dynamic_blocks_of_the_size_told(
    made: tuple[array[int], bytes], build: Callable[[array[int], array[int]], DynamicHeader]
) -> None:
    tokens, uncompressed = made
    counts = count_symbols(tokens)
    header = build(*counts)
    writer = BlockWriter()
    writer.dynamic(tokens, header, final=True)
    literals, distances = header.lengths()
    size = 3 + header.bits + body_bits(*counts, literals.ljust(286, b"\0"), distances.ljust(30, b"\0"))
    assert writer.pending == size % 8
    writer.pad()
    data = writer.take()
    assert len(data) == (size + 7) // 8
    decoder = zlib.decompressobj(-15)
    assert decoder.decompress(data) == uncompressed
    assert decoder.eof


@given(token_lists(), st.binary(max_size=100))
def test_blocks_in_sequence(made: tuple[array[int], bytes], stored: bytes) -> None:
    tokens, uncompressed = made
    writer = BlockWriter()
    writer.stored(stored, padding=1)
    writer.fixed(tokens)
    writer.begin_dynamic(zlib_dynamic(*count_symbols(tokens)))
    for at in range(0, len(tokens), 7):
        writer.tokens(tokens[at : at + 7])
    writer.end()
    writer.stored(stored, final=True)
    assert zlib.decompress(writer.take(), -15) == stored + uncompressed + uncompressed + stored


@pytest.mark.parametrize(
    "token", [256, 2 << 16 | 1, 259 << 16 | 1, 3 << 16, 3 << 16 | 32769, 1 << 26, 257 << 16 | LONG_258 | 1]
)
def test_malformed_tokens_are_refused(token: int) -> None:
    writer = BlockWriter()
    writer.begin_fixed()
    with pytest.raises(FormatError):
        writer.tokens(array("I", [97, token]))


def test_symbols_without_a_code_are_refused() -> None:
    header = zlib_dynamic(*count_symbols(array("I", [97, 98])))
    for token in (99, 3 << 16 | 5):
        writer = BlockWriter()
        with pytest.raises(FormatError):
            writer.dynamic(array("I", [97, token]), header)


def test_bad_headers_are_refused() -> None:
    good = zlib_dynamic(*count_symbols(array("I", [97, 98])))
    for runs, run_lengths in (
        (good.runs, bytes(19)),
        (good.runs, b"\1" * 19),
        (b"\1" * 258, good.run_lengths),
    ):
        header = DynamicHeader(good.literal_count, good.distance_count, 19, run_lengths, runs)
        with pytest.raises(FormatError):
            BlockWriter().begin_dynamic(header)
    unfinished = BlockWriter()
    with pytest.raises(ValueError, match="65535"):
        unfinished.stored(bytes(65536))
    unfinished.bits(1, 1)
    with pytest.raises(ValueError, match="middle of a byte"):
        unfinished.raw(b"x")


def test_token_helpers() -> None:
    tokens = array("I", [97, 258 << 16 | 1, 258 << 16 | 1 | LONG_258, 98])
    assert long_matches(tokens) == [2]
    assert [tokens_within(tokens, size) for size in (0, 1, 2, 259, 260, 517, 518, 9999)] == [
        0,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    literals, distances = count_symbols(tokens)
    assert (literals[285], literals[284], literals[97], literals[256], distances[0]) == (1, 1, 1, 1, 2)
