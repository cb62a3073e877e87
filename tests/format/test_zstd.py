"""Frames of the profile, and the seek table."""

from __future__ import annotations

import io
import os
import random
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format import zstd
from airpatch.format.zstd import BLOCK, MAX_WINDOW, Frame

CONTENT = st.binary(min_size=1, max_size=3000) | st.builds(
    lambda seed, size: random.Random(seed).randbytes(size) * 3, st.integers(0, 99), st.integers(1, 5000)
)
Pack = Callable[[bytes], bytes]


def raw(content: bytes) -> bytes:
    return b"".join(zstd.raw_frame(memoryview(content)))


def read_by_parts(frame: bytes, content: int) -> bytearray:
    """Returns the frame as a file's reader gives it."""
    buffer = bytearray(len(frame))
    file = io.BytesIO(frame)
    is_raw = len(frame) == zstd.raw_size(content)
    for part in zstd.raw_parts(memoryview(buffer), content) if is_raw else [memoryview(buffer)]:
        file.readinto(part)
    return buffer


def reader(data: bytes) -> Callable[[int], bytes]:
    """Reads as a feed does: all that was asked for or an error."""
    file = io.BytesIO(data)

    def read(size: int) -> bytes:
        piece = file.read(size)
        if len(piece) != size:
            raise FormatError("cut short")
        return piece

    return read


def is_refused(frame: bytes, content: int | None) -> None:
    """By both ways in: out of a stream, and as a frame whose length somebody else claims."""
    with pytest.raises(FormatError):
        zstd.decompress(zstd.read_frame(reader(frame), content), content)
    with pytest.raises(FormatError):
        zstd.decompress(frame, content)


PACKS = pytest.mark.parametrize("pack", [raw, zstd.compress], ids=["raw", "compressed"])


@PACKS
@given(content=CONTENT)
def test_unpacking_is_inverse_to_packing(pack: Pack, content: bytes) -> None:
    frame = pack(content)
    assert len(frame) <= zstd.max_compressed(len(content))
    assert zstd.content_size(frame) == len(content)
    assert zstd.trailer(frame) == zstd.checksum(content)
    assert zstd.read_frame(reader(frame + b"next"), len(content)) == frame
    assert zstd.decompress(frame, len(content)) == zstd.decompress(frame) == content
    assert zstandard.ZstdDecompressor().decompress(frame) == content


@PACKS
@pytest.mark.parametrize("size", [1, 255, 256, 257, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 65792, MAX_WINDOW])
def test_sizes_at_limits(pack: Pack, size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    frame = pack(content)
    assert zstd.read_frame(reader(frame), size) == frame
    assert zstd.decompress(frame) == content


def test_headers_of_a_raw_frame_lie_where_they_are_said_to() -> None:
    content = random.Random(1).randbytes(2 * BLOCK + 1)
    frame = b"".join(zstd.raw_frame(memoryview(content)))
    headers = zstd.raw_headers(len(content))
    assert len(headers) == 4
    assert all(frame[offset : offset + len(header)] == header for offset, header in headers)


def test_raw_frames_cost_three_bytes_a_block() -> None:
    assert len(raw(os.urandom(3 * BLOCK))) == 9 + 3 * (3 + BLOCK) + 4


def test_dense_content_is_compressed_only_where_it_pays() -> None:
    noise = os.urandom(BLOCK)
    once, twice = (b"".join(zstd.dense_frame(memoryview(content))) for content in (noise, noise + noise))
    assert once == raw(noise)
    assert len(twice) < 1.1 * len(noise)
    assert zstd.decompress(zstd.read_frame(reader(twice), 2 * BLOCK)) == noise + noise


@PACKS
def test_adversary_37_cut_at_every_byte(pack: Pack) -> None:
    frame = pack(b"some content " * 20)
    for length in range(len(frame)):
        is_refused(frame[:length], 260)


@PACKS
@pytest.mark.parametrize("size", [1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_unpacking_gives_the_content(pack: Pack, size: int) -> None:
    content = os.urandom(size)
    assert zstd.unpack(read_by_parts(pack(content), size), size) == content
    assert zstd.unpack(pack(content), size) == content


def test_what_only_has_the_size_of_a_raw_frame_is_decompressed() -> None:
    content = b"aaaarest"
    run, rest = (4 << 3 | 1 << 1).to_bytes(3, "little") + b"a", (4 << 3 | 1).to_bytes(3, "little") + b"rest"
    frame = raw(content)[:9] + run + rest + raw(content)[-4:]
    assert len(frame) == zstd.raw_size(len(content))
    assert zstd.unpack(read_by_parts(frame, len(content)), len(content)) == content


@PACKS
def test_adversary_38_every_bit_flipped(pack: Pack) -> None:
    """Refused, or the same content: bits that do not matter to a decoder exist, bits that change content do not."""
    content = b"some content " * 20
    frame = pack(content)
    for bit in range(8 * len(frame)):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(FormatError):
            assert zstd.unpack(read_by_parts(bytes(flipped), len(content)), len(content)) == content
        try:
            assert zstd.decompress(bytes(flipped), len(content)) == content
            assert zstd.read_frame(reader(bytes(flipped)), len(content)) == flipped
        except FormatError:
            continue


@PACKS
def test_a_tail_is_refused(pack: Pack) -> None:
    frame = pack(b"content")
    for tail in (b"\0", frame, struct.pack("<II", zstd.SKIPPABLE_MAGIC, 0)):
        with pytest.raises(FormatError):
            zstd.decompress(frame + tail)


def test_adversary_43_another_content_size() -> None:
    frame = raw(b"x" * 300)
    for size in (299, 301, 0, 2**32 - 1, 2**40):
        is_refused(frame, size)


def header(descriptor: int, rest: bytes) -> bytes:
    return struct.pack("<IB", zstd.MAGIC, descriptor) + rest


def body(content: bytes) -> bytes:
    return (len(content) << 3 | 1).to_bytes(3, "little") + content + zstd.checksum(content).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("head", "content"),
    [
        pytest.param(header(0b00_0_00_1_00, b"\x00"), None, id="no content size"),
        pytest.param(header(0b11_0_00_1_00, b"\xa8" + struct.pack("<Q", 300)), 300, id="window of 2 GiB"),
        pytest.param(header(0b11_0_00_1_00, b"\x70" + struct.pack("<Q", 300)), 300, id="window of 16 MiB"),
        pytest.param(header(0b11_1_00_1_00, struct.pack("<Q", 2**40)), None, id="content of 2^40"),
        pytest.param(header(0b11_1_00_1_00, struct.pack("<Q", 2**64 - 1)), None, id="content of 2^64-1"),
        pytest.param(header(0b10_1_00_1_00, struct.pack("<I", MAX_WINDOW + 1)), None, id="content over 8 MiB"),
        pytest.param(header(0b10_1_00_1_01, b"\x07" + struct.pack("<I", 300)), 300, id="dictionary"),
        pytest.param(header(0b10_1_01_1_00, struct.pack("<I", 300)), 300, id="reserved bit"),
        pytest.param(header(0b10_1_10_1_00, struct.pack("<I", 300)), 300, id="unused bit"),
        pytest.param(struct.pack("<IB", zstd.SKIPPABLE_MAGIC, 0), 300, id="skippable frame"),
        pytest.param(struct.pack("<IB", zstd.MAGIC - 1, 0xA4) + struct.pack("<I", 300), 300, id="format of zstd 0.7"),
        pytest.param(b"\x1f\x8b\x08\x00\x00", None, id="gzip"),
    ],
)
def test_adversary_43_headers_outside_the_profile(head: bytes, content: int | None) -> None:
    is_refused(head + body(b"x" * 300), content)


def test_adversary_44_checksum_missing_or_wrong() -> None:
    frame = raw(b"x" * 300)
    without = header(0b10_1_00_0_00, struct.pack("<I", 300)) + frame[9:-4]
    assert zstandard.ZstdDecompressor().decompress(without) == b"x" * 300
    is_refused(without, 300)
    is_refused(frame[:-4] + bytes(4), 300)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param((300 << 3 | 0b111).to_bytes(3, "little") + b"x" * 300, id="reserved kind"),
        pytest.param((BLOCK + 1 << 3 | 1).to_bytes(3, "little") + b"x" * (BLOCK + 1), id="block over its limit"),
        pytest.param((2**21 - 1 << 3 | 0b011).to_bytes(3, "little") + b"x", id="run over its limit"),
        pytest.param(b"\0\0\0" * 1000 + b"\1\0\0", id="a thousand empty blocks"),
        pytest.param((300 << 3 | 0b101).to_bytes(3, "little") + bytes(300), id="a broken compressed block"),
        pytest.param((299 << 3 | 1).to_bytes(3, "little") + b"x" * 299, id="shorter than it declares"),
        pytest.param((300 << 3).to_bytes(3, "little") + b"x" * 300, id="no last block"),
        pytest.param((301 << 3 | 1).to_bytes(3, "little") + b"x" * 301, id="longer than it declares"),
    ],
)
def test_adversary_44_blocks(blocks: bytes) -> None:
    checksum = zstd.checksum(b"x" * 300).to_bytes(4, "little")
    is_refused(header(0b10_1_00_1_00, struct.pack("<I", 300)) + blocks + checksum, 300)


def test_a_frame_that_ends_between_two_blocks_is_refused() -> None:
    frame = raw(b"x" * 2 * BLOCK)
    second = zstd.raw_offset(BLOCK) - 3
    for end in range(second, second + 4):
        is_refused(frame[:end], 2 * BLOCK)


def test_empty_blocks_are_read_within_a_budget() -> None:
    """An endless run of them must not be read endlessly."""
    data = header(0b10_1_00_1_00, struct.pack("<I", 300)) + b"\0" * 10_000
    file = io.BytesIO(data)
    with pytest.raises(FormatError):
        zstd.read_frame(file.read, 300)
    assert file.tell() <= zstd.max_compressed(300)


def test_runs_are_part_of_the_profile() -> None:
    blocks = (300 << 3 | 0b011).to_bytes(3, "little") + b"x"
    checksum = zstd.checksum(b"x" * 300).to_bytes(4, "little")
    frame = header(0b10_1_00_1_00, struct.pack("<I", 300)) + blocks + checksum
    assert zstd.decompress(zstd.read_frame(reader(frame), 300), 300) == b"x" * 300


FRAMES = st.lists(st.builds(Frame, *[st.integers(0, 2**32 - 1)] * 3), max_size=20)


@given(FRAMES)
def test_the_seek_table_is_inverse_to_parsing(frames: list[Frame]) -> None:
    data = zstd.emit_seek_table(frames)
    assert zstd.parse_seek_table(data) == frames
    assert zstd.seek_table_length(data[-zstd.FOOTER :]) == len(data)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(data) == b""


def test_the_seek_table_byte_by_byte() -> None:
    assert zstd.emit_seek_table([Frame(1, 2, 3)]).hex(" ", -4) == (
        "5e2a4d18 15000000 01000000 02000000 03000000 01000000 80b1ea92 8f"
    )


def test_adversary_38_every_bit_of_a_seek_table_flipped() -> None:
    frames = [Frame(100, 1000, 7), Frame(200, 2000, 9)]
    data = zstd.emit_seek_table(frames)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert zstd.parse_seek_table(bytes(flipped)) != frames
        except FormatError:
            continue


def test_adversary_37_a_seek_table_cut_at_every_byte() -> None:
    data = zstd.emit_seek_table([Frame(100, 1000, 7), Frame(200, 2000, 9)])
    for length in range(len(data)):
        with pytest.raises(FormatError):
            zstd.parse_seek_table(data[:length])
        with pytest.raises(FormatError):
            zstd.parse_seek_table(data[len(data) - length :])


def test_adversary_41_a_table_of_four_billion_frames() -> None:
    for count in (zstd.MAX_FRAMES + 1, 2**32 - 1):
        with pytest.raises(FormatError):
            zstd.seek_table_length(struct.pack("<IBI", count, 0x80, zstd.SEEKABLE_MAGIC))
    assert zstd.seek_table_length(struct.pack("<IBI", zstd.MAX_FRAMES, 0x80, zstd.SEEKABLE_MAGIC))


def foreign(content: bytes) -> bytes:
    """Two frames as others make them: without checksum, with another window."""
    half = len(content) // 2
    pack = zstandard.ZstdCompressor(level=1, write_checksum=False).compress
    return pack(content[:half]) + pack(content[half:])


def test_foreign_data_is_a_stream_of_frames() -> None:
    content = random.Random(1).randbytes(300_000) * 2
    data = foreign(content)
    pieces = (memoryview(data)[at : at + 1000] for at in range(0, len(data), 1000))
    assert b"".join(zstd.stream(pieces)) == content
    with pytest.raises(FormatError, match="decompress"):
        list(zstd.stream(iter([memoryview(data[:4] + b"\xff" * 100)])))


def test_foreign_blocks_come_one_by_one() -> None:
    content = b"line of text\n" * 100
    data = zstandard.ZstdCompressor(level=1).compress(content)
    assert b"".join(zstd.each_block(iter([data[:9], data[9:]]))) == content
    with pytest.raises(FormatError, match="decompress"):
        list(zstd.each_block(iter([b"\xff" * 100])))


def test_dense_content_is_compressed_only_if_that_makes_it_smaller() -> None:
    noise = random.Random(3).randbytes(1 << 16)
    for zeros, is_raw in ((40, True), (3000, False)):
        frame = b"".join(zstd.dense_frame(memoryview(noise[zeros:] + bytes(zeros))))
        assert (len(frame) == zstd.raw_size(1 << 16)) is is_raw


def test_a_frame_has_a_256th_and_1024_bytes_more_than_its_content_at_most() -> None:
    assert zstd.max_compressed(0) == 1024
    assert zstd.max_compressed(1 << 20) == (1 << 20) + (1 << 12) + 1024


def test_more_blocks_than_the_content_needs_are_refused_before_they_are_read() -> None:
    frame = raw(b"x")
    block = (5000 << 3).to_bytes(3, "little")
    asked: list[int] = []

    def read(size: int) -> bytes:
        asked.append(size)
        return stream(size)

    stream = reader(frame[:9] + block + bytes(5000) + frame[9:])
    with pytest.raises(FormatError, match="a block that is not allowed"):
        zstd.read_frame(read, 1)
    assert max(asked) < 5000


def test_a_frame_of_more_than_8_mib_is_refused_however_small_its_window_is() -> None:
    header = struct.pack("<IBBI", zstd.MAGIC, 0b10_0_00_1_00, 0x50, MAX_WINDOW + 1)
    with pytest.raises(FormatError, match=f"{MAX_WINDOW + 1} bytes where at most"):
        zstd.read_frame(reader(header + bytes(20)), None)


def test_the_beginning_of_a_frame_is_what_can_be_had_of_it() -> None:
    content = random.Random(2).randbytes(1 << 18)
    data = zstandard.ZstdCompressor(level=1).compress(content)
    start = zstd.beginning(data[:150_000])
    assert start
    assert content.startswith(start)
    assert zstd.beginning(b"no frame") == b""


def test_the_beginning_of_a_frame_is_short_whatever_the_frame_decompresses_to() -> None:
    frame = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 26))
    assert len(frame) < 1 << 13
    assert zstd.beginning(frame) == bytes(512)


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, MAX_WINDOW])
def test_the_size_of_a_raw_frame_is_known(size: int) -> None:
    assert zstd.raw_size(size) == len(raw(bytes(size)))


def test_what_is_shorter_than_any_frame_is_told_as_cut_short() -> None:
    for size in range(14):
        with pytest.raises(FormatError, match="cut short"):
            zstd.decompress(zstd.compress(b"content")[:size])
