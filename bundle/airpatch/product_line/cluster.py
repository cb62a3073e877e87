"""Runs the tasks of a plan on Dask: on workers of this host, or on those of a scheduler.

Dask sends tasks again whose worker died. All that lasts is in the store, so a scheduler that restarts costs what was
under way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airpatch.blobs.scratch import scratch_files
from airpatch.errors import TargetError, UsageError
from airpatch.execution import Execution
from airpatch.extras import require_extra
from airpatch.layers.budget import Budget
from airpatch.log import logger
from airpatch.product_line.patch_tasks import PatchTask, TaskResult
from airpatch.product_line.source_questions import PatchSettings
from airpatch.product_line.working import FailedTask, LineWork, TaskOutcome, attempt, line_work
from airpatch.progress import ProgressPart
from airpatch.store.release_store import ReleaseStore
from airpatch.store.store_address import parse_store_address

if TYPE_CHECKING:
    from distributed import Client

_LOG = logger(__name__)
_ROUNDS = 3
"""How often tasks are handed in that a scheduler lost."""
_MOST_WORKERS = 1024
"""Processes on this host: more than processors that any has, and few enough to start."""
_TIMEOUT = 30
"""Seconds until a scheduler that does not answer counts as not there."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where tasks run: on the workers of the scheduler at `address`, or on as many `workers` on this host."""

    address: str = ""
    workers: int = 0


def parse_engine(text: str) -> Cluster | None:
    """Return the cluster that an engine is, None for `local`. Raises UsageError.

    It is `local`, `dask-local:N`, or `dask://HOST:PORT`.
    """
    if text == "local":
        return None
    kind, colon, rest = text.partition(":")
    if kind == "dask-local" and colon and rest.isascii() and rest.isdigit() and rest.strip("0"):
        if len(rest.lstrip("0")) > len(str(_MOST_WORKERS)) or int(rest) > _MOST_WORKERS:
            raise UsageError(f"{text:.100}: dask-local starts {_MOST_WORKERS} processes at most")
        return Cluster(workers=int(rest))
    host, _, port = rest.removeprefix("//").rpartition(":")
    if text.startswith("dask://") and host and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16:
        return Cluster(address=f"tcp:{rest}")
    raise UsageError(f"no engine is called {text!r:.100}; there are local, dask-local:N and dask://HOST:PORT")


def run_on_cluster(
    cluster: Cluster,
    store: ReleaseStore,
    tasks: Sequence[PatchTask],
    settings: PatchSettings,
    execution: Execution,
) -> LineWork:
    """Run `tasks` on `cluster`, each worker within the memory of `execution`. Its workers must reach the store, too.

    Raises UsageError if the library is missing, TargetError if the scheduler does not answer, or `store` cannot be
    written to or ignores the condition of a write.
    """
    require_extra("cluster", "distributed")
    store.objects.require_conditions()
    place = store.address.url or f"store:{(store.address.path or Path()).absolute()}"
    done: list[TaskOutcome] = []
    with (
        execution.part("making layer patches", sum(task.work for task in tasks)) as part,
        _client(cluster) as client,
    ):
        waiting = list(tasks)
        for _ in range(_ROUNDS):
            waiting = _run(client, place, waiting, settings, execution, part, done)
        done += [FailedTask(task.target, "the scheduler lost it") for task in waiting]
    return line_work(done)


def _run(
    client: Client,
    place: str,
    tasks: Sequence[PatchTask],
    settings: PatchSettings,
    execution: Execution,
    part: ProgressPart,
    done: list[TaskOutcome],
) -> list[PatchTask]:
    """Hand in `tasks`, and add to `done` what comes of them; return those that were lost."""
    if not tasks:
        return []
    distributed = require_extra("cluster", "distributed")
    futures = client.map(_run_remote, tasks, place=place, settings=settings, memory=execution.memory, pure=False)
    by_key = {future.key: task for future, task in zip(futures, tasks, strict=True)}
    lost = []
    for future in distributed.as_completed(futures):
        task = by_key[future.key]
        if future.status == "finished":
            done.append(future.result())
        elif future.status == "error":
            done.append(_outcome(task, future.exception()))
        else:
            lost.append(task)
            continue
        part.advance(task.work, task.target)
    if lost:
        _LOG.warning("the scheduler lost %d tasks, which are handed in again", len(lost))
    return lost


def _outcome(task: PatchTask, error: Exception) -> TaskOutcome:
    """Return what came of a task whose workers died, or met an internal error."""
    if type(error).__name__ == "KilledWorker":
        return FailedTask(task.target, "its workers died, one after the other")
    return error


@contextmanager
def _client(cluster: Cluster) -> Iterator[Any]:
    distributed = require_extra("cluster", "distributed")
    if cluster.workers:
        with (
            distributed.LocalCluster(  # its HTTP server takes a port that is free
                n_workers=cluster.workers, threads_per_worker=1, memory_limit=None, dashboard_address="127.0.0.1:0"
            ) as local,
            distributed.Client(local) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(cluster.address, timeout=_TIMEOUT)
    except (OSError, TimeoutError) as error:
        raise TargetError(f"{cluster.address}: no scheduler of Dask answers there: {error}") from None
    with client:
        yield client


def _run_remote(task: PatchTask, place: str, settings: PatchSettings, memory: int) -> TaskResult | FailedTask:
    """Run a task in a worker."""
    distributed = require_extra("cluster", "distributed")
    folder = Path(distributed.get_worker().local_directory)
    execution = Execution(1, memory, scratch_files(folder))
    return attempt(_opened(place), task, settings, execution, _budget(memory), ProgressPart())


@cache
def _opened(place: str) -> ReleaseStore:
    return ReleaseStore(parse_store_address(place))


@cache
def _budget(memory: int) -> Budget:
    """The memory of this process, which all of its threads share."""
    return Budget(memory)
