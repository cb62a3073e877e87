"""Frames of replicas are recognised by their beginning, and others are not."""

from __future__ import annotations

import random
from contextlib import suppress
from itertools import pairwise

import pytest
import zstandard

from airpatch.encoders import kzstd_fast
from airpatch.encoders.zstd_recognise import recognise_frame, recognise_frames
from airpatch.encoders.zstd_replicas import frame_encoder, zstd_names
from airpatch.errors import FormatError
from fixtures.encoders.inputs import inputs

COMPILED = str(kzstd_fast.__file__).endswith(".so")


def compress(name: str, data: bytes) -> bytes:
    encoder = frame_encoder(name)
    return encoder.feed(data) + encoder.finish()


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if "-best" in name else []) for name in zstd_names()]
)
def test_replica_is_recognised(name: str) -> None:
    frame = compress(name, inputs()["long"])
    assert name in recognise_frame(frame)
    assert name in recognise_frame(frame[:200_000])
    assert name in recognise_frame(frame + b"what follows is ignored")


@pytest.mark.parametrize("size", [0, 1, 300])
def test_short_frames(size: int) -> None:
    name = "kzstd-1.18.5-default"
    assert name in recognise_frame(compress(name, inputs()["first 300"][:size]))


@pytest.mark.parametrize("places", [(5,), (70_000, 70_001), (131_072, 200_000), (300_000,), (1 << 18, 393_216)])
def test_where_a_frame_was_flushed(places: tuple[int, ...]) -> None:
    """A flush ends a block early, in a frame that is whole and in one that is cut short."""
    data = inputs()["long"]
    for name in ("kzstd-1.17.8-default", "kzstd-1.17.8-fastest"):
        encoder = frame_encoder(name)
        pieces = [data[begin:end] for begin, end in pairwise((0, *places))]
        frame = b"".join(encoder.feed(piece) + encoder.flush() for piece in pieces)
        assert name in recognise_frame(frame + encoder.feed(data[places[-1] :]) + encoder.finish())
        encoder.begin(0)
        frame = b"".join(encoder.feed(piece) + encoder.flush() for piece in pieces)
        assert name in recognise_frame(frame + encoder.finish())


def test_others_are_not_recognised() -> None:
    data = inputs()["128 KiB"] * 3
    for level in (-1, -7, -100):
        compressor = zstandard.ZstdCompressor(level, write_checksum=True).compressobj()
        assert recognise_frame(compressor.compress(data) + compressor.flush()) == []
    assert recognise_frame(zstandard.compress(data, -7)) == []


def test_the_header_alone_rules_an_encoder_out() -> None:
    """All encoders store noise as it is, and klauspost/compress says the size of a frame of one block."""
    noise = random.Random(13).randbytes(3000)
    assert recognise_frame(compress("kzstd-1.17.8-default", noise))[0] == "kzstd-1.17.8-default"
    other = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    assert not any(name.startswith("kzstd") for name in recognise_frame(other.compress(noise) + other.flush()))


def test_a_compressed_frame_tells_more_than_a_larger_one_that_is_not() -> None:
    noise = random.Random(13).randbytes(70_000)
    file = compress("kzstd-1.17.8-fastest", noise) + compress("kzstd-1.17.8-fastest", inputs()["block"])
    assert all(name.endswith("-fastest") for name in recognise_frames(file))
    assert "kzstd-1.17.8-fastest" in recognise_frames(file)


@pytest.mark.parametrize("tail", [b"\0" * 512, b"(", b"what is this?"])
def test_what_follows_the_last_frame_tells_nothing(tail: bytes) -> None:
    frames = compress("kzstd-1.17.8-better", inputs()["block"]) * 2
    assert recognise_frames(frames + tail) == recognise_frames(frames) != []


def in_small_frames(name: str) -> bytes:
    """A file as of an encoder that is reset for each of many pieces, most of them of less than a kilobyte."""
    data = inputs()["mixed"]
    sizes = random.Random(8878)
    encoder = frame_encoder(name)
    out = bytearray()
    at = 0
    while at < len(data):
        piece = data[at : at + sizes.randrange(1, 2 << sizes.randrange(13))]
        encoder.begin(len(piece))
        out += encoder.feed(piece) + encoder.finish()
        at += len(piece)
    return bytes(out)


@pytest.mark.skipif(not COMPILED, reason="too slow uncompiled")
@pytest.mark.parametrize("name", [name for name in zstd_names() if not name.endswith("-best")])
def test_small_frames_tell_versions_apart(name: str) -> None:
    file = in_small_frames(name)
    names = recognise_frames(file)
    assert name in names
    assert all(in_small_frames(other) == file for other in names if other != name)


def test_an_empty_frame_tells_the_newest_version() -> None:
    frame = compress("kzstd-1.18.5-default", inputs()["block" if COMPILED else "first 300"])
    assert len(recognise_frames(frame * 2)) > 1
    assert recognise_frames(frame + compress("kzstd-1.18.5-default", b"")) == ["kzstd-1.18.5-default"]


@pytest.mark.parametrize("kind", ["flushed", "long", "damaged"])
def test_short_frames_that_are_passed_over(kind: str) -> None:
    """Of several blocks, or of much content, which takes time; damage is found by who decompresses the file."""
    name = "kzstd-1.17.8-fastest"
    frame = compress(name, inputs()["block" if COMPILED else "first 300"])
    encoder = frame_encoder("kzstd-1.14.3-fastest")
    if kind == "flushed":
        other = encoder.feed(b"x" * 300) + encoder.flush() + encoder.finish()
    elif kind == "long":
        other = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(1 << 20))
    else:
        other = compress(name, b"x" * 300)[:-1] + b"?"
    assert recognise_frames(frame + other) == recognise_frames(frame) != []


def test_short_frames_bring_no_encoder_back() -> None:
    unknown = zstandard.ZstdCompressor(-7, write_checksum=True).compress(inputs()["128 KiB"])
    assert recognise_frames(unknown + compress("kzstd-1.17.8-default", inputs()["first 300"])) == []


def test_a_bomb_is_read_as_far_as_it_is_compared() -> None:
    """Nothing is known of a frame that begins as a replica's and goes on as none does."""
    run = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    bomb = b"\x28\xb5\x2f\xfd\x04\x68" + run * (1 << 18)  # 32 GiB
    assert all("-default" not in name for name in recognise_frame(bomb))


@pytest.mark.parametrize("start", [b"", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\0\0\0\0\0\0\0"])
def test_not_a_frame(start: bytes) -> None:
    with pytest.raises(FormatError):
        recognise_frame(start)


def test_damaged_frames_are_refused_or_unknown() -> None:
    frame = compress("kzstd-1.17.8-default", inputs()["128 KiB" if COMPILED else "first 300"])
    generator = random.Random(3)
    for _ in range(200):
        damaged = bytearray(frame)
        damaged[generator.randrange(4, len(frame))] ^= 1 << generator.randrange(8)
        with suppress(FormatError):
            assert set(recognise_frame(bytes(damaged))) <= set(zstd_names())
