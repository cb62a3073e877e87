"""Expanding and folding are inverse, whatever is nested in what; and what does not fit is refused."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.encoders.replicas import deflater
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.description import END, FIRST_CODING, REST, SKIP, Coding, View
from airpatch.views.expand import expand
from airpatch.views.fold import fold
from tests.delta.support import noise
from tests.views.support import LIMIT, archive, gz, text

ENCODERS = ("zlib-6", "zlib-9", "gzip-6", "go1-flate-1", "klauspost-1.18.2-5")
STREAMS = (framings.RAW, framings.GZIP, framings.ZLIB, framings.ENTRY, framings.STREAMED)


class Packed:
    """Bytes that are put together with their view."""

    def __init__(self) -> None:
        self.codings: dict[Coding, int] = {}
        self.records: list[tuple[int, int]] = []

    def begin(self, length: int, coding: Coding) -> None:
        self.records.append((length, FIRST_CODING + self.codings.setdefault(coding, len(self.codings))))

    def end(self, length: int) -> None:
        self.records.append((length, END))

    def view(self) -> View:
        return View(
            tuple(self.codings),
            bytes(action for _, action in self.records),
            array("q", [length for length, _ in self.records]),
        )


def local_header(name: bytes, fields: bytes) -> bytes:
    head = framings.LOCAL_HEADER.pack(framings.LOCAL_MAGIC, 20, 0, 8, 1, 2, 0, 0, 0, len(name), 3)
    return head[:14] + fields + head[26:] + name + b"ext"


def deflate(encoder: str, held: bytes) -> bytes:
    stream = deflater(encoder)
    return stream.feed(held) + stream.finish()


def pack(framing: str, encoder: str, held: bytes, name: bytes) -> bytes:
    """The bytes of a level of that framing."""
    packed = deflate(encoder, held)
    fields = b"".join(n.to_bytes(4, "little") for n in (zlib.crc32(held), len(packed), len(held)))
    return {
        framings.RAW: packed,
        framings.GZIP: packed + fields[:4] + fields[8:],
        framings.ZLIB: packed + zlib.adler32(held).to_bytes(4, "big"),
        framings.ENTRY: local_header(name, fields) + packed,
        framings.STREAMED: local_header(name, bytes(12)) + packed + b"PK\x07\x08" + fields,
    }[framing]


@st.composite
def nests(draw: st.DrawFn, out: Packed, depth: int) -> bytes:
    """Bytes of a level: gaps, and streams that may hold such bytes again. Its records are in `out`."""
    data = b""
    gap = 0
    for _ in range(draw(st.integers(0, 3 if depth < 3 else 0))):
        before = text(draw(st.integers(0, 40)), draw(st.integers(0, 3)))
        coding = Coding(draw(st.sampled_from(STREAMS)), draw(st.sampled_from(ENCODERS)))
        out.begin(gap + len(before), coding)
        mark = len(out.records)
        held = draw(nests(out, depth + 1))
        name = draw(st.binary(max_size=5))
        if coding.framing in (framings.ENTRY, framings.STREAMED):
            length, action = out.records[mark]
            out.records[mark] = (length + framings.LOCAL_HEADER.size - 12 + len(name) + 3, action)
        data += before + pack(coding.framing, coding.encoder, held, name)
        gap = 0
    tail = draw(st.one_of(st.binary(max_size=30), st.builds(text, st.integers(0, 3000), st.integers(0, 5))))
    out.end(gap + len(tail))
    return data + tail


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, View]:
    out = Packed()
    data = draw(nests(out, 0))
    return data, out.view()


@given(cases(), st.integers(1, 70))
@settings(deadline=None)
def test_folding_undoes_expanding(case: tuple[bytes, View], piece: int) -> None:
    data, view = case
    expanded = b"".join(expand([data], view, LIMIT))
    assert b"".join(fold([expanded], view)) == data
    pieces = (expanded[i : i + piece] for i in range(0, len(expanded), piece))
    assert b"".join(fold(pieces, view)) == data
    cut = len(data) // 3
    assert b"".join(expand([data[:cut], b"", data[cut:]], view, LIMIT)) == expanded


@given(cases(), st.data())
@settings(deadline=None)
def test_other_bytes_are_refused_or_folded_to_the_same(case: tuple[bytes, View], chance: st.DataObject) -> None:
    data, view = case
    changed = bytearray(data)
    if changed:
        changed[chance.draw(st.integers(0, len(changed) - 1))] ^= 1 << chance.draw(st.integers(0, 7))
    try:
        expanded = b"".join(expand([bytes(changed)], view, LIMIT))
    except FormatError:
        return
    folded = b"".join(fold([expanded], view))
    # Another way to deflate the same bytes is one that the encoder of the view does not know.
    assert folded == changed or b"".join(expand([folded], view, LIMIT)) == expanded


def view_of(*records: tuple[int, int], codings: tuple[Coding, ...] = (Coding("raw", "zlib-6"),)) -> View:
    return View(codings, bytes(action for _, action in records), array("q", [length for length, _ in records]))


def one_level(length: int, coding: Coding) -> View:
    return view_of((0, FIRST_CODING), (length, END), (0, END), codings=(coding,))


def test_a_source_may_leave_out_what_is_not_wanted() -> None:
    packed = deflate("zlib-6", b"held" * 10)
    view = view_of((5, SKIP), (2, FIRST_CODING), (0, REST), (1, END))
    assert b"".join(expand([b"12345ab" + packed + b"!rest"], view, LIMIT)) == b"ab" + b"held" * 10 + b"!"


def test_a_view_is_refused_where_it_gets_larger_than_told() -> None:
    view = view_of((0, FIRST_CODING), (0, REST), (0, END))
    bomb = deflate("zlib-9", bytes(50 << 20))
    pieces = expand([bomb], view, 1 << 20)
    taken: list[bytes] = []
    with pytest.raises(FormatError, match="larger than it may be"):
        taken.extend(pieces)
    assert sum(map(len, taken)) <= 1 << 20


@pytest.mark.parametrize(
    ("data", "view", "defect"),
    [
        (b"ab", view_of((3, END), codings=()), "more bytes than there are"),
        (b"ab", view_of((3, SKIP), (0, END), codings=()), "more bytes than there are"),
        (b"\xff" * 9, view_of((0, FIRST_CODING), (0, REST), (0, END)), "does not decompress"),
        (b"\x4b\x4c", view_of((0, FIRST_CODING), (0, REST), (0, END)), "cut short"),
        (deflate("zlib-6", b"xyz"), view_of((0, FIRST_CODING), (2, END), (0, END)), "goes on after its end"),
        (b"ab", view_of((0, FIRST_CODING), (0, REST), (0, END), codings=(Coding("zip-archive"),)), "all that is left"),
        (bytes(99), view_of((0, FIRST_CODING), (0, REST), (0, END), codings=(Coding("zip-entry", "zlib-6"),)), "none"),
        (bytes(99), view_of((0, FIRST_CODING), (9, END), (0, END), codings=(Coding("lzma", ""),)), "unknown framing"),
        (
            deflate("zlib-6", b"xyz") + bytes(8),
            view_of((0, FIRST_CODING), (3, END), (0, END), codings=(Coding("gzip", "zlib-6"),)),
            "another checksum",
        ),
    ],
)
def test_records_that_do_not_fit_are_refused(data: bytes, view: View, defect: str) -> None:
    with pytest.raises(FormatError, match=defect):
        list(expand([data], view, LIMIT))


@pytest.mark.parametrize(
    ("data", "view", "defect"),
    [
        (b"abc", view_of((2, END), codings=()), "fewer bytes"),
        (b"a", view_of((2, END), codings=()), "more bytes"),
        (b"abc", view_of((1, SKIP), (2, END), codings=()), "leaves something out"),
        (b"abc", one_level(3, Coding("raw", "zlib-77")), "unknown encoder"),
        (b"abc", one_level(3, Coding("rar", "zlib-6")), "unknown framing"),
        (b"abc", one_level(3, Coding("zip-archive", "x")), "takes none"),
        (b"abc", one_level(3, Coding("zip-entry", "zlib-6")), "its header"),
        (bytes(46), one_level(46, Coding("zip-directory")), "something other than entries"),
        (b"PK", one_level(2, Coding("zip-directory")), "within an entry"),
    ],
)
def test_views_that_cannot_be_folded_are_refused(data: bytes, view: View, defect: str) -> None:
    with pytest.raises(FormatError, match=defect):
        list(fold([data], view))


def test_an_entry_that_packs_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framings, "MAX_BUFFERED", 1000)
    header = local_header(b"n", b"")
    view = view_of((0, FIRST_CODING), (len(header) + 5000, END), (0, END), codings=(Coding("zip-entry", "zlib-6"),))
    with pytest.raises(FormatError, match="more than 1000"):
        list(fold([header + noise(5000, 1)], view))


@pytest.mark.parametrize("piece", [1, 7, 46, 1 << 20])
def test_a_directory_forgets_what_is_known(piece: int) -> None:
    data = archive({f"class{i}": text(300 + i, i) for i in range(9)})
    start = data.index(b"PK\x01\x02")
    size = data.index(b"PK\x05\x06") - start
    entries = {}
    expected = bytearray()
    at = 0
    while data[at : at + 4] == framings.LOCAL_MAGIC:
        entries[at] = data[at + 14 : at + 26]
        at += 30 + len("class0") + int.from_bytes(data[at + 18 : at + 22], "little")
    there = framings.Directory(entries, True)
    back = framings.Directory(entries, False)
    view = b"".join(_feed(there, data[start : start + size], piece))
    assert len(view) == size
    expected += data[start : start + size]
    for i in range(9):  # each entry has a name of six letters and nothing else
        at = i * (46 + 6)
        expected[at + 16 : at + 28] = bytes(12)
        expected[at + 42 : at + 46] = bytes(4)
    assert view == expected
    assert b"".join(_feed(back, view, piece)) == data[start : start + size]


def _feed(directory: framings.Directory, data: bytes, piece: int) -> Iterator[bytes]:
    for i in range(0, len(data), piece):
        yield directory.feed(data[i : i + piece])
    directory.finish()


def test_gzip_members_are_levels() -> None:
    data = gz(text(5000, 1), 9)
    view = view_of((10, FIRST_CODING), (5000, END), (0, END), codings=(Coding("gzip", "zlib-9"),))
    assert b"".join(expand([data], view, LIMIT)) == data[:10] + text(5000, 1)
    assert b"".join(fold([data[:10] + text(5000, 1)], view)) == data


def chunks(size: int, data: bytes, last: bytes = b"") -> bytes:
    out = b""
    for part in [*(data[at : at + size] for at in range(0, len(data), size)), *([last] if last else [])]:
        out += struct.pack(">I4s", len(part), b"IDAT") + part + zlib.crc32(b"IDAT" + part).to_bytes(4, "big")
    return out


@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
@pytest.mark.parametrize("size", [1, 7, 100, 999, 1000, 5000])
def test_chunks_of_an_image(size: int, piece: int) -> None:
    data = chunks(size, noise(1000, 1))
    view = view_of((2, FIRST_CODING), (1004, END), (3, END), codings=(Coding("png-idat"),))
    expanded = b"".join(expand([b"ab" + data + b"end"], view, LIMIT))
    assert expanded == b"ab" + min(size, 1000).to_bytes(4, "big") + noise(1000, 1) + b"end"
    assert (
        b"".join(fold((expanded[i : i + piece] for i in range(0, len(expanded), piece)), view)) == b"ab" + data + b"end"
    )


@pytest.mark.parametrize(
    ("data", "defect"),
    [
        (b"IEND" * 9, "there are none"),
        (b"", "there are none"),
        (struct.pack(">I4s", 0, b"IDAT") + bytes(9), "there are none"),
        (struct.pack(">I4s", (8 << 20) + 1, b"IDAT") + bytes(9), "there are none"),
        (chunks(9, b"abc")[:-5], "cut short"),
        (chunks(9, b"abc")[:-1] + b"!", "wrong CRC-32"),
        (chunks(3, b"abc") + chunks(3, b"defg"), "go on after"),
    ],
)
def test_chunks_that_are_none(data: bytes, defect: str) -> None:
    with pytest.raises(FormatError, match=defect):
        list(expand([data], view_of((0, FIRST_CODING), (7, END), (0, END), codings=(Coding("png-idat"),)), LIMIT))


@pytest.mark.parametrize("data", [b"\0\0\0", bytes(4), b"\xff" * 9])
def test_chunks_of_no_size_are_not_folded(data: bytes) -> None:
    with pytest.raises(FormatError, match="IDAT chunks"):
        list(fold([data], one_level(len(data), Coding("png-idat"))))
