"""Reads the files of inventories and requests (spec/FORMAT.md, Inventories and requests)."""

from __future__ import annotations

from pathlib import Path

from airpatch import limits
from airpatch.errors import FormatError, located, unreadable
from airpatch.format import inventories, magics, zstd
from airpatch.format.inventories import Inventory, Request
from airpatch.linux import is_file


def is_inventory(path: Path) -> bool:
    """Return whether the file begins as an inventory or a request does."""
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(magics.HEAD)
    except OSError:
        return False
    return head.startswith(zstd.MAGIC.to_bytes(4, "little")) and inventories.looks_like_one(zstd.beginning(head))


def read_inventory(path: Path) -> Inventory | Request:
    """Return the inventory or request in the file. Raises UsageError if it cannot be read, FormatError unless it is
    whole.
    """
    try:
        if path.stat().st_size > limits.INVENTORY.value:
            raise FormatError(f"{path}: is neither a bundle nor an inventory")
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), error) from None
    with located(str(path)):
        return inventories.parse(content)
