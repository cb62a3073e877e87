"""Power cuts on ext4 (threat 46). These are samples; `python -m tests.faults.sweep power` goes through all."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults import mounts
from tests.faults.power import Power
from tests.faults.scenario import Lab, Scenario
from tests.faults.zygote import Setup


@pytest.fixture(scope="module")
def power(lab: Lab, small: dict[str, Scenario]) -> Callable[[str], Power]:
    return lambda name: Power(lab, small[name])


@pytest.mark.parametrize("name", ["full", "patch", "layers", "heal", "rollback", "prune"])
def test_adversary_46_power_cuts_at_every_barrier(power: Callable[[str], Power], name: str) -> None:
    disk = power(name)
    barriers = [point for point in disk.points() if point.name == "syncfs"]
    assert len(barriers) >= 4
    for point in barriers:
        for kind in (mounts.NO_LOG_FLUSH, mounts.LOG_FLUSH):
            assert disk.cut_at(point, kind) == []


@pytest.mark.parametrize("name", ["patch", "prune"])
def test_adversary_46_power_cuts_between_barriers(power: Callable[[str], Power], name: str) -> None:
    disk = power(name)
    chosen = [point for point in disk.points() if point.name in ("renameat", "linkat", "unlinkat")][::6]
    assert len(chosen) >= 4
    for number, point in enumerate(chosen):
        assert disk.cut_at(point, 1 + number % 2) == []


def test_adversary_46_power_cuts_at_random_moments(power: Callable[[str], Power]) -> None:
    disk = power("patch")
    longest = 1.2 * disk.duration()
    moments = random.Random(46)
    for number in range(40):
        assert disk.cut_after(moments.uniform(0, longest), 1 + number % 2) == []


def test_power_cuts_find_missing_barriers(power: Callable[[str], Power]) -> None:
    """The cuts are judged: without barriers they find tags that lead to empty files."""
    disk = power("patch")
    last = disk.points()[-1]
    assert disk.cut_at(last, mounts.LOG_FLUSH) == []
    problems = disk.cut_at(
        next(p for p in disk.points() if p.name == "unlinkat"), mounts.LOG_FLUSH, Setup(no_barriers=1)
    )
    assert problems != []
