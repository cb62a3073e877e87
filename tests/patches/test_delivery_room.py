"""Parts of a delivery are at work together only as far as what they keep stays within a limit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from airpatch.execution import Cancellation
from airpatch.model.digest import Digest
from airpatch.patches.delivery_room import DeliveryPart as Part
from airpatch.patches.delivery_room import DeliveryRoom, space_needed

ONE, TWO, THREE = (Digest.of(bytes([number])) for number in (1, 2, 3))
SOURCE = Digest.of(b"source")


class Room(DeliveryRoom):
    """Counts the parts that were admitted; those that enter never wait."""

    def __init__(self, parts: Sequence[Part], limit: int, most: int = 3) -> None:
        self.admitted = 0
        self.cancellation = Cancellation()
        super().__init__(parts, limit, most, self._count, self.cancellation)

    def _count(self) -> None:
        self.admitted += 1


def test_parts_are_admitted_in_order_as_far_as_they_fit() -> None:
    room = Room([Part(ONE, 10, {ONE: 5}), Part(TWO, 10, {TWO: 5}), Part(THREE, 1, {THREE: 1})], 30)
    room.enter(ONE)
    assert room.admitted == 2
    room.leave(TWO, is_given=False)
    assert room.admitted == 3  # its blob stays
    room.enter(THREE)


def test_no_more_are_at_work_than_there_may_be() -> None:
    room = Room([Part(digest, 0, {}) for digest in (ONE, TWO, THREE)], 30, 2)
    room.enter(ONE)
    assert room.admitted == 2
    room.leave(ONE, is_given=False)
    assert room.admitted == 3


def test_a_source_of_two_parts_counts_once_and_until_it_is_given_up() -> None:
    room = Room(
        [
            Part(ONE, 0, {SOURCE: 20, ONE: 5}),
            Part(TWO, 0, {SOURCE: 20, TWO: 5}),
            Part(THREE, 1, {}),
        ],
        30,
    )
    room.enter(ONE)
    assert room.admitted == 2
    room.give_up(SOURCE)
    assert room.admitted == 3


def test_what_is_larger_than_the_limit_waits_until_it_is_alone_and_all_is_taken() -> None:
    room = Room([Part(ONE, 0, {ONE: 5}), Part(TWO, 100, {TWO: 5}), Part(THREE, 0, {})], 30)
    room.enter(ONE)
    room.leave(ONE, is_given=True)
    assert room.admitted == 1
    room.give_up(ONE)
    room.taken(ONE)
    assert room.admitted == 2
    room.enter(TWO)
    room.leave(TWO, is_given=False)
    assert room.admitted == 3


def test_whoever_waits_is_told_that_the_work_is_cancelled() -> None:
    room = Room([Part(ONE, 0, {}), Part(TWO, 100, {})], 30)
    room.enter(ONE)
    room.cancellation.cancel()
    with pytest.raises(CancelledError):
        room.enter(TWO)


@pytest.mark.parametrize(
    ("limit", "needed"),
    [
        pytest.param(0, 27, id="one at a time"),
        pytest.param(30, 30, id="the limit"),
        pytest.param(1000, 57, id="all at once"),
    ],
)
def test_the_space_that_suffices(limit: int, needed: int) -> None:
    parts = [
        Part(ONE, 10, {SOURCE: 2, ONE: 5}),
        Part(TWO, 10, {ONE: 5, TWO: 10}),
        Part(THREE, 10, {THREE: 10}),
    ]
    last = {SOURCE: 1, ONE: 1}
    assert space_needed(parts, last, limit) == needed
