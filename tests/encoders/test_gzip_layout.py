"""Layouts of gzip files of several members: what is built out of them, and what is refused."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.deflate.layout_column import HEADER_LIMIT
from airpatch.encoders.gzip_layout import PART_SIZE, MemberKind, MemberPart, build, emit_part
from airpatch.encoders.layout_streams import Read
from airpatch.errors import FormatError
from tests.layers.support import GZIP_HEADER, NAMED_HEADER, replica

PLAIN, FLUSHED = "zlib-6", "zlib-6-flushed"
UNCOMPRESSED = b"something, " * 30
REST = GZIP_HEADER + NAMED_HEADER + b"what stands between the members"
HEADER = MemberPart(MemberKind.HEADER, len(GZIP_HEADER))


def reads(layout: bytes, content: bytes, rest: bytes) -> tuple[Read, Read, Read]:
    return io.BytesIO(layout).read, io.BytesIO(content).read, io.BytesIO(rest).read


def built(
    layout: bytes | Sequence[MemberPart],
    uncompressed: bytes = UNCOMPRESSED,
    rest: bytes = REST,
    encoder: str = FLUSHED,
) -> bytes:
    data = layout if isinstance(layout, bytes) else b"".join(map(emit_part, layout))
    return b"".join(build(encoder, *reads(data, uncompressed, rest)))


def test_every_kind_of_part() -> None:
    parts = [
        HEADER,
        MemberPart(MemberKind.MEMBER, 100),
        MemberPart(MemberKind.UNFLUSHED, 50),
        MemberPart(MemberKind.HEADER, len(NAMED_HEADER)),
        MemberPart(MemberKind.BYTES, 4),
        MemberPart(MemberKind.MEMBER, 180),
    ]
    named = replica(FLUSHED, NAMED_HEADER)
    expected = replica(FLUSHED)(UNCOMPRESSED[:100]) + replica(PLAIN)(UNCOMPRESSED[100:150])
    assert built(parts) == expected + b"what" + named(UNCOMPRESSED[150:])


def test_a_pool_does_not_matter() -> None:
    content = UNCOMPRESSED * 4000
    layout = b"".join(map(emit_part, (HEADER, MemberPart(MemberKind.MEMBER, len(content)))))

    def made(pool: ThreadPoolExecutor | None) -> bytes:
        return b"".join(build("pigz-1", *reads(layout, content, REST), pool))

    with ThreadPoolExecutor(2) as pool:
        assert made(pool) == made(None)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=5))
def test_content_is_that_of_all_members(members: list[tuple[int, bool]]) -> None:
    kinds = (MemberKind.MEMBER, MemberKind.UNFLUSHED)
    file = built([HEADER, *(MemberPart(kinds[is_plain], size) for size, is_plain in members)])
    assert gzip.decompress(file) == UNCOMPRESSED[: sum(size for size, _ in members)]


MEMBER = emit_part(MemberPart(MemberKind.MEMBER, 10))


@pytest.mark.parametrize(
    "layout",
    [
        MEMBER,
        emit_part(HEADER) + MEMBER[:-1],
        emit_part(HEADER) + b"\4" + MEMBER[1:],
        emit_part(HEADER) + bytes(PART_SIZE),
        emit_part(HEADER) + emit_part(MemberPart(MemberKind.MEMBER, len(UNCOMPRESSED) + 1)),
        emit_part(MemberPart(MemberKind.BYTES, len(REST) + 1)),
        emit_part(MemberPart(MemberKind.HEADER, HEADER_LIMIT + 1)),
    ],
    ids=["no header", "cut", "kind", "empty", "more content", "more bytes", "long header"],
)
def test_what_is_wrong_is_refused(layout: bytes) -> None:
    with pytest.raises(FormatError, match="a layout"):
        built(
            layout, rest=REST if layout[0] != MemberKind.HEADER or len(layout) > PART_SIZE else bytes(HEADER_LIMIT + 1)
        )


@pytest.mark.parametrize("encoder", [PLAIN, "zlib-10-flushed", "pigz-6-flushed"])
def test_a_member_that_was_not_flushed_is_of_a_flushed_encoder(encoder: str) -> None:
    with pytest.raises(FormatError):
        built([HEADER, MemberPart(MemberKind.UNFLUSHED, 10), MemberPart(MemberKind.MEMBER, 10)], encoder=encoder)


@pytest.mark.parametrize("encoder", ["zlib-10", "zlib-6-flushed-flushed", "-flushed"])
def test_an_unknown_encoder_is_refused_even_if_it_makes_nothing(encoder: str) -> None:
    for parts in ([], [MemberPart(MemberKind.BYTES, 4)], [HEADER, MemberPart(MemberKind.UNFLUSHED, 10)]):
        with pytest.raises(FormatError, match="unknown encoder"):
            built(parts, encoder=encoder)


def test_each_part_counts_as_steps() -> None:
    def steps(*parts: MemberPart) -> int:
        told: list[int] = []
        layout = b"".join(map(emit_part, (HEADER, *parts)))
        assert list(build(PLAIN, *reads(layout, UNCOMPRESSED, REST), search=told.append))
        return sum(told)

    many = steps(*[MemberPart(MemberKind.MEMBER, 1)] * 100)
    assert many > 50 * steps(MemberPart(MemberKind.MEMBER, 100))
