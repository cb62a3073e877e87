"""Buffers are used again once they are given back, and only those."""

from __future__ import annotations

import pytest

from airpatch.blobs.buffers import Buffers

LARGEST = 4 << 20


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, LARGEST, LARGEST + 1])
def test_views_have_the_size_and_can_be_written(size: int) -> None:
    view = Buffers(LARGEST).take(size)
    view[:] = b"x" * size
    assert len(view) == size


def test_only_what_was_given_back_is_used_again() -> None:
    buffers = Buffers(LARGEST)
    first, second = buffers.take(LARGEST), buffers.take(LARGEST - 5)
    assert first.obj is not second.obj
    buffers.give_back(second)
    assert buffers.take(2 << 20).obj is second.obj
    assert buffers.take(2 << 20).obj not in (first.obj, second.obj)


def test_small_and_foreign_memory_is_not_kept() -> None:
    buffers = Buffers(LARGEST)
    for view in (buffers.take(9), buffers.take(LARGEST + 1), memoryview(b"foreign")):
        buffers.give_back(view)
        assert buffers.take(LARGEST).obj is not view.obj
