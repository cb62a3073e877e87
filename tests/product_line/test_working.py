"""Tasks are tried three times; one that fails does not keep others from being done, nor do other workers."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest

from airpatch.execution import Execution
from airpatch.product_line import working
from airpatch.product_line.line_plan import LinePlan
from airpatch.product_line.patch_tasks import TaskResult
from airpatch.product_line.planning import plan_line
from airpatch.product_line.release_pairs import choose_pairs
from airpatch.product_line.working import ATTEMPTS, run_tasks
from airpatch.store.layer_records import MOST, LayerRecords, emit_record, parse_record
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import ReleaseStore
from airpatch.worker_pool import worker_pool
from tests.product_line.conftest import SETTINGS
from tests.support import Recorder, execution


@pytest.fixture
def plan(line: ReleaseStore) -> LinePlan:
    return plan_line(line, choose_pairs(line.releases(), "", ["r3"], last=2), SETTINGS, execution()).plan


def patches(store: ReleaseStore) -> dict[str, bytes]:
    return {each.name: store.objects.get(each.name, 1 << 20) or b"" for each in store.objects.list("records/patches")}


def test_a_damaged_layer_is_named_and_the_others_are_done(line: ReleaseStore, plan: LinePlan) -> None:
    bad = plan.tasks[1]
    line.objects.put(blob_name(bad.target), bytes(bad.size))
    progress = Recorder()
    done = run_tasks(line, plan.tasks, SETTINGS, execution(2, progress))
    ((target, message),) = [(each.target, each.message) for each in done.failed]
    assert target == bad.target
    assert f"content of {bad.target} has the digest" in message
    assert len(done.made) + len(done.found) == plan.questions - len(bad.questions)


def test_a_task_is_tried_three_times(line: ReleaseStore, plan: LinePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def run_task(*arguments: object) -> TaskResult:
        tried.append(arguments[1])
        if len(tried) < ATTEMPTS:
            raise OSError("no luck")
        return TaskResult()

    monkeypatch.setattr(working, "run_task", run_task)
    assert run_tasks(line, plan.tasks[:1], SETTINGS, execution()).failed == ()
    assert tried == [plan.tasks[0]] * ATTEMPTS


def test_an_internal_error_is_raised_after_the_others_are_done(
    line: ReleaseStore, plan: LinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def run_task(*arguments: object) -> TaskResult:
        tried.append(arguments[1])
        if arguments[1] is plan.tasks[0]:
            raise KeyError("a defect")
        return TaskResult()

    monkeypatch.setattr(working, "run_task", run_task)
    with pytest.raises(KeyError, match="a defect"):
        run_tasks(line, plan.tasks, SETTINGS, execution(1))
    assert tried == list(plan.tasks)


def test_work_that_is_cancelled_ends(line: ReleaseStore, plan: LinePlan) -> None:
    work = execution()
    work.cancellation.cancel()
    with pytest.raises(CancelledError):
        run_tasks(line, plan.tasks, SETTINGS, work)
    assert patches(line) == {}


def test_workers_that_do_the_same_at_once_publish_once(line: ReleaseStore, plan: LinePlan) -> None:
    def work(jobs: int) -> working.LineWork:
        return run_tasks(line, plan.tasks, SETTINGS, replace(execution(jobs), cancellation=Execution().cancellation))

    with worker_pool(2) as pool:
        results = list(pool.map(work, (1, 2)))
    assert [each.failed for each in results] == [(), ()]
    assert len(patches(line)) == 8
    assert run_tasks(line, plan.tasks, SETTINGS, execution()).made == ()


def test_the_memory_of_a_worker_changes_no_byte(line: ReleaseStore, plan: LinePlan) -> None:
    run_tasks(line, plan.tasks, SETTINGS, execution(memory=256 << 20))
    first = patches(line)
    for name in first:
        line.objects.delete(name)
    run_tasks(line, plan.tasks, SETTINGS, execution(1, memory=4 << 30))
    assert patches(line) == first


def test_what_is_announced_is_done(line: ReleaseStore, plan: LinePlan) -> None:
    progress = Recorder()
    run_tasks(line, plan.tasks, SETTINGS, execution(2, progress))
    assert progress.adds_up
    assert [part.done for part in progress.parts] == [plan.work]


def test_a_patch_that_lost_its_blob_is_planned_and_made_again(line: ReleaseStore, plan: LinePlan) -> None:
    run_tasks(line, plan.tasks, SETTINGS, execution())
    users = Counter(blob for _, head in LayerRecords(line.objects).heads() if head for blob in head.blobs)
    lost, size = next(blob for blob, count in users.items() if count == 1)
    line.objects.delete(blob_name(lost))
    again = plan_line(line, choose_pairs(line.releases(), "", ["r3"], last=2), SETTINGS, execution()).plan
    assert again.questions  # more than one, where their answers are the same patch
    assert len(run_tasks(line, again.tasks, SETTINGS, execution()).made) == 1
    assert line.content.size(lost) == size


@pytest.mark.parametrize("kind", ["choices", "patches"])
def test_records_that_are_not_right_are_planned_and_made_again(line: ReleaseStore, plan: LinePlan, kind: str) -> None:
    run_tasks(line, plan.tasks, SETTINGS, execution())
    first = {each.name: line.objects.get(each.name, MOST) for each in line.objects.list(f"records/{kind}")}
    one, other, *_ = (parse_record(content or b"") for content in first.values())
    for wrong in (replace(one, value=[1]), replace(one, of=(*other.of, *other.of)), replace(one, of=())):
        line.objects.put(min(first), emit_record(wrong))
        again = plan_line(line, choose_pairs(line.releases(), "", ["r3"], last=2), SETTINGS, execution()).plan
        assert again.questions
        assert run_tasks(line, again.tasks, SETTINGS, execution()).failed == ()
        assert {name: line.objects.get(name, MOST) for name in first} == first
