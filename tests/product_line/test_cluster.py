"""Dask's own scheduler and workers make the same as one process, whatever is killed."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import UsageError
from airpatch.product_line.cluster import Cluster, parse_engine
from airpatch.store.release_store import ReleaseStore
from tests.cli.support import environment
from tests.product_line.conftest import path_of
from tests.support import execution

WORK = [sys.executable, "-P", "-m", "airpatch", "work"]


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("local", None),
        ("dask-local:3", Cluster(workers=3)),
        ("dask://host:8786", Cluster(address="tcp://host:8786")),
    ],
)
def test_engines(text: str, cluster: Cluster | None) -> None:
    assert parse_engine(text) == cluster


@pytest.mark.parametrize(
    "text", ["", "dask", "dask-local", "dask-local:0", "dask-local:x", "dask://", "dask://h", "spark:2"]
)
def test_what_is_no_engine(text: str) -> None:
    with pytest.raises(UsageError, match="no engine is called"):
        parse_engine(text)


@pytest.mark.parametrize("count", ["1025", "9" * 5000])
def test_too_many_processes(count: str) -> None:
    with pytest.raises(UsageError, match="starts 1024 processes at most"):
        parse_engine(f"dask-local:{count}")


@pytest.fixture
def planned(line: ReleaseStore, tmp_path: Path) -> Path:
    """A store whose patches are planned, in `plan` beside it."""
    airpatch.plan(path_of(line), tmp_path / "plan", to=["r3"], last=2, execution=execution())
    return path_of(line)


@pytest.fixture
def expected(planned: Path, tmp_path: Path) -> dict[str, bytes]:
    """What one process makes of the plan."""
    shutil.copytree(planned, tmp_path / "alone")
    assert airpatch.work(tmp_path / "alone", tmp_path / "plan", execution=execution()).failed == ()
    return records(tmp_path / "alone")


def records(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.glob("records/[cp]*/*")}


def work(store: Path, *words: str) -> subprocess.Popen[str]:
    command: list[str | Path] = [*WORK, store, store.parent / "plan", *words]
    return subprocess.Popen(command, cwd=store.parent, env=environment(), stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_workers_of_this_host(planned: Path, expected: dict[str, bytes]) -> None:
    running = work(planned, "--engine", "dask-local:2", "-q")
    assert (running.communicate()[1], running.returncode) == ("", 0)
    assert records(planned) == expected


@contextmanager
def dask(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of Dask, in a group of its own, with all that it starts."""
    command = [sys.executable, "-m", "dask", *words]
    running = subprocess.Popen(
        command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert running.stderr is not None
        running.stderr.close()


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


@pytest.mark.slow
def test_workers_that_are_killed(planned: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Their nannies start others, and Dask sends the tasks again."""
    chance = random.Random(5)
    with dask(tmp_path, "scheduler", "--port", "0", "--no-dashboard") as scheduler:
        assert scheduler.stderr is not None
        address = next(
            found[1] for line in scheduler.stderr if (found := re.search(r"Scheduler at: +tcp://(\S+)", line))
        )
        worker = ("worker", f"tcp://{address}", "--nworkers", "2", "--nthreads", "1", "--no-dashboard")
        with dask(tmp_path, *worker) as nannies:
            running = work(planned, "--engine", f"dask://127.0.0.1:{address.rpartition(':')[2]}", "-q")
            killed = 0
            while running.poll() is None:
                for child in children(nannies.pid)[: 3 - killed]:
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                        killed += 1
                time.sleep(chance.uniform(0.5, 2))
            running.communicate()
    assert killed
    assert running.returncode in (0, 8)
    assert records(planned).items() <= expected.items()
    assert airpatch.work(planned, tmp_path / "plan", execution=execution()).failed == ()
    assert records(planned) == expected


@pytest.mark.slow
def test_shards_that_are_killed(planned: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """As a batch system does it: a shard that ends by a signal is started again. So is any until there were 40."""
    chance = random.Random(7)
    shards = {f"{number}/4": work(planned, "--shard", f"{number}/4", "-q") for number in range(1, 5)}
    killed = 0
    while shards:
        time.sleep(chance.uniform(0, 0.4))
        for shard, running in list(shards.items()):
            if running.poll() == 0 and killed == 40:
                running.communicate()
                del shards[shard]
            elif running.poll() is not None:
                running.communicate()
                shards[shard] = work(planned, "--shard", shard, "-q")
            elif killed < 40 and chance.random() < 0.5:
                running.kill()
                killed += 1
    assert killed == 40
    assert records(planned) == expected
    assert airpatch.store_verify(planned, execution=execution()).blobs
