"""Runs the tasks of a plan: each is tried three times, and what fails does not keep the others from being done."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

from airpatch.errors import AirpatchError
from airpatch.execution import Execution
from airpatch.layers.budget import Budget
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.product_line.patch_tasks import PatchTask, TaskResult, run_task
from airpatch.product_line.source_questions import PatchSettings
from airpatch.progress import ProgressPart
from airpatch.store.release_store import ReleaseStore
from airpatch.worker_pool import worker_pool

ATTEMPTS = 3
_LOG = logger(__name__)


@dataclass(frozen=True, slots=True)
class FailedTask:
    """The layer whose patches could not be made, and why."""

    target: Digest
    message: str


@dataclass(frozen=True, slots=True)
class LineWork:
    """What was done: patches that were `made`, those that somebody else had made, and what failed."""

    made: tuple[Digest, ...]
    found: tuple[Digest, ...]
    failed: tuple[FailedTask, ...]


TaskOutcome = TaskResult | FailedTask | Exception
"""What came of a task; an exception is an internal error."""


def run_tasks(
    store: ReleaseStore, tasks: Sequence[PatchTask], settings: PatchSettings, execution: Execution
) -> LineWork:
    """Run `tasks` on the threads of `execution`, within its memory.

    Raises TargetError if `store` cannot be written to, or ignores the condition of a write; after all tasks, an
    internal error of one.
    """
    store.objects.require_conditions()
    execution = execution.task()
    budget = Budget(execution.memory)
    with (
        execution.part("making layer patches", sum(task.work for task in tasks)) as part,
        worker_pool(execution.threads, execution.cancellation) as pool,
    ):

        def run(task: PatchTask) -> TaskOutcome:
            try:
                return attempt(store, task, settings, execution, budget, part)
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - a defect of airpatch, which must not keep the others from going on
                return error

        done = list(pool.map(run, tasks))
    return line_work(done)


def line_work(done: Sequence[TaskOutcome]) -> LineWork:
    """Return what came of all tasks. Raises the first internal error among it."""
    for each in done:
        if isinstance(each, Exception):
            raise each
    return LineWork(
        tuple(key for each in done if isinstance(each, TaskResult) for key in each.made),
        tuple(key for each in done if isinstance(each, TaskResult) for key in each.found),
        tuple(each for each in done if isinstance(each, FailedTask)),
    )


def attempt(
    store: ReleaseStore,
    task: PatchTask,
    settings: PatchSettings,
    execution: Execution,
    budget: Budget,
    part: ProgressPart,
) -> TaskResult | FailedTask:
    """Run a task, again if it fails. What was made before it failed stays.

    Raises what is neither an AirpatchError nor an OSError: a defect of airpatch, or a lack of memory.
    """
    message = ""
    for number in range(ATTEMPTS):
        try:
            # Work that is done again does not count again.
            return run_task(store, task, settings, execution, budget, part if number == 0 else part.uncounted())
        except (AirpatchError, OSError) as error:
            message = str(error)
            _LOG.warning("layer %s: its patches failed: %s", task.target.short, message)
    return FailedTask(task.target, message)
