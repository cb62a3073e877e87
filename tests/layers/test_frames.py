"""zstd blobs are taken apart so that they can be put together again."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.encoders.zstd_layout import BlockKind, build, emit_part
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.encoders.zstd_replicas import frame_encoder, full_block
from airpatch.errors import FormatError
from airpatch.layers.compression import extract
from airpatch.layers.frames import split
from tests.layers.support import text

NAME = "kzstd-1.17.8-fastest"
BLOCK = 64 << 10
UNCOMPRESSED = text(3 * BLOCK, 1)


def frame(*pieces: bytes) -> bytes:
    """A frame that is flushed after each piece but the last."""
    encoder = frame_encoder(NAME)
    out = b"".join(encoder.feed(piece) + encoder.flush() for piece in pieces[:-1])
    return out + encoder.feed(pieces[-1]) + encoder.finish()


def skippable(content: bytes, magic: int = 0) -> bytes:
    return (0x184D2A50 + magic).to_bytes(4, "little") + len(content).to_bytes(4, "little") + content


@st.composite
def files(draw: st.DrawFn) -> bytes:
    out = bytearray()
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 3000) | st.integers(BLOCK - 1, 3 * BLOCK))
        kind = draw(st.sampled_from(("frame", "flushed", "packed", "bytes")))
        if kind == "packed":
            text = b'{"offset":%d,"endOffset": %d}' % (draw(st.integers(0, len(out))), len(out)) + UNCOMPRESSED[:size]
            place = draw(st.integers(1, len(text)))
            pieces = draw(st.sampled_from(((text,), (text[:place], text[place:]), (text, b""))))
            out += skippable(frame(*pieces), draw(st.integers(0, 15)))
        elif kind == "bytes":
            out += skippable(UNCOMPRESSED[:size], draw(st.integers(0, 15)))
        else:
            places = sorted(draw(st.lists(st.integers(1, size), max_size=3 * (kind == "flushed"))))
            out += frame(*(UNCOMPRESSED[begin:end] for begin, end in pairwise((0, *places, size))))
    return bytes(out) + draw(st.sampled_from((b"", b"\x28", b"\0" * 512, b"no frame")))


@settings(max_examples=30, deadline=None)
@given(files())
def test_taken_apart_and_put_together(file: bytes) -> None:
    parts = list(split(BytesBlob(file), len(file), 1 << 20, BLOCK))
    layout = io.BytesIO(b"".join(emit_part(part) for part, _ in parts))
    rest = io.BytesIO(b"".join(beside for _, beside in parts))
    content: list[bytes] = []
    extract(BytesBlob(file), len(file), content.append, 1 << 20)
    read = io.BytesIO(b"".join(content)).read
    assert b"".join(build(frame_encoder(NAME), layout.read, read, rest.read)) == file


CHUNKED = sorted((Path(__file__).parents[2] / "fixtures/encoders/chunked").glob("*.zst"))


@pytest.mark.parametrize("path", CHUNKED, ids=lambda path: path.stem)
def test_files_of_podman_and_stargz(path: Path) -> None:
    """By containers/storage and stargz-snapshotter. The offsets in a table of contents follow from the frames."""
    file = path.read_bytes()
    names = recognise_frames(file)
    parts = list(split(BytesBlob(file), len(file), 1 << 20, full_block(names[0])))
    layout, rest = b"".join(emit_part(part) for part, _ in parts), b"".join(beside for _, beside in parts)
    assert [part.kind for part, _ in parts].count(BlockKind.PACKED) == 1 + path.name.startswith("storage-1.5")
    assert not re.search(rb'ffset": ?[1-9]', rest)
    content: list[bytes] = []
    extract(BytesBlob(file), len(file), content.append, 1 << 20)

    def built(name: str) -> bytes:
        streams = (io.BytesIO(stream).read for stream in (layout, b"".join(content), rest))
        return b"".join(build(frame_encoder(name), *streams))

    assert file in map(built, names)


def test_where_a_frame_was_flushed() -> None:
    """A flush where a block is full changes nothing, nor is there one where the encoder does not fill its blocks."""
    file = frame(bytes(BLOCK), b"a", b"bc", b"")
    kinds = [(part.kind, part.size) for part, _ in split(BytesBlob(file), len(file), 1 << 20, BLOCK)]
    assert kinds == [(BlockKind.FLUSHED, BLOCK + 1), (BlockKind.FLUSHED, 2), (BlockKind.FRAME, 0)]
    kinds = [(part.kind, part.size) for part, _ in split(BytesBlob(file), len(file), 1 << 20, None)]
    assert kinds == [(BlockKind.FLUSHED, BLOCK + 3), (BlockKind.FRAME, 0)]
    file = frame(bytes(BLOCK), b"")
    assert file == frame(bytes(BLOCK))
    ((part, _),) = split(BytesBlob(file), len(file), 1 << 20, BLOCK)
    assert part.kind is BlockKind.FRAME


@pytest.mark.parametrize("tail", [b"\0" * 10, b"tail", b"\x28\xb5\x2f"])
def test_what_follows_the_last_frame_is_no_content(tail: bytes) -> None:
    file = frame(UNCOMPRESSED)
    *_, (part, beside) = split(BytesBlob(file + tail), len(file + tail), 1 << 20, BLOCK)
    assert (part.kind, beside) == (BlockKind.BYTES, tail)
    content: list[bytes] = []
    extract(BytesBlob(file + tail), len(file + tail), content.append, 1 << 20)
    assert b"".join(content) == UNCOMPRESSED


@pytest.mark.parametrize("block", [BLOCK, None])
def test_more_blocks_than_there_may_be(block: int | None) -> None:
    run = (BLOCK << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    bomb = b"\x28\xb5\x2f\xfd\0\x68" + run * 4096 + b"\x01\0\0"
    with pytest.raises(FormatError, match="more uncompressed bytes"):
        list(split(BytesBlob(bomb), len(bomb), 1 << 20, block))


def test_more_uncompressed_than_there_may_be() -> None:
    file = frame(UNCOMPRESSED)
    with pytest.raises(FormatError, match="more uncompressed bytes"):
        list(split(BytesBlob(file), len(file), len(UNCOMPRESSED) - 1, BLOCK))


@pytest.mark.parametrize(
    "file",
    [frame(UNCOMPRESSED)[:-1], b"tail", b"\x28\xb5\x2f\xfd", frame(UNCOMPRESSED) + b"\x28\xb5\x2f\xfd\x08\0\0\0\0\0"],
)
def test_what_is_no_zstd_file(file: bytes) -> None:
    with pytest.raises(FormatError):
        list(split(BytesBlob(file), len(file), 1 << 20, BLOCK))
