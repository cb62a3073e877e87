"""How work is done: threads, parts that follow each other, and cancellation from the outside in."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError

import pytest

from airpatch.execution import Cancellation, Execution
from tests.support import Recorder


def test_a_thread_for_each_processor_unless_the_caller_says_how_many() -> None:
    assert Execution().threads == len(os.sched_getaffinity(0))
    assert Execution(jobs=3).threads == 3


def test_a_part_ends_whatever_happens_in_it() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="wrong"), Execution(progress=recorder).part("work", 10):
        raise ValueError("wrong")
    with Execution(progress=recorder).part("more work", 5) as part:
        part.advance(5)
    assert [(each.label, each.total, each.done) for each in recorder.parts] == [("work", 10, 0), ("more work", 5, 5)]


def test_cancellation_reaches_inner_work_and_not_the_other_way_round() -> None:
    outer = Execution()
    inner = outer.task()
    other = outer.task()
    inner.cancellation.cancel()
    assert (outer.cancellation.is_cancelled, other.cancellation.is_cancelled) == (False, False)
    outer.cancellation.cancel()
    assert other.cancellation.is_cancelled


def test_cancelled_work_stops_at_its_next_move() -> None:
    cancellation = Cancellation()
    with Execution(cancellation=cancellation).part("work", 10) as part:
        part.advance(1)
        cancellation.cancel()
        with pytest.raises(CancelledError):
            part.advance(1)


def test_nobody_makes_scratch_files_before_somebody_said_where() -> None:
    with pytest.raises(RuntimeError, match="no folder for scratch files"):
        Execution().scratch()
