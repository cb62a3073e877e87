"""Layouts of zstd files: what is built out of them, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders import zstd_layout
from airpatch.encoders.zstd_layout import PART_SIZE, BlockKind, LayoutPart, build, emit_part
from airpatch.encoders.zstd_replicas import frame_encoder
from airpatch.errors import FormatError

NAME = "kzstd-1.17.8-fastest"
UNCOMPRESSED = b"something, " * 30
REST = b"what stands between the frames"


PARTS = st.builds(LayoutPart, st.sampled_from(BlockKind), st.integers(1, 60), st.integers(0, 15))


def built(layout: bytes | Sequence[LayoutPart], uncompressed: bytes = UNCOMPRESSED, rest: bytes = REST) -> bytes:
    data = layout if isinstance(layout, bytes) else b"".join(map(emit_part, layout))
    pieces = build(frame_encoder(NAME), io.BytesIO(data).read, io.BytesIO(uncompressed).read, io.BytesIO(rest).read)
    return b"".join(pieces)


def frame(*pieces: bytes) -> bytes:
    """A frame that is flushed after each piece but the last."""
    encoder = frame_encoder(NAME)
    out = b"".join(encoder.feed(piece) + encoder.flush() for piece in pieces[:-1])
    return out + encoder.feed(pieces[-1]) + encoder.finish()


def test_every_kind_of_part() -> None:
    parts = [
        LayoutPart(BlockKind.FRAME, 100),
        LayoutPart(BlockKind.BYTES, 4),
        LayoutPart(BlockKind.FLUSHED, 150),
        LayoutPart(BlockKind.FLUSHED, 50),
        LayoutPart(BlockKind.FRAME, 0),
        LayoutPart(BlockKind.PACKED, 0, 14),
        LayoutPart(BlockKind.FLUSHED, 15),
        LayoutPart(BlockKind.FRAME, 5),
        LayoutPart(BlockKind.FLUSHED, 20),
        LayoutPart(BlockKind.FRAME, 10),
    ]
    packed = frame(REST[4:19], REST[19:24])
    expected = frame(UNCOMPRESSED[:100]) + REST[:4] + frame(UNCOMPRESSED[100:250], UNCOMPRESSED[250:300], b"")
    expected += b"\x5e\x2a\x4d\x18" + len(packed).to_bytes(4, "little") + packed
    assert built(parts) == expected + frame(UNCOMPRESSED[300:320], UNCOMPRESSED[320:330])


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (emit_part(LayoutPart(BlockKind.FRAME, 331)), "more bytes than there are"),
        (emit_part(LayoutPart(BlockKind.BYTES, 31)), "more bytes than there are"),
        (emit_part(LayoutPart(BlockKind.PACKED, 0)) + emit_part(LayoutPart(BlockKind.FRAME, 31)), "than there are"),
        (emit_part(LayoutPart(BlockKind.PACKED, 0)) + emit_part(LayoutPart(BlockKind.FRAME, 1 << 63)), "more than"),
        (emit_part(LayoutPart(BlockKind.PACKED, 1)), "where a part belongs"),
        (emit_part(LayoutPart(BlockKind.PACKED, 0)) * 2, "does not end"),
        (emit_part(LayoutPart(BlockKind.PACKED, 0)), "does not end"),
        (emit_part(LayoutPart(BlockKind.FRAME, 1))[:-1], "more bytes than there are"),
        (b"\x04" + bytes(PART_SIZE - 1), "where a part belongs"),
        (b"\0\x10" + bytes(PART_SIZE - 2), "where a part belongs"),
        (emit_part(LayoutPart(BlockKind.FRAME, 0)), "no bytes"),
        (emit_part(LayoutPart(BlockKind.BYTES, 0)), "no bytes"),
        (emit_part(LayoutPart(BlockKind.FLUSHED, 0)), "no bytes"),
        (emit_part(LayoutPart(BlockKind.FLUSHED, 9)), "does not end"),
        (emit_part(LayoutPart(BlockKind.FLUSHED, 9)) + emit_part(LayoutPart(BlockKind.BYTES, 9)), "does not end"),
        (emit_part(LayoutPart(BlockKind.FLUSHED, 9)) + emit_part(LayoutPart(BlockKind.PACKED, 0)), "does not end"),
    ],
)
def test_what_is_no_layout(layout: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        built(layout)


@settings(deadline=None)
@given(
    st.lists(st.builds(LayoutPart, st.sampled_from(BlockKind), st.integers(1, 60), st.integers(0, 15)), max_size=12),
    st.binary(),
)
def test_any_layout_is_built_or_refused(parts: list[LayoutPart], tail: bytes) -> None:
    try:
        out = built(b"".join(map(emit_part, parts)) + tail)
    except FormatError:
        return
    assert len(out) >= len(parts)


def test_a_skippable_frame_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts may be any number, and each of them small."""
    parts = [LayoutPart(BlockKind.PACKED, 0), *[LayoutPart(BlockKind.FLUSHED, 1)] * 9, LayoutPart(BlockKind.FRAME, 1)]
    size = len(built(parts)) - 8
    monkeypatch.setattr(zstd_layout, "MAX_PACKED", size)
    built(parts)
    monkeypatch.setattr(zstd_layout, "MAX_PACKED", size - 1)
    with pytest.raises(FormatError, match="a skippable frame of more than"):
        built(parts)
