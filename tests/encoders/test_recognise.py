"""Each encoder is recognised by its output, whole or cut; what is no gzip file is refused."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders.recognise import recognise
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs
from tests.delta.support import noise
from tests.encoders.support import COMPILED, FIXTURES, NAMES, SAME_ZLIB, deflate, quick_and_slow, repetitive

needs_speed = pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")


@needs_speed
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.gz")), ids=lambda path: path.stem)
def test_whole_file(path: Path) -> None:
    assert path.stem.replace("_", "/") in recognise(path.read_bytes())


@needs_speed
def test_beginning_and_trailing_bytes() -> None:
    data = (FIXTURES / "gzip-9.gz").read_bytes()
    assert "gzip-9" in recognise(data[:40_000])
    assert recognise(data + b"tail") == ["gzip-9"]


@needs_speed
@pytest.mark.skipif(zlib.ZLIB_RUNTIME_VERSION not in SAME_ZLIB, reason="another zlib")
def test_unusual_encoder_in_second_heat() -> None:
    real = zlib.compressobj(3, zlib.DEFLATED, 31, 9)
    assert recognise(real.compress(inputs()["tar"]) + real.flush()) == ["zlib-3-mem9"]


@needs_speed
def test_unknown_encoder() -> None:
    huffman_only = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_HUFFMAN_ONLY)
    assert recognise(huffman_only.compress(inputs()["tar"]) + huffman_only.flush()) == []


HEADER = gzip.compress(b"")[:10]


@needs_speed
@pytest.mark.parametrize("name", quick_and_slow(NAMES))
def test_first_block_does_not_rule_out_its_encoder(name: str) -> None:
    for label in ("tar", "zeros"):
        assert recognise(HEADER + deflate(name, inputs()[label]), [name]) == [name]


@settings(max_examples=60 if COMPILED else 10, deadline=None)
@given(st.sampled_from(NAMES), repetitive())
def test_first_block_of_any_uncompressed(name: str, data: bytes) -> None:
    assert recognise(HEADER + deflate(name, data), [name]) == [name]


@settings(max_examples=60 if COMPILED else 5, deadline=None)
@given(st.sampled_from(NAMES), repetitive(), st.integers(0, 1 << 16))
def test_first_bytes_do_not_rule_out_their_encoder(name: str, data: bytes, at: int) -> None:
    content = inputs()["tar"][at : at + (12 << 10)] + data
    assert recognise(HEADER + deflate(name, content), [name]) == [name]


@needs_speed
@pytest.mark.parametrize("name", quick_and_slow(NAMES))
def test_a_beginning_that_does_not_compress_rules_out_no_encoder(name: str) -> None:
    content = noise(9 << 10, 1) + inputs()["tar"][: 60 << 10]
    assert recognise(HEADER + deflate(name, content), [name]) == [name]


def test_candidates_restrict() -> None:
    data = gzip.compress(b"")
    assert "zlib-6" in recognise(data)
    assert recognise(data, ["go1-flate-6"]) == []


def test_header_fields_are_skipped() -> None:
    stream = gzip.compress(b"hello")[10:]
    extra = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\x03\x00abcname\0comment\0\x12\x34"
    assert "zlib-6" in recognise(extra + stream)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x1f\x8b\x08", b"\x1f\x8b\x08\x08" + bytes(6) + b"endless", b"\x1f\x8b\x08" + bytes(7) + b"\x07"],
    ids=["empty", "cut", "endless name", "unknown block"],
)
def test_not_gzip(data: bytes) -> None:
    with pytest.raises(FormatError):
        recognise(data)


@needs_speed
def test_bomb_is_bounded() -> None:
    """Threat 36: a gigabyte of zeros in a megabyte of input."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1 << 20)
    data = b"".join(compressor.compress(piece) for _ in range(64)) + compressor.flush()
    assert recognise(data, ["zlib-9", "pigz-9"]) == ["zlib-9"], "pigz ends a block every 128 KiB"


@needs_speed
def test_pieces_rule_out() -> None:
    """Of pigz with and without -R, one writes the first block of the other only if nothing is cut in it."""
    rsyncable, plain = (deflate(name, inputs()["tar"]) for name in ("pigz-6-rsyncable", "pigz-6"))
    assert recognise(HEADER + rsyncable) == ["pigz-6-rsyncable"]
    assert "pigz-6-rsyncable" not in recognise(HEADER + plain)
    assert recognise(HEADER + deflate("pigz-3-rsyncable", inputs()["tar"])) == ["pigz-3-rsyncable"]


@needs_speed
@pytest.mark.parametrize("name", ["pigz-1-p1", "pigz-2-p1-rsyncable", "pigz-1", "pigz-2-rsyncable"])
def test_one_section_is_told_from_many(name: str) -> None:
    assert recognise(HEADER + deflate(name, inputs()["mixed"])) == [name]


@needs_speed
@pytest.mark.skipif(zlib.ZLIB_RUNTIME_VERSION not in SAME_ZLIB, reason="another zlib")
def test_an_encoder_that_is_left_alone_is_not_asked_for_the_rest() -> None:
    content = inputs()["tar"]
    flushed = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = flushed.compress(content[:-1000]) + flushed.flush(zlib.Z_SYNC_FLUSH)
    data += flushed.compress(content[-1000:]) + flushed.flush()
    assert recognise(data, ["zlib-9"]) == []
    assert recognise(data, ["zlib-9"], enough=32 << 10) == ["zlib-9"]
