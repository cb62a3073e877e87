"""Decisions that are taken over are those that a search makes."""

from __future__ import annotations

import random
import zlib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.deflate.first_member import first_member_tokens
from airpatch.encoders.precedent import Precedent
from airpatch.encoders.replicas import deflater, flushed_names, other_names, replica, usual_names
from airpatch.errors import FormatError
from tests.encoders.support import COMPILED, deflate

HEEDING = [name for name in (*usual_names(), *other_names(), *flushed_names()) if replica(name).heed is not None]
LEVELS = ["go1-flate-4", "zlib-4", "gzip-6"]
if COMPILED:  # else most of an hour passes
    LEVELS += ["go1-flate-6", "go1-flate-9", "zlib-6", "zlib-9", "zlib-6-mem1", "gzip-9"]
HEADER = b"\x1f\x8b\x08" + bytes(7)
BLOCK, WINDOW = 512, 1 << 15


def words(size: int, seed: int) -> bytes:
    """Text whose matches reach anywhere into the window."""
    generator = random.Random(seed)
    parts = [bytes(generator.choices(b"etaoin shrdlu\n", k=generator.randrange(2, 40))) for _ in range(400)]
    text = b"".join(generator.choices(parts, k=size // 20 + 1))
    return (text * (size // len(text) + 1))[:size]


def following(name: str, new: bytes, old: bytes, stream: bytes, piece: int = 1 << 16) -> bytes:
    """What the replica makes of `new`, with the precedent of the `stream` of `old`."""
    precedent = Precedent(memoryview(old), first_member_tokens([HEADER, stream]))
    encoder = deflater(name, None, precedent)
    parts = [encoder.feed(new[at : at + piece]) for at in range(0, len(new), piece)]
    return b"".join(parts) + encoder.finish()


OLD = words(300_000 if COMPILED else 70_000, 1)


@cache
def written(name: str) -> bytes:
    """The stream of `OLD`."""
    return deflate(name, OLD)


def test_lazy_levels_of_two_families_take_decisions_over() -> None:
    assert set(LEVELS) < set(HEEDING)
    assert not {"go1-flate-1", "go1-flate-3", "zlib-1", "pigz-6", "klauspost-1.18.2-5"} & set(HEEDING)


@pytest.mark.parametrize("name", LEVELS)
@settings(max_examples=12 if COMPILED else 1, deadline=None)
@given(data=st.data())
def test_edits(name: str, data: st.DataObject) -> None:
    """Blocks are changed, put in, taken out, moved; the output is that of a search."""
    blocks = [OLD[at : at + BLOCK] for at in range(0, len(OLD), BLOCK)]
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(blocks) - 1))
        match data.draw(st.sampled_from(["change", "insert", "delete", "move"])):
            case "change":
                blocks[at] = bytes([*blocks[at][:-1], 33])
            case "insert":
                blocks[at:at] = [words(BLOCK, data.draw(st.integers(2, 9)))] * data.draw(st.integers(1, 70))
            case "delete":
                del blocks[at : at + data.draw(st.integers(1, 70))]
                blocks = blocks or [b"x"]
            case "move":
                part = blocks[at : at + 150]
                del blocks[at : at + 150]
                blocks[:0] = part
    new = b"".join(blocks)
    piece = data.draw(st.sampled_from([1 << 16, 1 << 20, 5000]))
    assert following(name, new, OLD, written(name), piece) == deflate(name, new)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("shift", [0, 512, WINDOW, WINDOW + 512, 5 * 512])
def test_wherever_the_windows_move(name: str, shift: int) -> None:
    new = words(shift, 3) + OLD
    assert following(name, new, OLD, written(name)) == deflate(name, new)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("period", [WINDOW - 200, WINDOW - 5, WINDOW])
def test_matches_that_only_one_window_reaches(name: str, period: int) -> None:
    """What repeats from so far away is seen, or not, by where the window has moved."""
    old = (words(period, 6) * 4)[: 4 * WINDOW if COMPILED else 2 * WINDOW + BLOCK]
    new = words(BLOCK, 7) + old
    assert following(name, new, old, deflate(name, old)) == deflate(name, new)


@pytest.mark.parametrize(("name", "other"), [("go1-flate-6", "zlib-9"), ("zlib-6", "go1-flate-9")])
def test_nothing_is_searched_where_it_can_be_taken_over(name: str, other: str) -> None:
    """Tokens of another encoder show: the stream is another, and holds the same."""
    out = following(name, OLD, OLD, written(other))
    assert out != deflate(name, OLD)
    assert zlib.decompress(out, -15) == OLD


def test_stored_blocks_have_no_tokens() -> None:
    noise = random.Random(4).randbytes(100_000 if COMPILED else 40_000)
    old = OLD[: 80 * BLOCK] + noise[: len(noise) // BLOCK * BLOCK] + OLD
    new = words(7 * BLOCK, 5) + old
    for name in ("go1-flate-6", "zlib-6"):
        assert following(name, new, old, deflate(name, old)) == deflate(name, new)


def test_how_much_follows() -> None:
    precedent = Precedent(memoryview(OLD), iter(()))
    precedent.take(memoryview(OLD))
    assert precedent.followed() == len(OLD) - WINDOW
    precedent.take(memoryview(words(len(OLD), 9)))
    assert precedent.followed() == len(OLD) - WINDOW


@pytest.mark.skipif(not COMPILED, reason="takes a minute")
def test_memory_is_given_back_while_the_content_is_indexed() -> None:
    calls: list[None] = []
    Precedent(memoryview(bytes(80 << 20)), iter(()), lambda: calls.append(None))
    assert len(calls) == 3


@pytest.mark.parametrize("content", [b"", b"x", bytes(100_000)])
def test_little_and_uniform_content(content: bytes) -> None:
    for new in (b"", b"x", bytes(100_000), OLD):
        assert following("zlib-6", new, content, deflate("zlib-6", content)) == deflate("zlib-6", new)


def test_other_encoders_refuse() -> None:
    with pytest.raises(FormatError, match="takes no decisions over"):
        deflater("zlib-1", None, Precedent(memoryview(b""), iter(())))


def test_a_broken_source_is_an_error() -> None:
    with pytest.raises(FormatError, match="cut short"):
        following("zlib-6", OLD, OLD, written("zlib-6")[:2000])
