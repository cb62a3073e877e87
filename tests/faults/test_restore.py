"""A restore over older images that is killed or cut: each image's folder is the old one or the new one.

Faults hit at the calls of the main thread, while others fetch blobs into the hidden folder. These are samples;
`python -m tests.faults.sweep` goes through all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from tests.faults import mounts
from tests.faults.power import Power
from tests.faults.scenario import RESTORING, Lab, Restored, Scenario, judge_end, judge_instant
from tests.faults.sweep import ERROR, KILL, Fault, sweep


@pytest.mark.parametrize(("faults", "every"), [(KILL, 1), (ERROR, 5)], ids=["kill", "error"])
def test_adversary_45_47_56_at_calls_that_change_the_disk(
    lab: Lab, small: dict[str, Scenario], faults: Sequence[Fault], every: int
) -> None:
    trials, problems = sweep(lab, small["restore"], faults, every)
    assert problems == []
    assert trials > 20


def test_adversary_46_56_power_cuts_at_every_barrier_and_rename(lab: Lab, small: dict[str, Scenario]) -> None:
    disk = Power(lab, small["restore"])
    chosen = [point for point in disk.points() if point.name in ("syncfs", "renameat", "renameat2")]
    assert len(chosen) > 4
    for point in chosen:
        for kind in (mounts.NO_LOG_FLUSH, mounts.LOG_FLUSH):
            assert disk.cut_at(point, kind) == []


def test_the_judges_of_a_restore_notice_what_is_wrong(lab: Lab, small: dict[str, Scenario]) -> None:
    scenario = small["restore"]
    assert scenario.restored is not None
    lab.copy(scenario.start, lab.root)
    assert judge_instant(scenario, lab.root) == []
    (lab.root / RESTORING).mkdir()
    assert len(judge_end(scenario, lab.root)) == 2
    (lab.root / "half").write_text("an image")
    name = min(scenario.restored.old)
    wrong = Restored({**scenario.restored.old, name: {}, "gone": {}}, {**scenario.restored.new, name: {}})
    assert len(judge_instant(dataclasses.replace(scenario, restored=wrong), lab.root)) == 3
