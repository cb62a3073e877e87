"""What a root reports to the sender: its inventory, and a request for the blobs that an apply found missing."""

from __future__ import annotations

from collections.abc import Iterable

from airpatch.format.index import Index
from airpatch.format.inventories import Inventory, Request
from airpatch.model.release import Blob
from airpatch.target import storage
from airpatch.target.root import Root
from airpatch.target.state import choose_product, current, receipts


def take_inventory(root: Root, product: str | None = None) -> Inventory:
    """Return the blobs that `root` has, by their names and sizes; nothing is hashed.

    `product` is the one whose current release is named. Raises UsageError if there is none of that name, or if there
    are several and none is named.
    """
    product = choose_product(root, product)
    id_ = current(root, product)
    receipt = receipts(root).get(id_) if id_ is not None else None
    blobs = dict(storage.blobs(root))
    if receipt is None:
        return Inventory("", (), blobs, product)
    release = receipt.release
    repositories = {image.name.repository for image in release.images}
    return Inventory(release.name, tuple(sorted(repositories)), blobs, product, release.sequence)


def make_request(index: Index, missing: Iterable[Blob]) -> Request:
    """Return a request for the blobs that a root lacks of the bundle that `index` describes."""
    release = index.release
    blobs = {blob.digest: blob.size for blob in missing}
    return Request(release.name, index.release_id, blobs, release.product, release.sequence)
