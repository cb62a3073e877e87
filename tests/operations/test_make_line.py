"""What is written from a store does not replace anything of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import TargetError, UsageError
from airpatch.operations.make_line import _read_plan
from tests.operations.conftest import write_images


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", {"shop/web:r1": [b"a layer"]})
    airpatch.store_add(tmp_path / "store", tmp_path / "images", release="r1", sequence=1)
    return tmp_path / "store"


@pytest.mark.parametrize("name", ["airpatch-store.json", "blobs/plan", "x"])
def test_no_output_lies_in_the_store(store: Path, name: str) -> None:
    (store.parent / "link").symlink_to(store)
    for folder in (store, store.parent / "link"):
        before = (store / "airpatch-store.json").read_bytes()
        with pytest.raises(UsageError, match="lies in the store"):
            airpatch.plan(store, folder / name, to="r1", last=1)
        with pytest.raises(UsageError, match="lies in the store"):
            airpatch.collect(store, "r1", "r1", folder / name)
        assert (store / "airpatch-store.json").read_bytes() == before


def test_a_plan_that_is_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plan")
    with pytest.raises(TargetError, match="pipe that nobody writes to"):
        _read_plan(tmp_path / "plan")
