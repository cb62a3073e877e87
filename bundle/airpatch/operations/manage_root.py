"""What a root has, what was done to it, and which of its releases stay: inventory, history, rollback, prune."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.blobs.output import destination
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format.inventories import Inventory, content_id, emit
from airpatch.linux import is_file
from airpatch.model.digest import Digest
from airpatch.target import state
from airpatch.target.history import History
from airpatch.target.pruning import Pruned, prune_root
from airpatch.target.rolling_back import RolledBack, roll_back
from airpatch.target.root import Root, open_root
from airpatch.target.root_trust import history_remarks
from airpatch.target.stocktaking import take_inventory

if TYPE_CHECKING:
    from airpatch.operations.arguments import StrPath


@dataclass(frozen=True, slots=True)
class WrittenInventory:
    """An inventory that was written to `output`, in `size` bytes. `id` is what patches against it call their base."""

    output: str
    size: int
    inventory: Inventory

    @property
    def id(self) -> Digest:
        """The digest by which patches against the inventory name it."""
        return content_id(self.inventory)


def inventory(root: StrPath, output: StrPath, *, product: str | None = None) -> WrittenInventory:
    """List the blobs that the registry's storage `root` has, in a few KiB that tell the sender what to leave out.

    Nothing is hashed. `output` is a file, `-` standard output (spec/FORMAT.md, Inventories and requests). `product` is
    the one whose current release is named; it may be omitted if the root has only one. Raises UsageError if `root`
    holds no registry's storage or no such product, TargetError.
    """
    with _opened(Path(root)) as opened:
        found = take_inventory(opened, product)
    content = emit(found)
    with destination(os.fspath(output)) as sink:
        sink.write([content])
    return WrittenInventory(os.fspath(output), len(content), found)


@dataclass(frozen=True, slots=True)
class RootHistory:
    """What was done to `root`; `notes` are remarks."""

    root: Path
    history: History
    notes: tuple[str, ...] = ()


def history(root: StrPath) -> RootHistory:
    """Return what was done to the registry's storage `root`; each line is checked against the hash that the next one
    holds.

    Raises IntegrityError if that chain is broken, FormatError if it is of another version, TargetError, UsageError.
    """
    path = Path(root)
    has_history = is_file(path / state.HISTORY)  # a root may demand signatures before anything was applied
    with Root(path) if has_history else _opened(path) as opened:
        found = state.history(opened)
        return RootHistory(path, found, tuple(history_remarks(opened, found)))


def rollback(
    root: StrPath, to: str | None = None, *, product: str | None = None, execution: Execution | None = None
) -> RolledBack:
    """Point the tags of `root` back at the installed release `to` of `product`: its name, or the beginning of its id.

    Without `to` it is the release that was current before this one; `product` may be omitted if the root has only one.
    Raises UsageError if there is no such release or no registry, BaseMismatch if the root lacks blobs of it,
    TargetError.
    """
    with _opened(Path(root)) as opened:
        return roll_back(opened, execution or Execution(), to, product)


def prune(root: StrPath, *, keep: int = 2, product: str | None = None, dry_run: bool = False) -> Pruned:
    """Forget old releases of `root` and remove what nothing else needs (spec/TARGET.md, Prune).

    Of `product`, or of each product, the `keep` most recently current releases stay. With `dry_run` nothing is
    removed. Raises IntegrityError before the first change if a manifest in any repository is damaged.
    """
    if keep < 1:
        raise ValueError(f"keep must be 1 or more, not {keep}")
    with _opened(Path(root)) as opened:
        return prune_root(opened, keep, product, dry_run=dry_run)


def _opened(path: Path) -> Root:
    """Return the root at `path`. Raises UsageError if it is none, TargetError."""
    try:
        return open_root(path)
    except UsageError:
        from airpatch.store.store_address import is_store_folder  # here, since few mistake a store for a root

        if is_store_folder(path):
            message = (
                f"{path}: is a store of releases, and no registry's root; 'airpatch help store' lists its commands"
            )
            raise UsageError(message) from None
        raise
