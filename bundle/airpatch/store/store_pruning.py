"""Removes old releases from a store, and what none of the others needs.

Nobody is locked out meanwhile: a blob goes only if it was written before the `GRACE`, and `add_release` writes those
again that are older than a part of that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airpatch.errors import UsageError
from airpatch.store.layer_records import LayerRecords
from airpatch.store.object_names import BLOBS, blob_name, blob_of, release_name
from airpatch.store.release_store import ReleaseStore, StoredRelease, choose_release, release_blobs

GRACE = timedelta(days=1)
"""What was written so recently stays, since a release that is being added may need it."""


@dataclass(frozen=True, slots=True)
class PrunedStore:
    """What was removed from the store `where`: `releases`, `blobs` of `size` bytes, and `records` of layers.

    `recent` blobs belong to no release, and stay since they may be of one that is being added.
    """

    where: str
    releases: tuple[StoredRelease, ...]
    kept: tuple[StoredRelease, ...]
    blobs: int
    size: int
    records: int
    recent: int


def prune_store(
    store: ReleaseStore, keep: int, product: str | None, *, dry_run: bool = False, grace: timedelta = GRACE
) -> PrunedStore:
    """Keep the `keep` releases of `product`, or of each, with the highest numbers. With `dry_run` nothing is removed.

    Raises UsageError if there is no such product, or if numbers do not tell which release is older.
    """
    found = store.releases()
    if product is not None:
        choose_release(found, store.name, product=product)
    by_product: defaultdict[str, list[StoredRelease]] = defaultdict(list)
    for each in found:
        by_product[each.release.product].append(each)
    old = [each for name in by_product if product in (None, name) for each in _older(store, by_product[name], keep)]
    if not dry_run:
        for each in old:
            store.objects.delete(release_name(each.id))
        found = store.releases()  # anew: others may have come
    kept = [each for each in found if each not in old]
    needed = {digest for each in kept for digest in release_blobs(each.release)}
    names = {blob_name(digest) for digest in needed}
    dead = []
    for name, head in LayerRecords(store.objects).heads():
        if head is not None and needed.issuperset(head.of):
            names.update(blob_name(digest) for digest, _ in head.blobs)
        else:
            dead.append(name)
    unused = [each for each in store.objects.list(BLOBS) if each.name not in names and blob_of(each.name) is not None]
    latest = datetime.now(UTC) - grace
    removed = [each for each in unused if each.time < latest]
    if not dry_run:
        for name in dead:
            store.objects.delete(name)
        for blob in removed:
            seen = store.objects.look(blob.name)
            if seen is not None and seen.time == blob.time:
                store.objects.delete(blob.name)
        store.objects.clear(latest)
    size = sum(each.size for each in removed)
    return PrunedStore(store.name, tuple(old), tuple(kept), len(removed), size, len(dead), len(unused) - len(removed))


def _older(store: ReleaseStore, found: Sequence[StoredRelease], keep: int) -> Sequence[StoredRelease]:
    """Return all releases `found` of a product but for the `keep` newest. Raises UsageError if one that would go and
    one that would stay have the same number.
    """
    old, new = found[:-keep], found[-keep:]
    if old and old[-1].release.sequence == new[0].release.sequence:
        number = new[0].release.sequence
        raise UsageError(
            f"{store.name}: several releases have the number {number}, so that none is the older one: remove the "
            "object of one and add it again with another --sequence",
            [
                f"{each.release.name} of product {each.release.product}: {release_name(each.id)}"
                for each in found
                if each.release.sequence == number
            ],
        )
    return old
