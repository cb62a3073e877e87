"""The conformance suite of the replicas of zstd encoders: each writes what the real one wrote, however it is fed."""

from __future__ import annotations

import hashlib
import io
import json
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders import kzstd_fast
from airpatch.encoders.kzstd import lone_block_header
from airpatch.encoders.zstd_matches import matches_of
from airpatch.encoders.zstd_read_blocks import BlockReader
from airpatch.encoders.zstd_replicas import frame_encoder, zstd_names, zstd_replica
from airpatch.errors import FormatError
from fixtures.encoders.inputs import CUTS, inputs, zstd_inputs
from tests.encoders.support import repetitive

FIXTURES = Path(__file__).parents[2] / "fixtures" / "encoders"
DIGESTS: dict[str, dict[str, str]] = json.loads((FIXTURES / "zstd_digests.json").read_text())
COMPILED = str(kzstd_fast.__file__).endswith(".so")
BLOCK_HEADER, CHECKSUM = 3, 4  # bytes
SMALL = 2000  # uncompiled, the replicas are some hundred times slower
QUICK = tuple(name for name in zstd_names() if not name.endswith("-best"))


def compress(name: str, data: bytes, cuts: tuple[int, ...] = (), piece: int = 65_000) -> bytes:
    encoder = frame_encoder(name)
    out = bytearray()
    begin = 0
    for end in (*cuts, len(data)):
        for at in range(begin, end, piece):
            out += encoder.feed(data[at : min(at + piece, end)])
        if end in cuts:
            out += encoder.flush()
        begin = end
    return bytes(out) + encoder.finish()


def _is_slow(name: str, label: str) -> bool:
    return label == "windows" or (name.endswith("-best") and not name.endswith("-1.17.8-best"))


def test_every_replica_has_an_oracle() -> None:
    assert set(zstd_names()) == set(DIGESTS)


@pytest.mark.parametrize("is_slow", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "slow"])
@pytest.mark.parametrize("name", DIGESTS)
def test_output_is_the_encoders(name: str, is_slow: bool) -> None:
    labels = [label for label in DIGESTS[name] if COMPILED or len(zstd_inputs(name)[label]) <= SMALL]
    for label in (label for label in labels if _is_slow(name, label) is is_slow):
        out = compress(name, zstd_inputs(name)[label], CUTS if label == "flushed" else ())
        assert hashlib.sha256(out).hexdigest()[:32] == DIGESTS[name][label], label


@pytest.mark.parametrize("name", zstd_names()[:3])
def test_pieces_do_not_matter(name: str) -> None:
    data = inputs()["long" if COMPILED else "first 300"]
    generator = random.Random(name)
    encoder = frame_encoder(name)
    out = bytearray()
    at = 0
    while at < len(data):
        size = generator.choice((0, 1, 511, 65535, 65536, 131072, 400_000))
        out += encoder.feed(data[at : at + size])
        at += size
    assert bytes(out) + encoder.finish() == compress(name, data, (), len(data))


@pytest.mark.parametrize("name", [name for name in zstd_names() if "-1.17.8-" in name or "-1.14.2-" in name])
def test_frames_do_not_know_each_other(name: str) -> None:
    data = inputs()["tar" if COMPILED else "first 300"]
    encoder = frame_encoder(name)
    for size in (100, 70_000, 0, 200_000, 70_000):
        encoder.begin(size)
        assert encoder.feed(data[:size]) + encoder.finish() == compress(name, data[:size])


@settings(max_examples=60 if COMPILED else 5, deadline=None)
@given(st.sampled_from(QUICK), repetitive(), st.lists(st.integers(0, 200_000), max_size=3))
def test_output_decompresses(name: str, data: bytes, cuts: list[int]) -> None:
    out = compress(name, data, tuple(sorted({cut for cut in cuts if cut < len(data)})))
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(out)).read() == data


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
def test_positions_stay_within_32_bits() -> None:
    """A position is counted from the first byte of all frames; past 2**30 the tables are set back."""
    data = inputs()["128 KiB"]
    expected = compress("kzstd-1.17.8-fastest", data)
    encoder = frame_encoder("kzstd-1.17.8-fastest")
    for _ in range(300):  # of 4 MiB each, as far as tables are concerned
        encoder.begin(len(data))
        assert encoder.feed(data) + encoder.finish() == expected


def test_unknown_name() -> None:
    with pytest.raises(FormatError):
        frame_encoder("kzstd-1.13.6-default")


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("name", QUICK)
def test_the_beginning_of_a_block_has_the_matches_that_the_block_has(name: str, alone: bool) -> None:
    """Recognition relies on it: a search that finds others in the beginning is not that of the frame."""
    replica = zstd_replica(name)
    block = inputs()["long"][: replica.block - 1 if COMPILED else SMALL]
    encoder = replica.make()
    whole = matches_of(encoder.search(block, len(block), alone), len(block))
    for size in (len(block) // 16, len(block) // 2):
        beginning = matches_of(encoder.search(block, size, alone), size)
        assert beginning
        assert beginning.agrees(whole)
    if alone:
        reader = BlockReader()
        frame = compress(name, block)
        reader.read(frame[len(lone_block_header(len(block))) + BLOCK_HEADER : -CHECKSUM])
        assert encoder.search(block, len(block), alone).columns() == reader.found.columns()
