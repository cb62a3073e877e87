"""Samples are those of their definition, however the stream is cut."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.gear import WORDS
from airpatch.sketches import samples
from airpatch.sketches.samples import MINIMA, SMALL, SPACING, WINDOW, Sampler
from tests.delta.support import noise


def sampled(*pieces: bytes | bytearray | memoryview) -> list[int]:
    sampler = Sampler()
    for piece in pieces:
        sampler.feed(piece)
    return list(sampler.finish())


def defined(data: bytes) -> list[int]:
    """The samples by their definition."""
    hashes = []
    for end in range(min(WINDOW, len(data)), len(data) + 1):
        h = 0
        window = data[max(end - WINDOW, 0) : end]
        for byte in window:
            h = (4 * h + WORDS[byte]) % 2**64
        if len(set(window)) > 1 or len(data) < WINDOW:
            hashes.append(h)
    if not data:
        return []
    least = sorted(set(hashes))[: min(-(-len(data) // SMALL), MINIMA)]
    return sorted({*least, *(h for h in hashes if h < 2**64 // SPACING and len(data) >= WINDOW)})


STREAMS = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda seed, size: noise(size, seed), st.integers(1, 1000), st.integers(0, 20_000)),
    st.builds(lambda unit, count: unit * count, st.binary(min_size=1, max_size=40), st.integers(1, 300)),
)


@given(STREAMS, st.lists(st.integers(0, 20_000), max_size=4))
def test_samples_are_those_of_the_definition_however_the_stream_is_cut(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(places)]
    assert sampled(*pieces) == defined(data)


def test_the_same_on_every_platform() -> None:
    assert sampled(b"airpatch") == [9088197726517487905]
    assert sampled(bytes(31)) != sampled(bytes(32)) == sampled(bytes(100_000)) == []
    assert sampled(noise(3000, 1)) == [6146697003870037, 10444491610002713, 21423132109192864]


def test_as_many_as_there_is_content() -> None:
    assert 0.8 < len(sampled(noise(1 << 21, 1))) / (2**21 / SPACING) < 1.2
    assert [len(sampled(noise(size, 1))) for size in (10, 1024, 1025, 3000, 100_000)][:4] == [1, 1, 2, 3]


def test_a_change_leaves_all_samples_but_those_around_it() -> None:
    data = noise(1 << 20, 3)
    moved = b"new" + data[: 1 << 19] + b"!" + data[(1 << 19) + 20 :]
    common = set(sampled(data)) & set(sampled(moved))
    assert len(common) >= len(sampled(data)) - 1


def test_periods_give_few_samples_however_long_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that is a sample, over and over again: its samples are looked for twins now and then."""
    monkeypatch.setattr(samples, "_MANY", 4)
    data = noise(1 << 16, 5)
    below = next(h for h in sampled(data) if h < 2**64 // SPACING)
    unit = next(data[at : at + 64] for at in range(0, len(data), 32) if below in defined(data[at : at + 64]))
    assert sampled(unit * 1000) == sampled(*[unit] * 1000) == defined(unit * 128)


def test_it_takes_any_buffer() -> None:
    data = noise(5000, 1)
    assert sampled(data) == sampled(bytearray(data)) == sampled(memoryview(array("B", data)))
