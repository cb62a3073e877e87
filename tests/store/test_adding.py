"""What a store has after a release was added, or could not be."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from airpatch.errors import IntegrityError, UsageError
from airpatch.model.digest import Digest
from airpatch.store.adding import FRESH, add_release, numbered
from airpatch.store.object_names import blob_name, release_bytes, release_name
from airpatch.store.release_store import ReleaseStore, release_blobs
from tests.support import Builder, MemoryContent, execution


def names(store: ReleaseStore) -> set[str]:
    return {each.name for each in store.objects.list("blobs")}


def test_a_release_has_all_its_blobs_once(store: ReleaseStore, sample: Builder) -> None:
    added = add_release(store, sample.release, sample.manifests, sample.content, execution())
    blobs = release_blobs(sample.release)
    assert (added.is_new, added.blobs, added.size) == (True, len(blobs), sum(blobs.values()))
    assert names(store) == set(map(blob_name, blobs))
    again = add_release(store, sample.release, sample.manifests, sample.content, execution())
    assert (again.is_new, again.blobs, again.id) == (False, 0, added.id)


def test_a_blob_that_was_lost_is_added_again(store: ReleaseStore, sample: Builder) -> None:
    add_release(store, sample.release, sample.manifests, sample.content, execution())
    lost = sample.release.blobs[0]
    store.objects.delete(blob_name(lost.digest))
    assert add_release(store, sample.release, sample.manifests, sample.content, execution()).blobs == 1
    assert store.content.size(lost.digest) == lost.size


def test_a_release_that_is_there_is_no_error_though_another_has_its_name(store: ReleaseStore, sample: Builder) -> None:
    add_release(store, sample.release, sample.manifests, sample.content, execution())
    twin = release_bytes(replace(sample.release, sequence=99))
    store.objects.create(release_name(Digest.of(twin)), twin)  # of a writer that began at the same moment
    assert not add_release(store, sample.release, sample.manifests, sample.content, execution()).is_new


@pytest.mark.parametrize("damaged", [b"", b"short"])
def test_a_damaged_release_is_replaced(store: ReleaseStore, sample: Builder, damaged: bytes) -> None:
    added = add_release(store, sample.release, sample.manifests, sample.content, execution())
    store.objects.put(release_name(added.id), damaged)
    with pytest.raises(IntegrityError, match="remove this object, and add the release again"):
        add_release(store, replace(sample.release, name="next"), sample.manifests, sample.content, execution())
    assert add_release(store, sample.release, sample.manifests, sample.content, execution()).is_new
    assert [each.id for each in store.releases()] == [added.id]


def test_another_release_of_the_same_name_is_refused(store: ReleaseStore, sample: Builder) -> None:
    add_release(store, sample.release, sample.manifests, sample.content, execution())
    other = replace(sample.release, sequence=99)
    with pytest.raises(UsageError, match="has another release"):
        add_release(store, other, sample.manifests, sample.content, execution())
    assert len(store.releases()) == 1


def test_numbers_follow_each_other_within_a_product(store: ReleaseStore, sample: Builder) -> None:
    first = replace(sample.release, name="r1", sequence=7, product="shop")
    add_release(store, first, sample.manifests, sample.content, execution())
    assert numbered(store, replace(first, name="r2")).sequence == 8
    assert numbered(store, replace(first, sequence=0)) == first
    assert numbered(store, replace(first, product="tools")).sequence == 1


def test_a_damaged_blob_keeps_the_release_out(store: ReleaseStore, sample: Builder) -> None:
    blob = sample.release.blobs[0]
    content = MemoryContent({**sample.blobs, blob.digest: bytes(blob.size)})
    with pytest.raises(IntegrityError, match=str(blob.digest)):
        add_release(store, sample.release, sample.manifests, content, execution())
    assert store.releases() == []
    assert store.content.size(blob.digest) is None


def test_what_prune_may_be_about_to_remove_is_written_again(store: ReleaseStore, sample: Builder) -> None:
    add_release(store, sample.release, sample.manifests, sample.content, execution())
    assert store.address.path is not None
    path = store.address.path / blob_name(sample.release.blobs[0].digest)
    old = path.stat().st_mtime - 2 * FRESH.total_seconds()
    os.utime(path, (old, old))
    other = replace(sample.release, name="next")
    assert add_release(store, other, sample.manifests, sample.content, execution()).blobs == 0
    assert path.stat().st_mtime > old
