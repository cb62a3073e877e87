"""Faults at system calls. These are samples; `python -m tests.faults.sweep` goes through all of them."""

from __future__ import annotations

import dataclasses

import pytest

from tests.faults import strace
from tests.faults.scenario import TARGET_ERROR, Lab, Scenario
from tests.faults.sweep import CLOSE, ERROR, KILL, SIGNAL, sweep

EVERY_KILL = {"full": 6, "patch": 2, "layers": 2, "heal": 1, "rollback": 1, "prune": 1}
"""Each N-th call is enough where most calls are of one kind."""


@pytest.mark.parametrize("name", EVERY_KILL)
def test_adversary_45_killed_at_every_call_that_changes_the_disk(
    lab: Lab, small: dict[str, Scenario], name: str
) -> None:
    trials, problems = sweep(lab, small[name], KILL, EVERY_KILL[name])
    assert problems == []
    assert trials > 15


@pytest.mark.parametrize(("name", "every"), [("layers", 20), ("rollback", 3), ("prune", 9)])
def test_adversary_45_killed_on_a_root_that_demands_signatures(
    lab: Lab, signed: dict[str, Scenario], name: str, every: int
) -> None:
    trials, problems = sweep(lab, signed[name], KILL, every)
    assert problems == []
    assert trials > 5


@pytest.mark.parametrize("name", EVERY_KILL)
def test_adversary_51_sigterm_and_ctrl_c_at_calls(lab: Lab, small: dict[str, Scenario], name: str) -> None:
    trials, problems = sweep(lab, small[name], SIGNAL, 5 * EVERY_KILL[name])
    assert problems == []
    assert trials > 5


@pytest.mark.parametrize("name", EVERY_KILL)
def test_adversary_47_48_49_errors_of_calls_that_change_the_disk(
    lab: Lab, small: dict[str, Scenario], name: str
) -> None:
    trials, problems = sweep(lab, small[name], ERROR, 11 * EVERY_KILL[name])
    assert problems == []
    assert trials > 5


@pytest.mark.parametrize("name", EVERY_KILL)
def test_adversary_47_errors_of_close(lab: Lab, small: dict[str, Scenario], name: str) -> None:
    trials, problems = sweep(lab, small[name], CLOSE, 13 * EVERY_KILL[name])
    assert problems == []
    assert trials > 1


def test_adversary_47_a_failed_barrier_is_not_tried_again(lab: Lab, small: dict[str, Scenario]) -> None:
    scenario = small["patch"]
    barriers = [point for point in lab.points(scenario) if point.name == "syncfs"]
    assert len(barriers) > 4
    for point in barriers:
        lab.copy(scenario.start, lab.root)
        ended = strace.inject(lab.zygote, lab.argv(scenario), point, "error=EIO", lab.folder)
        assert ended.code == TARGET_ERROR
        assert "Input/output error" in ended.output
        calls = [line for line in (lab.folder / "trace").read_text().splitlines() if line.startswith("syncfs")]
        assert len(calls) == point.number
        assert "INJECTED" in calls[-1]


def test_a_sweep_notices_what_is_wrong(lab: Lab, small: dict[str, Scenario]) -> None:
    """The judges are judged: a run that gives up at the first link is not mistaken for one that was done."""
    scenario = small["patch"]
    point = next(point for point in lab.points(scenario) if point.name == "renameat")
    problems = lab.trial(scenario, point, "signal=SIGKILL", codes=(0,))
    assert any("exit code -9" in problem for problem in problems)
    wrong = {name: digest[::-1] for name, digest in scenario.new.items()}
    problems = lab.trial(dataclasses.replace(scenario, old=wrong, new=wrong), point, "signal=SIGKILL")
    assert any("neither the old nor the new one" in problem for problem in problems)
