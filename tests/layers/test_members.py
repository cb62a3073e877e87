"""gzip blobs of several members are taken apart so that they can be put together again, and their encoder is found."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.blobs.content import PIECE, BytesBlob
from airpatch.deflate.layout_column import HEADER_LIMIT
from airpatch.encoders.gzip_layout import MemberKind, build, emit_part
from airpatch.errors import FormatError
from airpatch.layers.compression import extract
from airpatch.layers.members import encoders_of_members, split
from tests.delta.support import noise
from tests.layers.support import GZIP_HEADER, NAMED_HEADER, replica, text

FLUSHED = "zlib-6-flushed"
UNCOMPRESSED = text(20_000, 1)
EMPTY = gzip.compress(b"")


def taken_apart(
    file: bytes, encoder: str = FLUSHED, limit: int = 1 << 30
) -> tuple[list[tuple[MemberKind, int]], bytes]:
    parts = list(split(BytesBlob(file), len(file), limit, encoder))
    return [(part.kind, part.size) for part, _ in parts], b"".join(rest for _, rest in parts)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    out = bytearray()
    for number in range(draw(st.integers(1, 6))):
        encoder = draw(st.sampled_from((FLUSHED, "zlib-6")))
        header = draw(st.sampled_from((GZIP_HEADER, NAMED_HEADER)))
        size = draw(st.integers(0, 3000))
        out += replica(encoder, header)(UNCOMPRESSED[number * 3000 :][:size])
    return bytes(out) + draw(st.sampled_from((b"", GZIP_HEADER[:9], b"\0" * 512, b"no member at all")))


@settings(max_examples=40, deadline=None)
@given(files())
def test_taken_apart_and_put_together(file: bytes) -> None:
    content: list[bytes] = []
    extract(BytesBlob(file), len(file), content.append, 1 << 30)
    parts = list(split(BytesBlob(file), len(file), 1 << 30, FLUSHED))
    layout, rest = (b"".join(each) for each in zip(*((emit_part(part), data) for part, data in parts), strict=True))
    streams = [io.BytesIO(each).read for each in (layout, b"".join(content), rest)]
    assert b"".join(build(FLUSHED, streams[0], streams[1], streams[2])) == file


def test_what_has_no_content_is_bytes_of_the_rest() -> None:
    tail = noise(PIECE + 5, 1)
    member = replica("zlib-6")(UNCOMPRESSED)
    parts, rest = taken_apart(EMPTY + member + EMPTY + member + tail, "zlib-6")
    kinds = MemberKind
    size = len(UNCOMPRESSED)
    assert parts == [
        (kinds.BYTES, len(EMPTY)),
        (kinds.HEADER, 10),
        (kinds.MEMBER, size),
        (kinds.BYTES, len(EMPTY)),
        (kinds.MEMBER, size),
        (kinds.BYTES, PIECE),
        (kinds.BYTES, 5),
    ]
    assert rest == EMPTY + GZIP_HEADER + EMPTY + tail


def test_a_flush_counts_where_the_encoder_is_named_after_it() -> None:
    file = replica(FLUSHED)(UNCOMPRESSED) + replica("zlib-6")(UNCOMPRESSED)
    kinds = [[kind for kind, _ in taken_apart(file, encoder)[0]] for encoder in (FLUSHED, "zlib-6")]
    assert kinds == [[MemberKind.HEADER, MemberKind.MEMBER, last] for last in (MemberKind.UNFLUSHED, MemberKind.MEMBER)]


class Counting(BytesBlob):
    """Adds up the bytes that are read."""

    read = 0

    def read_into(self, view: memoryview, offset: int) -> None:
        self.read += len(view)
        super().read_into(view, offset)


@pytest.mark.parametrize("name", [b"", b"n" * 600, b"n" * 5000])
def test_headers_are_read_only_as_far_as_they_go(name: bytes) -> None:
    header = GZIP_HEADER[:3] + b"\x08" + GZIP_HEADER[4:] + name + b"\0"
    file = replica("zlib-6", header)(b"short") * 50
    reader = Counting(file)
    assert len(list(split(reader, len(file), 1 << 30, "zlib-6"))) == 51
    assert reader.read < 50 * 60_000


def test_a_header_of_the_greatest_size_is_taken_apart() -> None:
    header = NAMED_HEADER[:10] + b"n" * (HEADER_LIMIT - 11) + b"\0"
    member = replica("zlib-6", header)(UNCOMPRESSED)
    kinds = MemberKind
    assert taken_apart(member)[0] == [(kinds.HEADER, HEADER_LIMIT), (kinds.UNFLUSHED, len(UNCOMPRESSED))]
    with pytest.raises(FormatError, match="cut short"):
        taken_apart(member[: HEADER_LIMIT - 1])


MEMBER = replica("zlib-6")(UNCOMPRESSED)


@pytest.mark.parametrize(
    "file",
    [
        b"no gzip file",
        MEMBER[:-1],
        MEMBER[:300],
        MEMBER[:-8] + bytes(8),
        GZIP_HEADER + b"\x07" + bytes(20),
        MEMBER + MEMBER[:-1],
        GZIP_HEADER[:3] + b"\x08" + GZIP_HEADER[4:] + b"endless",
    ],
    ids=["none", "trailer", "cut", "sums", "block", "second", "header"],
)
def test_what_is_no_gzip_file_is_refused(file: bytes) -> None:
    with pytest.raises(FormatError):
        taken_apart(file)


def test_adversary_36_no_more_content_than_it_may_have() -> None:
    assert taken_apart(MEMBER * 2, limit=2 * len(UNCOMPRESSED))
    with pytest.raises(FormatError, match="more uncompressed bytes"):
        taken_apart(MEMBER * 2, limit=2 * len(UNCOMPRESSED) - 1)


@pytest.mark.parametrize(
    "name",
    [
        "zlib-9",
        "go1-flate-9",
        "go1-flate-9-flushed",
        "klauspost-1.18.2-6",
        "gzip-6",
        "pgzip/klauspost-1.18.2-5",
        "pigz-6",
    ],
)
def test_the_encoder_of_members_is_found(name: str) -> None:
    encode = replica(name)
    file = b"".join(encode(UNCOMPRESSED[at : at + 5000]) for at in range(0, 20_000, 5000))
    assert name in (encoders_of_members(file) or ())
    assert name in (encoders_of_members(file[: len(file) * 3 // 4]) or ())


def test_some_that_were_flushed_name_the_encoder() -> None:
    file = replica("go1-flate-9-flushed")(UNCOMPRESSED) + replica("go1-flate-9")(UNCOMPRESSED)
    assert "go1-flate-9-flushed" in (encoders_of_members(file) or ())


@pytest.mark.parametrize("file", [MEMBER, MEMBER + b"a tail that is long", MEMBER[:100], b"no gzip file"])
def test_one_member_is_none_of_several(file: bytes) -> None:
    assert encoders_of_members(file) is None


def test_members_of_no_known_encoder() -> None:
    assert encoders_of_members(replica("zlib-6")(UNCOMPRESSED) + replica("zlib-1")(UNCOMPRESSED[:9000])) == []
