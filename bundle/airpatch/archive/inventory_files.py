"""Reads the files of inventories and requests (spec/FORMAT.md, Inventories and requests)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airpatch import limits
from airpatch.errors import FormatError, located, unreadable
from airpatch.format import magics, zstd
from airpatch.linux import is_file

if TYPE_CHECKING:
    from airpatch.format.inventories import Inventory, Request


def is_inventory(path: Path) -> bool:
    """Return whether the file begins as an inventory or a request does."""
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(magics.HEAD)
    except OSError:
        return False
    return head.startswith(zstd.MAGIC.to_bytes(4, "little")) and magics.begins_inventory(zstd.beginning(head))


def read_inventory(path: Path) -> Inventory | Request:
    """Return the inventory or request in the file. Raises UsageError if it cannot be read, FormatError unless it is
    whole.
    """
    from airpatch.format import inventories  # here, since few files that are asked about are one

    try:
        if path.stat().st_size > limits.INVENTORY.value:
            raise FormatError(f"{path}: is neither a bundle nor an inventory")
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), error) from None
    with located(str(path)):
        return inventories.parse(content)
