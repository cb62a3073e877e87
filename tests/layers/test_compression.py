"""What is inside a blob: every encoder of the fixtures, in pieces, bounded, and never half of it."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.errors import FormatError
from airpatch.layers.compression import Compression, compression, extract, size_told
from fixtures.encoders.inputs import inputs
from tests.delta.support import noise
from tests.layers.support import ENCODERS, deflated, layer, members, text, zstd

SAMPLES = sorted((Path(__file__).parents[2] / "fixtures/encoders").glob("*.gz"))
UNCOMPRESSED = layer(1, 2, 3)


def unpacked(blob: bytes, limit: int = 1 << 30) -> tuple[Compression, bytes]:
    out = bytearray()
    kind = extract(BytesBlob(blob), len(blob), out.extend, limit)
    return kind, bytes(out)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_encoder_of_the_fixtures(path: Path) -> None:
    assert unpacked(path.read_bytes()) == (Compression.GZIP, inputs()["tar"])


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("uncompressed", [b"x", text(70_000, 1), UNCOMPRESSED], ids=["byte", "text", "tar"])
def test_every_shape_of_file(name: str, uncompressed: bytes) -> None:
    blob = ENCODERS[name](uncompressed)
    assert unpacked(blob) == (Compression.NONE if name == "plain" else Compression.GZIP, uncompressed)


def test_zstd_in_one_frame_and_in_many() -> None:
    chunked = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    streamed = chunked.compress(UNCOMPRESSED) + chunked.flush()
    skippable = b"\x5f\x2a\x4d\x18\x03\0\0\0any"
    for blob in (zstd(UNCOMPRESSED), streamed, zstd(UNCOMPRESSED[:5000]) + skippable + zstd(UNCOMPRESSED[5000:])):
        assert unpacked(skippable + blob + b"no frame") == (Compression.ZSTD, UNCOMPRESSED)
        assert unpacked(blob) == (Compression.ZSTD, UNCOMPRESSED)


@given(st.binary(max_size=6))
def test_the_first_bytes_tell_the_compression(start: bytes) -> None:
    """A blob that is neither gzip nor zstd is its own uncompressed data, even an empty one."""
    if compression(start) is Compression.NONE:
        assert unpacked(start) == (Compression.NONE, start)


TAILS = [
    b"\x1f",
    b"\x1f\x8b",
    b"\x1f\x8b\x07more",
    b"\x1f more",
    b"\0" * 3,
    b"\x1f\x8b\x08\0\0\0\0\0\0",
    b"\x1f\x8b\x08\xe0" + bytes(20),
]


@pytest.mark.parametrize("place", range(-3, 4))
@pytest.mark.parametrize("tail", TAILS)
def test_what_follows_a_member_does_not_depend_on_where_it_is(tail: bytes, place: int) -> None:
    """Input comes in pieces of 16 KiB."""
    text_ = noise(16_000, 1)
    size = len(deflated(0)(text_))
    first = deflated(0)(text_ + noise((16 << 10) - size + place, 2))
    assert len(first) == (16 << 10) + place
    assert unpacked(first + tail)[1] == unpacked(first)[1]
    assert unpacked(first + deflated()(b"more") + tail)[1] == unpacked(first)[1] + b"more"


@pytest.mark.parametrize("name", ["zlib-1", "members", "stored", "flushed"])
def test_adversary_37_cut_short(name: str) -> None:
    """Cut within a member; where a member ends there is nothing missing, as gunzip sees it."""
    blob = ENCODERS[name](UNCOMPRESSED)
    for size in (*range(4, 40), *range(40, len(blob), 997), len(blob) - 1):
        try:
            whole = gzip.decompress(blob[:size])
        except EOFError:
            with pytest.raises(FormatError, match="cut short"):
                unpacked(blob[:size])
        else:
            assert unpacked(blob[:size])[1] == whole


def test_adversary_37_zstd_cut_short() -> None:
    """Cut within a frame, the second one or a skippable one too; libzstd's reader does not tell."""
    frame = zstd(UNCOMPRESSED)
    skippable = b"\x50\x2a\x4d\x18\4\0\0\0abcd"
    for blob, first in (
        (frame, 0),
        (frame + frame, len(frame)),
        (frame + skippable, len(frame)),
        (skippable + frame, 12),
    ):
        assert unpacked(blob)[1] == UNCOMPRESSED * blob.count(frame)
        for size in {*range(first + 4, first + 16), len(blob) // 2, *range(len(blob) - 9, len(blob))}:
            if first + 4 <= size < len(blob):
                with pytest.raises(FormatError, match=r"cut short|does not decompress"):
                    unpacked(blob[:size])


def test_what_begins_no_frame_after_one_is_ignored() -> None:
    frame = zstd(UNCOMPRESSED)
    for tail in (b"\0", b"\x28\xb5\x2f", b"anything", frame[1:], b"\x50\x2a\x4d"):
        assert unpacked(frame + tail)[1] == UNCOMPRESSED


def test_adversary_37_a_frame_with_a_block_of_a_reserved_type() -> None:
    frame = bytearray(zstd(b"abc"))
    block = frame.index(b"abc") - 3
    frame[block] |= 6
    for blob in (bytes(frame), zstd(UNCOMPRESSED) + frame):
        with pytest.raises(FormatError, match="does not decompress"):
            unpacked(blob)


@pytest.mark.parametrize("place", [12, -6, -2])
def test_adversary_27_a_byte_that_is_wrong(place: int) -> None:
    """In the deflate stream, in the checksum, in the size."""
    blob = bytearray(deflated()(text(500, 1)))
    blob[place] ^= 0x55
    with pytest.raises(FormatError, match="does not decompress"):
        unpacked(bytes(blob))


@pytest.mark.parametrize("encode", [bytes, deflated(), members, zstd], ids=["none", "gzip", "members", "zstd"])
def test_the_limit_is_exact(encode: Callable[[bytes], bytes]) -> None:
    blob = encode(UNCOMPRESSED)
    assert unpacked(blob, len(UNCOMPRESSED))[1] == UNCOMPRESSED
    with pytest.raises(FormatError, match="more than"):
        unpacked(blob, len(UNCOMPRESSED) - 1)


def _bombs() -> dict[str, bytes]:
    piece = zlib.compress(bytes(32 << 20), 9, 31)
    return {"gzip": piece * 20, "zstd": zstd(bytes(512 << 20))}


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_adversary_36_43_bombs_stop_at_the_limit(name: str) -> None:
    bomb = _bombs()[name]
    taken: list[int] = []
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="more than"):
            extract(BytesBlob(bomb), len(bomb), lambda piece: taken.append(len(piece)), 40 << 20)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert sum(taken) <= 40 << 20


def test_adversary_43_a_window_of_2_gib() -> None:
    blob = bytearray(zstd(text(3000, 1)))
    # Frame header (RFC 8878 3.1.1.1): no single segment, no content size; window 2^(10 + 21).
    frame = bytes(blob[:4]) + bytes([0x00, 21 << 3]) + bytes(blob[6:])
    with pytest.raises(FormatError):
        unpacked(frame)


def test_the_size_that_a_blob_tells() -> None:
    """What is compressed in another way, or tells of more than there can be, counts as it is."""
    told = {"gzip": deflated()(UNCOMPRESSED), "none": UNCOMPRESSED, "zstd": zstd(UNCOMPRESSED), "empty": b""}
    sizes = {name: size_told(BytesBlob(blob), len(blob)) for name, blob in told.items()}
    assert sizes == {
        "gzip": len(UNCOMPRESSED),
        "none": len(UNCOMPRESSED),
        "zstd": len(told["zstd"]),
        "empty": 0,
    }
    with_rest = deflated()(b"short") + b"\xff\xff\xff\xff"
    assert size_told(BytesBlob(with_rest), len(with_rest)) == len(with_rest)
