"""Files of inventories and requests are told from all others, and read whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch import limits
from airpatch.archive.inventory_files import is_inventory, read_inventory
from airpatch.errors import FormatError, UsageError
from airpatch.format import zstd
from airpatch.format.inventories import Inventory, Request, emit
from airpatch.model.digest import Digest

BLOBS = {Digest.of(b"%d" % number): number for number in range(50)}
INVENTORY = Inventory("r1", ("shop/web",), BLOBS)
REQUEST = Request("r2", Digest.of(b"r2"), BLOBS, "till", 7)


@pytest.mark.parametrize("value", [INVENTORY, REQUEST, Inventory("", (), {})])
def test_round_trip(tmp_path: Path, value: Inventory | Request) -> None:
    file = tmp_path / "file"
    file.write_bytes(emit(value))
    assert is_inventory(file)
    assert read_inventory(file) == value


@pytest.mark.parametrize("blobs", [100, 10_000])
def test_an_inventory_is_recognised_however_long_its_first_block_is(tmp_path: Path, blobs: int) -> None:
    names = tuple(f"shop/service-{number:04}" for number in range(2000))
    value = Inventory("r1", names, {Digest.of(b"%d" % number): number for number in range(blobs)})
    file = tmp_path / "file"
    file.write_bytes(emit(value))
    assert is_inventory(file)
    assert read_inventory(file) == value


@pytest.mark.parametrize("content", [b"", b"text", zstd.compress(b"text"), zstd.compress(bytes(100)), bytes(1000)])
def test_other_files_are_no_inventories(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert not is_inventory(file)
    with pytest.raises(FormatError) as caught:
        read_inventory(file)
    assert caught.value.message.startswith(f"{file}: ")


def test_folders_and_missing_files(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "is a folder, where a file is"), (tmp_path / "missing", "cannot be read")):
        assert not is_inventory(path)
        with pytest.raises(UsageError, match=message):
            read_inventory(path)


def test_damage_is_found(tmp_path: Path) -> None:
    file = tmp_path / "file"
    content = bytearray(emit(INVENTORY))
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError):
        read_inventory(file)


def test_huge_files_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as sparse:
        sparse.truncate(limits.INVENTORY.value + 1)
    with pytest.raises(FormatError, match="is neither a bundle nor an inventory"):
        read_inventory(file)
