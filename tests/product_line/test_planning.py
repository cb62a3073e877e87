"""A plan has each layer patch once, and only those that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import SourceError
from airpatch.product_line import stored_patches
from airpatch.product_line.planning import Planned, plan_line
from airpatch.product_line.release_pairs import choose_pairs
from airpatch.product_line.working import run_tasks
from airpatch.store.layer_records import LayerRecords
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import ReleaseStore
from tests.product_line.conftest import SETTINGS, add, path_of
from tests.support import execution


def plan(store: ReleaseStore, *to: str, last: int = 2) -> Planned:
    return plan_line(store, choose_pairs(store.releases(), "", to, last=last), SETTINGS, execution())


def test_what_products_share_is_planned_once(line: ReleaseStore) -> None:
    planned = plan(line, "r3")
    assert [each.layers for each in planned.pairs] == [3, 3, 3, 3]
    assert [each.missing for each in planned.pairs] == [3, 3, 3, 3]
    assert sorted(len(task.questions) for task in planned.plan.tasks) == [2, 2, 2, 4]
    assert (planned.known, planned.seconds > 0) == (0, True)
    # What both products ask of one layer has other candidates in each, but the same sources.
    done = run_tasks(line, planned.plan.tasks, SETTINGS, execution())
    assert (len(set(done.made)), len(done.made), len(done.found)) == (8, 8, 2)


def test_what_was_made_is_not_planned_again(line: ReleaseStore) -> None:
    first = plan(line, "r3")
    run_tasks(line, first.plan.tasks, SETTINGS, execution())
    again = plan(line, "r3")
    assert (again.plan.questions, again.known) == (0, first.plan.questions)
    assert [each.missing for each in again.pairs] == [0] * 4
    assert all(0 < each.bytes < each.whole for each in again.pairs)
    assert {task.target for task in plan(line, "r2", "r3").plan.tasks}.isdisjoint(t.target for t in first.plan.tasks)


def test_a_changed_release_costs_what_it_changes(line: ReleaseStore, tmp_path: Path) -> None:
    run_tasks(line, plan(line, "r3").plan.tasks, SETTINGS, execution())
    add(path_of(line), tmp_path, "amd64", 4)
    planned = plan(line, "r4", last=1)
    assert planned.plan.questions == 3


def test_the_forecast_is_near_what_comes(line: ReleaseStore) -> None:
    planned = plan(line, "r3", last=1)
    run_tasks(line, planned.plan.tasks, SETTINGS, execution())
    made = plan(line, "r3", last=1)
    for before, after in zip(planned.pairs, made.pairs, strict=True):
        assert before.whole == after.whole
        assert after.bytes / 8 < before.bytes < after.bytes * 8


def test_a_lost_record_is_planned_again(line: ReleaseStore) -> None:
    run_tasks(line, plan(line, "r3").plan.tasks, SETTINGS, execution())
    key = min(LayerRecords(line.objects).keys(stored_patches.KIND))
    line.objects.delete(f"records/{stored_patches.KIND}/{key.hex}")
    (task,) = plan(line, "r3").plan.tasks
    assert run_tasks(line, [task], SETTINGS, execution()).made == (key,)


def test_a_missing_manifest_is_named(line: ReleaseStore) -> None:
    blob = line.choose("r3", "amd64").release.blobs[-1]
    assert blob.is_manifest
    line.objects.delete(blob_name(blob.digest))
    with pytest.raises(SourceError, match=str(blob.digest)):
        plan(line, "r3")
