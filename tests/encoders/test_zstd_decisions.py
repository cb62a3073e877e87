"""Zstd files are taken apart into decisions and put together again, whoever wrote them; hostile ones are refused."""

from __future__ import annotations

import io
import random
from array import array
from contextlib import suppress
from dataclasses import astuple, fields, replace

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders import kzstd_fast
from airpatch.encoders.zstd_alignment import RECORD, Alignment
from airpatch.encoders.zstd_decisions import Covers, ParsedPiece, emit, parse
from airpatch.encoders.zstd_read_blocks import BlockReader, UnusualBlock
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs
from tests.encoders.support import decisions, repetitive

COMPILED = str(kzstd_fast.__file__).endswith(".so")
DATA = inputs()["tar"] if COMPILED else inputs()["first 300"]


def put_together(part: ParsedPiece, uncompressed: bytes, alignment: Alignment | None = None) -> bytes:
    layout, runs, hits, offsets = (io.BytesIO(column).read for column in astuple(part)[:4])
    return b"".join(emit(layout, io.BytesIO(uncompressed).read, runs, hits, offsets, alignment))


def compress(data: bytes, level: int, **parameters: int) -> bytes:
    """By libzstd, as one frame of unknown size with a checksum."""
    options = zstandard.ZstdCompressionParameters.from_level(
        level, write_checksum=True, write_content_size=False, **parameters
    )
    compressor = zstandard.ZstdCompressor(compression_params=options).compressobj()
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("level", [-50, -1, 1, 3, 6, 9, 13, 19])
def test_every_level_of_libzstd(level: int) -> None:
    for data in (DATA, DATA[:1], b"", bytes(300_000), random.Random(1).randbytes(200_000) if COMPILED else b"x"):
        file = compress(data, level)
        assert put_together(decisions(file), data) == file


@settings(max_examples=60 if COMPILED else 5, deadline=None)
@given(
    repetitive(), st.sampled_from([-7, 1, 3, 9, 17]), st.integers(10, 23), st.lists(st.integers(1, 5000), max_size=4)
)
def test_any_file(data: bytes, level: int, window: int, cuts: list[int]) -> None:
    """Of several frames, with something between them."""
    out = bytearray()
    at = 0
    for size in (*cuts, len(data)):
        out += compress(data[at : at + size], level, window_log=window)
        out += b"\x53\x2a\x4d\x18\x05\0\0\0" + b"other"
        at += size
    assert put_together(decisions(bytes(out)), data) == bytes(out)


@pytest.mark.parametrize("name", ["kzstd-1.14.2-default", "kzstd-1.17.8-fastest", "kzstd-1.17.8-better"])
def test_replicas_with_flushes(name: str) -> None:
    encoder = frame_encoder(name)
    file = encoder.feed(DATA[:100]) + encoder.flush() + encoder.feed(DATA[100:]) + encoder.finish()
    assert put_together(decisions(file), DATA) == file


def test_offsets_are_foretold_by_an_older_version() -> None:
    """Bytes go in and away: what the old file copies from, the new one does, wherever that is now."""
    old = DATA
    new = DATA[:50] + b"!" + DATA[50 : len(DATA) // 2] + DATA[len(DATA) // 2 + 7 :]
    covers = Covers()
    half = len(DATA) // 2
    covers.add([(0, 0, 50), (51, 50, half - 50), (half + 1, half + 7, len(DATA) - half - 7)], 0, len(old))
    before = decisions(compress(old, 3))
    file = compress(new, 3)
    alone, aligned = decisions(file), decisions(file, covers.alignment(before.matches))
    assert (alone.layout, alone.runs) == (aligned.layout, aligned.runs)
    assert len(aligned.offsets) <= len(alone.offsets) // (5 if COMPILED else 1)
    assert put_together(aligned, new, covers.alignment(before.matches)) == file


def test_covers_outside_a_source_are_left_out() -> None:
    covers = Covers()
    covers.add([(0, 0, 10), (10, 10, 20), (30, 95, 10), (40, 105, 5), (50, 0, 0)], 10, 100)
    assert list(zip(covers.targets, covers.sources, covers.lengths, strict=True)) == [(10, 0, 20)]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=10 * RECORD), st.lists(st.tuples(*(st.integers(0, 1 << 40),) * 3), max_size=5))
def test_an_alignment_of_anything_foretells_something(records: bytes, covers: list[tuple[int, int, int]]) -> None:
    """Matches and covers are not trusted."""
    covers.sort()
    targets, sources, lengths = (array("q", [cover[at] for cover in covers]) for at in range(3))
    matches = records[: len(records) // RECORD * RECORD]
    file = compress(DATA[:3000], 3)
    part = decisions(file, Alignment(targets, sources, lengths, matches))
    assert put_together(part, DATA[:3000], Alignment(targets, sources, lengths, matches)) == file


def test_damaged_files_end_in_bytes_or_are_refused() -> None:
    data = DATA[:3000]
    file = compress(data, 3, window_log=12) + compress(data[:500], 19)
    generator = random.Random(5)
    taken = 0
    for _ in range(400):
        damaged = bytearray(file)
        for _ in range(generator.choice((1, 1, 3))):
            damaged[generator.randrange(len(file))] = generator.randrange(256)
        with suppress(FormatError):
            content = data + data[:500] + bytes(1 << 20)
            part = decisions(
                bytes(damaged[: generator.choice((len(file), generator.randrange(len(file))))]), None, content
            )
            put_together(part, content)
            taken += 1
    assert 0 < taken < 400  # some damage is in what is not read, such as checksums


def test_damaged_decisions_end_in_bytes_or_are_refused() -> None:
    data = DATA[:3000]
    part = decisions(compress(data, 3))
    generator = random.Random(6)
    taken = 0
    for _ in range(400):
        name = generator.choice([field.name for field in fields(ParsedPiece)][:4])
        column = bytearray(getattr(part, name))
        for _ in range(generator.choice((1, 1, 3))):
            column[generator.randrange(len(column))] = generator.randrange(256)
        with suppress(FormatError):
            put_together(replace(part, **{name: bytes(column)}), data)
            taken += 1
    assert 0 < taken < 400  # other decisions may make another file


@pytest.mark.parametrize(
    "layout",
    [
        b"\x04\x00",  # a block outside a frame
        b"\x03\x02\x04",  # a header that is cut short
        b"\x03\x01\x04\x04\x00",  # a header without its window
        b"\x03\x02\x04\x58\x08\x00",  # an unknown tag
        b"\x03\x02\x04\x58\x07\x00",  # a block of the reserved type
        b"\x03\x02\x04\x58\x04\x81\x80\x08",  # a block of 128 KiB and a byte
        b"\x03\x02\x04\x58\x05\x00",  # a run of nothing
        b"\x03\x02\x04\x58\x04\xff\xff\xff\xff\xff\x01",  # a number that is too large
        b"\x03\x02\x04\x58\x04\x05",  # more content than there is
        b"\x03\x02\x04\x58\x06\x01\x08",  # literals of a form that there is not
        b"\x03\x02\x04\x58\x06\x01\x03",  # literals by a code that there was not
        b"\x03\x02\x04\x58\x06\x01\x02\x02\x00\x00",  # a code of literals that describes nothing
        b"\x07\x00",  # no bytes between frames
        b"\x07\x05abc",  # fewer bytes than told
    ],
)
def test_layouts_that_are_refused(layout: bytes) -> None:
    with pytest.raises(FormatError):
        put_together(ParsedPiece(layout), b"x")


def test_what_is_left_over_is_refused() -> None:
    data = DATA[:3000]
    part = decisions(compress(data, 3))
    for name in ("runs", "hits", "offsets"):
        with pytest.raises(FormatError):
            put_together(replace(part, **{name: getattr(part, name) + b"\x01\x01"}), data)


def test_more_content_than_there_may_be() -> None:
    with pytest.raises(FormatError, match="more uncompressed bytes"):
        list(parse(io.BytesIO(compress(bytes(3000), 3)).read, 2999))


def test_a_number_of_sequences_that_is_longer_than_it_needs_to_be() -> None:
    with pytest.raises(UnusualBlock):
        BlockReader().read(b"\x08a\x80\x01\x54\0\0\0")
