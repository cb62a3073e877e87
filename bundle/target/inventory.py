"""What a root tells the sender: its inventory, and a request for the blobs that an apply found missing."""

from __future__ import annotations

from collections.abc import Iterable

from bundle.format.index import Index
from bundle.format.inventory import Inventory, Request
from bundle.model.release import Blob
from bundle.target import storage
from bundle.target.root import Root
from bundle.target.state import current, receipts


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
