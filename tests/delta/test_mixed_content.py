"""What is mixed comes back, whatever it is, and takes little where it can be known."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.mixed_content import MixedContent
from tests.delta.support import noise


@dataclass(frozen=True)
class Literal:
    data: bytes
    ahead: bytes
    offset: int


@dataclass(frozen=True)
class Copied:
    copy: bytes
    wanted: bytes
    kind: int
    address: int


def _copied(wanted: bytes, places: list[int], kind: int, address: int) -> Copied:
    copy = bytearray(wanted)
    for place in places:
        if place < len(copy):
            copy[place] ^= place + 1
    return Copied(bytes(copy), wanted, kind, address)


LITERALS = st.builds(Literal, st.binary(min_size=1, max_size=40), st.binary(max_size=40), st.integers(0, 2**40))
COPIES = st.builds(
    _copied,
    st.binary(min_size=1, max_size=100),
    st.lists(st.integers(0, 99), max_size=8),
    st.integers(0, 8),
    st.integers(0, 2**62),
)
SEGMENTS = st.lists(st.lists(LITERALS | COPIES, max_size=6), max_size=3)


def write(writer: MixedContent, content: list[Literal | Copied]) -> bytes:
    writer.write()
    for each in content:
        if isinstance(each, Literal):
            writer.literal(bytearray(each.data), each.ahead, each.offset)
        elif not writer.is_right(each.copy == each.wanted, each.kind, each.wanted):
            piece = bytearray(each.copy)
            wrong = writer.correct(piece, each.wanted, each.kind, each.address)
            assert piece == each.wanted
            assert wrong == sum(one != other for one, other in zip(each.copy, each.wanted, strict=True))
    return writer.written()


def read(reader: MixedContent, stored: bytes, content: list[Literal | Copied]) -> None:
    """Read what has the shape of `content`, which must come back."""
    reader.read(stored)
    for each in content:
        if isinstance(each, Literal):
            piece = bytearray(len(each.data))
            reader.literal(piece, each.ahead, each.offset)
            assert piece == each.data
            continue
        piece = bytearray(each.copy)
        if not reader.is_right(False, each.kind, piece):
            assert reader.correct(piece, b"", each.kind, each.address) > 0
        assert piece == each.wanted
    assert reader.used_up


@given(SEGMENTS, st.sampled_from([0, 1000, 1 << 22]))
def test_segments_come_back(segments: list[list[Literal | Copied]], size: int) -> None:
    writer, reader = MixedContent(size), MixedContent(size)
    for content in segments:
        read(reader, write(writer, content), content)


def test_what_repeats_costs_little() -> None:
    """Long enough for the ring of literals to be overwritten: it has 2**14 places for a small target."""
    phrase = noise(500, 7)
    content: list[Literal | Copied] = [Literal(phrase * 40, b"", 0)]
    stored = write(MixedContent(1), content)
    read(MixedContent(1), stored, content)
    assert len(stored) < 1500


def test_a_literal_like_the_source_costs_little() -> None:
    new = bytes(byte & 15 for byte in noise(4000, 1))
    alike = write(MixedContent(4000), [Literal(new, new, 0)])
    assert 2 * len(alike) < len(write(MixedContent(4000), [Literal(new, b"", 0)]))


def test_copies_that_are_right_cost_next_to_nothing() -> None:
    text = noise(3000, 2)
    content: list[Literal | Copied] = [Copied(text, text, 1, 0)] * 200
    stored = write(MixedContent(len(text) * 200), content)
    read(MixedContent(len(text) * 200), stored, content)
    assert len(stored) < 30


def test_packed_counters_change_nothing() -> None:
    """Few lines of counters lie packed, and more do not; the code is the same."""
    writer, reader = MixedContent(1 << 20), MixedContent(1 << 20)
    content: list[Literal | Copied] = []
    for i in range(300):
        piece = noise(40, seed=i)
        content += [Literal(piece, piece[::-1], 40 * i), _copied(piece, [3, i % 40], i % 9, 8 * i)]
    stored = write(writer, content)
    read(reader, stored, content)
    assert (len(stored), crc32(stored)) == (13236, 2320529128)
