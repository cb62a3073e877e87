"""Headers of dynamic blocks are read as they are written, and those that are cut short or wrong are told apart."""

from __future__ import annotations

import random
from array import array

import pytest

from airpatch.deflate.blocks import BlockWriter
from airpatch.deflate.dynamic import read_header
from airpatch.deflate.header import DynamicHeader, go_dynamic, zlib_dynamic
from airpatch.deflate.tables import DISTANCES, END_OF_BLOCK, LITERALS
from airpatch.errors import FormatError


def header(seed: int) -> DynamicHeader:
    """A header as zlib or Go writes it, for counts of which some are 0 and few are large."""
    generator = random.Random(seed)
    counts = [int(generator.paretovariate(0.7)) % 50_000 * generator.randrange(2) for _ in range(LITERALS + DISTANCES)]
    counts[END_OF_BLOCK] = 1
    make = generator.choice((zlib_dynamic, go_dynamic))
    return make(array("I", counts[:LITERALS]), array("I", counts[LITERALS:]))


def written(header: DynamicHeader) -> bytes:
    """A block that begins with `header`, and ends where that does."""
    writer = BlockWriter()
    writer.begin_dynamic(header)
    writer.pad()
    return writer.take()


@pytest.mark.parametrize("seed", range(30))
def test_what_is_written_is_read(seed: int) -> None:
    made = header(seed)
    assert read_header(written(made), 3) == (made, 3 + made.bits)


def test_a_header_that_is_cut_short_is_not_wrong() -> None:
    made = header(1)
    block = written(made)
    for size in range((3 + made.bits - 1) // 8 + 1):
        assert read_header(block[:size], 3) is None


@pytest.mark.parametrize("bits", [0b11110 << 5 | 30, 31], ids=["31 distances", "288 literals"])
def test_more_lengths_than_symbols_are_refused(bits: int) -> None:
    with pytest.raises(FormatError, match="more code lengths"):
        read_header(bits.to_bytes(2, "little") + bytes(20), 0)
