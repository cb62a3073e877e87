"""zstd blobs are taken apart so that they can be put together again."""

from __future__ import annotations

import io

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.encoders.zstd_layout import BlockKind, build, emit_part
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.errors import FormatError
from airpatch.layers.frames import split
from tests.layers.support import text

NAME = "kzstd-1.17.8-fastest"
UNCOMPRESSED = text(3000, 1)


def frame(data: bytes, flushed: bool = False) -> bytes:
    encoder = frame_encoder(NAME)
    out = encoder.feed(data) + (encoder.flush() if flushed else b"")
    return out + encoder.finish()


def skippable(content: bytes, magic: int = 0) -> bytes:
    return (0x184D2A50 + magic).to_bytes(4, "little") + len(content).to_bytes(4, "little") + content


@st.composite
def files(draw: st.DrawFn) -> bytes:
    out = bytearray()
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 3000))
        kind = draw(st.sampled_from(("frame", "flushed", "packed", "bytes")))
        if kind == "packed":
            out += skippable(frame(UNCOMPRESSED[:size]), draw(st.integers(0, 15)))
        elif kind == "bytes":
            out += skippable(UNCOMPRESSED[:size], draw(st.integers(0, 15)))
        else:
            out += frame(UNCOMPRESSED[:size], kind == "flushed")
    return bytes(out)


@settings(max_examples=50, deadline=None)
@given(files())
def test_taken_apart_and_put_together(file: bytes) -> None:
    parts = list(split(BytesBlob(file), len(file), 1 << 20))
    layout = io.BytesIO(b"".join(emit_part(part) for part, _ in parts))
    rest = io.BytesIO(b"".join(beside for _, beside in parts))
    uncompressed = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(file), read_across_frames=True)
    assert b"".join(build(frame_encoder(NAME), layout.read, uncompressed.read, rest.read)) == file


def test_many_blocks_that_end_with_an_empty_one() -> None:
    """Whether it was flushed or fills its blocks, the same is written."""
    file = frame(bytes(1 << 16))
    ((part, _),) = split(BytesBlob(file), len(file), 1 << 20)
    assert part.kind is BlockKind.FLUSHED
    assert frame(bytes(1 << 16), flushed=True) == file


def test_more_uncompressed_than_there_may_be() -> None:
    file = frame(UNCOMPRESSED)
    with pytest.raises(FormatError, match="more uncompressed bytes"):
        list(split(BytesBlob(file), len(file), len(UNCOMPRESSED) - 1))


@pytest.mark.parametrize("file", [frame(UNCOMPRESSED)[:-1], frame(UNCOMPRESSED) + b"tail", b"\x28\xb5\x2f\xfd"])
def test_what_is_no_zstd_file(file: bytes) -> None:
    with pytest.raises(FormatError):
        list(split(BytesBlob(file), len(file), 1 << 20))
