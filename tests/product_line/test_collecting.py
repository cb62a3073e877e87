"""What is collected is, byte for byte, what a diff makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.errors import SourceError, UsageError
from airpatch.store.object_names import blob_name
from airpatch.store.objects import Objects
from airpatch.store.release_store import ReleaseStore
from airpatch.store.store_address import parse_store_address
from tests.product_line.conftest import path_of
from tests.support import execution


def made(store: Path | str, plan: Path, shards: int = 1, **options: Any) -> None:
    """Plan the patches to r3, and do all work, in so many shards."""
    memory = options.pop("memory", 1 << 30)
    work = execution(memory=int(str(memory)))
    airpatch.plan(store, plan, to=["r3"], last=2, execution=work, **options)
    for number in range(1, shards + 1):
        assert airpatch.work(store, plan, shard=(number, shards), execution=execution()).failed == ()


@pytest.mark.parametrize(
    ("effort", "memory"),
    [
        ("fast", 1 << 30),
        pytest.param("default", 1 << 30, marks=pytest.mark.slow),
        pytest.param("best", 256 << 20, marks=pytest.mark.slow),
    ],
)
def test_it_is_the_file_of_diff(line: ReleaseStore, tmp_path: Path, effort: str, memory: int) -> None:
    store, work = path_of(line), replace(execution(), memory=memory)
    made(store, tmp_path / "plan", effort=effort, memory=memory)
    for product in ("amd64", "arm64"):
        for base in ("r1", "r2"):
            ids = [line.choose(name, product).id.hex for name in (base, "r3")]
            airpatch.collect(store, base, "r3", tmp_path / "a", product=product, effort=effort, execution=work)
            airpatch.diff(f"{store}#{ids[0]}", f"{store}#{ids[1]}", tmp_path / "b", effort=effort, execution=work)
            assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_shards_make_the_same(line: ReleaseStore, tmp_path: Path) -> None:
    made(path_of(line), tmp_path / "plan", shards=4)
    airpatch.collect(path_of(line), "r2", "r3", tmp_path / "a", product="arm64", execution=execution())
    old, new = (f"{path_of(line)}#{line.choose(name, 'arm64').id.hex}" for name in ("r2", "r3"))
    airpatch.diff(old, new, tmp_path / "b", execution=execution())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.slow
def test_in_object_storage(line: ReleaseStore, tmp_path: Path, bucket: str) -> None:
    objects = Objects(parse_store_address(bucket))
    for path in path_of(line).rglob("*"):
        if path.is_file():
            objects.put(str(path.relative_to(path_of(line))), path.read_bytes())
    made(bucket, tmp_path / "plan", shards=2)
    airpatch.collect(bucket, "r2", "r3", tmp_path / "a", product="arm64", execution=execution())
    old, new = (f"{path_of(line)}#{line.choose(name, 'arm64').id.hex}" for name in ("r2", "r3"))
    airpatch.diff(old, new, tmp_path / "b", execution=execution())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_missing_is_told(line: ReleaseStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks 3 of 3 layer patches from r2 of arm64 to r3 of arm64"):
        airpatch.collect(path_of(line), "r2", "r3", tmp_path / "a", product="arm64", execution=execution())
    with pytest.raises(UsageError, match="several products"):
        airpatch.collect(path_of(line), "r2", "r3", tmp_path / "a", execution=execution())
    assert not (tmp_path / "a").exists()


def test_a_layer_patch_that_was_damaged_is_told(line: ReleaseStore, tmp_path: Path) -> None:
    made(path_of(line), tmp_path / "plan")
    written = airpatch.collect(path_of(line), "r2", "r3", tmp_path / "a", product="arm64", execution=execution())
    step = written.index.steps[0]
    line.objects.put(blob_name(step.patch), bytes(step.patch_size))
    with pytest.raises(SourceError, match=rf"store verify .*\n.*layer patch of {step.digest}: .*{step.patch}"):
        airpatch.collect(path_of(line), "r2", "r3", tmp_path / "b", product="arm64", execution=execution())
    assert not (tmp_path / "b").exists()
