"""Stretches that resemble a source only faintly are covered, others are not, and nothing else is lost or moved."""

from __future__ import annotations

import pytest

from airpatch.delta.faint_covers import resembles, with_faint
from airpatch.delta.olds import Cover
from airpatch.delta.source_space import Space
from tests.delta.support import delta, noise, rebuild, tar

SIZE = 12_000


def floats(seed: int, further: int = 0) -> bytes:
    """Numbers of 4 bytes, the lowest one first; those trained `further` have other low halves."""
    high, low = noise(SIZE // 2, seed), noise(SIZE // 2, seed + 1000 * (further + 1))
    return b"".join(low[at : at + 2] + high[at : at + 2] for at in range(0, SIZE // 2, 2))


OLD, NEW = floats(1), floats(1, further=1)


def filled(covers: list[Cover], target: bytes, source: bytes, *diagonals: int) -> list[Cover]:
    space = Space.of([source])
    return list(with_faint(covers, memoryview(target), 0, len(target), diagonals, space.slice))


def test_numbers_whose_high_bytes_are_the_same_resemble_each_other() -> None:
    assert resembles(memoryview(NEW), memoryview(OLD))
    assert not resembles(memoryview(NEW), memoryview(floats(2)))


def test_a_short_stretch_resembles_nothing() -> None:
    assert not resembles(memoryview(NEW)[:4000], memoryview(OLD)[:4000])


def test_what_packs_closer_alone_resembles_nothing() -> None:
    assert not resembles(memoryview(bytes(SIZE)), memoryview(OLD))


def test_a_stretch_without_neighbours_lies_on_the_diagonal_that_was_told() -> None:
    assert filled([], NEW, bytes(40) + OLD, 0, 40) == [(0, 40, SIZE)]
    assert filled([], NEW, bytes(40) + OLD, 0) == []


@pytest.mark.parametrize("shift", [0, 40])
def test_a_stretch_lies_on_the_diagonal_of_a_neighbour(shift: int) -> None:
    head = noise(100, 5)
    first, last = (0, shift, 100), (100 + SIZE, 100 + SIZE + shift, 100)
    target, source = head + NEW + head, bytes(shift) + head + OLD + head
    between = (100, 100 + shift, SIZE)
    assert filled([first, last], target, source) == [first, between, last]
    last = (SIZE, SIZE + shift, 100)
    assert filled([last], target[100:], source[100:]) == [(0, shift, SIZE), last]


def test_no_cover_leaves_its_source() -> None:
    assert filled([], NEW, OLD, 4, -4) == []


def test_a_model_that_was_trained_further_costs_what_changed() -> None:
    old, new = (tar({"model": b"%d numbers" % size + content}) for size, content in ((9, OLD), (10, NEW)))
    made = delta(new, [old])
    assert rebuild(made, [old]) == new
    assert len(made) < 0.6 * SIZE


def test_one_tensor_that_was_trained_further() -> None:
    same = noise(200_000, 7)
    old, new = (tar({"model": same + content + same[::-1]}) for content in (OLD, NEW))
    made = delta(new, [old])
    assert rebuild(made, [old]) == new
    assert len(made) < 0.6 * SIZE
