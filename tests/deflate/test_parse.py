"""Gzip files are taken apart and come back, byte for byte; damaged ones are refused or come back."""

from __future__ import annotations

import gzip
import io
import zlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser, Parsed
from airpatch.errors import FormatError
from tests.deflate.support import SAMPLES, VECTORS, join, put_together, take_apart

# Uncompressed data with matches near and far, runs and noise.
PIECES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.integers(0, 3000)),
    st.builds(lambda seed, size: (b"%d, " % seed) * size, st.integers(0, 9), st.integers(0, 300)),
)
UNCOMPRESSED = st.lists(PIECES, max_size=8).map(lambda pieces: b"".join(pieces + pieces[:3]))

STRATEGIES = [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return uncompressed data and a gzip member that zlib made of it, with any of its settings and flushes."""
    encoder = zlib.compressobj(
        draw(st.integers(0, 9)),
        zlib.DEFLATED,
        draw(st.integers(9, 15)) + 16,
        draw(st.integers(1, 9)),
        draw(st.sampled_from(STRATEGIES)),
    )
    uncompressed = draw(UNCOMPRESSED)
    flushes = [zlib.Z_NO_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_BLOCK]
    out = b""
    size = draw(st.integers(1, 5000))
    for at in range(0, len(uncompressed), size):
        out += encoder.compress(uncompressed[at : at + size]) + encoder.flush(draw(st.sampled_from(flushes)))
    return uncompressed, out + encoder.flush()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_come_back(path: Path) -> None:
    data = path.read_bytes()
    part = take_apart(data, 10_000)
    assert part.uncompressed == gzip.decompress(data)
    assert put_together(part) == data


@pytest.mark.parametrize("name", ["zlib-1", "zlib-6", "zlib-9-memory-9", "gzip-6", "pigz-9", "go-1", "go-6"])
def test_known_encoders_need_no_code_lengths(name: str) -> None:
    (path,) = [path for path in SAMPLES if path.stem == name]
    blocks = take_apart(path.read_bytes()).layout
    assert len(blocks) < 120  # one explicit header alone takes more


@pytest.mark.parametrize("name", [name for name, (outcome, _) in VECTORS.items() if outcome == "ok"])
def test_good_vectors_come_back(name: str) -> None:
    data = VECTORS[name][1]
    for size in (None, 1):
        assert put_together(take_apart(data, size)) == data


@pytest.mark.parametrize("name", [name for name, (outcome, _) in VECTORS.items() if outcome != "ok"])
def test_adversary_36_bad_vectors_are_refused(name: str) -> None:
    for size in (None, 1):
        with pytest.raises(FormatError):
            take_apart(VECTORS[name][1], size)


@given(streams(), st.sampled_from([None, 1, 7, 100]))
@settings(max_examples=150, deadline=None)
def test_anything_that_zlib_writes(stream: tuple[bytes, bytes], size: int | None) -> None:
    uncompressed, data = stream
    if size == 1:
        uncompressed, data = b"abc" * 99, gzip.compress(b"abc" * 99)
    part = take_apart(data, size)
    assert part.uncompressed == uncompressed
    assert put_together(part) == data


@given(st.lists(streams(), min_size=1, max_size=3), st.binary(max_size=20))
@settings(max_examples=40, deadline=None)
def test_members_and_a_tail(members: list[tuple[bytes, bytes]], tail: bytes) -> None:
    data = b"".join(member for _, member in members) + tail
    part = take_apart(data, 1000)
    assert part.uncompressed == b"".join(uncompressed for uncompressed, _ in members)
    assert put_together(part) == data


def test_adversary_37_cut_at_every_byte() -> None:
    data = gzip.compress(b"hello, hello, hello" * 5, mtime=0)
    for size in range(len(data)):
        with pytest.raises(FormatError):
            take_apart(data[:size] or b"\x1f")


@given(st.binary(min_size=1, max_size=300), st.integers(0, 2**32), st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_flipped_bits_are_refused_or_come_back(uncompressed: bytes, at: int, bit: int) -> None:
    data = bytearray(gzip.compress(uncompressed * 3, mtime=0))
    data[at % len(data)] ^= 1 << bit
    try:
        part = take_apart(bytes(data))
    except FormatError:
        return
    assert put_together(part) == bytes(data)


def test_decisions_do_not_depend_on_position() -> None:
    base = bytes(range(256)) * 20 + b"the same words over and over; " * 5000
    first = take_apart(gzip.compress(base, mtime=0))
    second = take_apart(gzip.compress(bytes(70_001) + base, mtime=0))
    assert first.runs[-600:] == second.runs[-600:]
    assert first.distances[-40:] == second.distances[-40:]


def test_adversary_36_a_bomb_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    sizes: list[int] = []
    with pytest.raises(FormatError, match="more than 1000000 bytes"):
        sizes.extend(len(part.uncompressed) for part in GzipParser(limit=1_000_000).feed(bomb))
    assert sum(sizes) <= 1_000_000
    assert max(sizes) < 200_000


def test_uncompressed_at_the_limit_is_taken() -> None:
    assert len(take_apart(gzip.compress(bytes(1000)), limit=1000).uncompressed) == 1000


def test_a_block_of_many_tokens_is_told_in_pieces() -> None:
    # memLevel 9 with literals only: 32767 tokens a block; fixed blocks from Z_FIXED may be longer still.
    encoder = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
    uncompressed = bytes(range(256)) * 600
    data = encoder.compress(uncompressed) + encoder.flush()
    assert put_together(take_apart(data)) == data


@pytest.mark.parametrize("column", ["uncompressed", "layout", "runs", "sources", "distances"])
def test_decisions_that_are_cut_or_too_long_are_refused(column: str) -> None:
    part = take_apart(next(path for path in SAMPLES if path.stem == "zlib-6").read_bytes())
    data = getattr(part, column)
    for changed in (data[:-1], data + b"\x03"):
        parts = {name: getattr(part, name) for name in Parsed.__dataclass_fields__} | {column: changed}
        with pytest.raises(FormatError):
            put_together(Parsed(**parts))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=20), st.binary(max_size=20))
@settings(max_examples=300, deadline=None)
def test_adversary_35_random_decisions_are_refused_or_make_a_file(
    layout: bytes, runs: bytes, ranks: bytes, far: bytes
) -> None:
    part = Parsed(b"something something something", b"\x23\x00" + layout, runs, ranks, far)
    try:
        made = put_together(part)
    except FormatError:
        return
    assert made.startswith(b"\x1f\x8b") or not made


def test_readers_may_return_single_bytes() -> None:
    data = gzip.compress(b"hello, hello, hello" * 50, mtime=0)
    part = take_apart(data)
    columns = (part.uncompressed, part.layout, part.runs, part.sources, part.distances)
    readers = [partial(lambda file, size: file.read(1), io.BytesIO(column)) for column in columns]
    assert b"".join(emit(*readers)) == data


def test_parts_join_to_the_same_whatever_the_pieces() -> None:
    data = (SAMPLES[0]).read_bytes()
    parser = GzipParser()
    parts = [part for at in range(0, len(data), 999) for part in parser.feed(data[at : at + 999])]
    assert join([*parts, *parser.close()]) == take_apart(data)
