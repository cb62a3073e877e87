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
    """Return the blobs that `root` has, by their names and sizes, and what this airpatch can do; nothing is hashed.

    `product` is the one whose current release is named. Raises UsageError if there is none of that name, or if there
    are several and none is named.
    """
    from airpatch.layers.versions import VERSIONS, features_of_this_host  # here, since it loads every encoder

    product = choose_product(root, product)
    id_ = current(root, product)
    receipt = receipts(root).get(id_) if id_ is not None else None
    blobs = dict(storage.blobs(root))
    version, features = VERSIONS[-1], tuple(sorted(features_of_this_host()))
    if receipt is None:
        return Inventory("", (), blobs, product, 0, version, features)
    release = receipt.release
    repositories = tuple(sorted({image.name.repository for image in release.images}))
    return Inventory(release.name, repositories, blobs, product, release.sequence, version, features)


def make_request(index: Index, missing: Iterable[Blob]) -> Request:
    """Return a request for the blobs that a root lacks of the bundle that `index` describes."""
    release = index.release
    blobs = {blob.digest: blob.size for blob in missing}
    return Request(release.name, index.release_id, blobs, release.product, release.sequence)
