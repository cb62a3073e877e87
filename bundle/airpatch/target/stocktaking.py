"""What a root tells the sender: its inventory, and a request for the blobs that an apply found missing."""

from __future__ import annotations

from collections.abc import Iterable

from airpatch.format.index import Index
from airpatch.format.inventories import Inventory, Request
from airpatch.model.release import Blob
from airpatch.target import storage
from airpatch.target.root import Root
from airpatch.target.state import current, receipts


def take_inventory(root: Root) -> Inventory:
    """The blobs that `root` has, by their names and sizes; nothing is hashed."""
    id_ = current(root)
    receipt = receipts(root).get(id_) if id_ is not None else None
    name = receipt.release.name if receipt else ""
    repositories = {image.name.repository for image in receipt.release.images} if receipt else set()
    return Inventory(name, tuple(sorted(repositories)), dict(storage.blobs(root)))


def make_request(index: Index, missing: Iterable[Blob]) -> Request:
    """A request for the blobs that a root lacks of the bundle that `index` describes."""
    return Request(index.release.name, index.release_id, {blob.digest: blob.size for blob in missing})
