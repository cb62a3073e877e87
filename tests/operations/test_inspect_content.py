"""`airpatch.inspect` tells apart what it is given, and returns a value for each."""

from __future__ import annotations

from pathlib import Path

import pytest

import airpatch
from airpatch import FormatError, Inventory, InventoryReport, LayersReport, Request, UsageError
from airpatch.format.inventories import content_id, emit
from airpatch.format.registry import STORAGE
from airpatch.model.digest import Digest
from tests.sources.sample_sources import IMAGES

BLOBS = {Digest.of(b"one"): 3, Digest.of(b"three"): 5}


@pytest.mark.parametrize(
    "value", [Inventory("r1", ("shop/web",), BLOBS, "till", 4), Request("r2", Digest.of(b"r2"), BLOBS)]
)
def test_inventories_and_requests(tmp_path: Path, value: Inventory | Request) -> None:
    file = tmp_path / "file"
    file.write_bytes(emit(value))
    found = airpatch.inspect(file)
    assert found == InventoryReport(str(file), file.stat().st_size, value)
    assert isinstance(found, InventoryReport)
    assert found.id == content_id(value)


def test_one_that_is_damaged_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    content = emit(Inventory("r1", ("shop/web",), BLOBS))
    file.write_bytes(content[:-1])
    with pytest.raises(FormatError, match="file: "):
        airpatch.inspect(file)


def test_what_is_neither(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a bundle nor a registry's root"):
        airpatch.inspect(tmp_path)
    with pytest.raises(UsageError):
        airpatch.inspect(tmp_path / "missing")


def test_a_folder_inside_a_root_is_called_so(tmp_path: Path) -> None:
    (tmp_path / STORAGE / "blobs").mkdir(parents=True)
    with pytest.raises(UsageError, match=f"name its root, {tmp_path}$"):
        airpatch.inspect(tmp_path / STORAGE / "blobs")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_layers_of_archives_are_found_without_a_prefix(form: str, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    airpatch.restore(IMAGES / "infra/settings:r1", archive, form=form)
    found = airpatch.inspect(archive, layers=True)
    assert isinstance(found, LayersReport)
    assert len(found.layers) == 2
