"""What is left of a store after pruning: the releases to keep, all that they need, and what is new."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airpatch.errors import UsageError
from airpatch.model.digest import Digest
from airpatch.store.adding import add_release
from airpatch.store.layer_records import LayerRecord, LayerRecords
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import ReleaseStore, release_blobs
from airpatch.store.store_audit import verify_store
from airpatch.store.store_pruning import prune_store
from tests.support import Builder, execution

NOW = timedelta(0)


def release(store: ReleaseStore, name: str, sequence: int, layer: bytes, product: str = "shop") -> Builder:
    builder = Builder()
    builder.tag("web:r1", builder.picture([b"base", layer]))
    made = replace(builder.release, name=name, sequence=sequence, product=product)
    add_release(store, made, builder.manifests, builder.content, execution())
    return builder


@pytest.fixture
def filled(store: ReleaseStore) -> ReleaseStore:
    for number in (1, 2, 3):
        release(store, f"r{number}", number, b"layer %d" % number)
    release(store, "t1", 1, b"layer 1 of tools", "tools")
    return store


def titles(store: ReleaseStore) -> list[str]:
    return [each.release.title for each in store.releases()]


def test_the_newest_of_each_product_stay(filled: ReleaseStore) -> None:
    pruned = prune_store(filled, 2, None, grace=NOW)
    assert [each.release.name for each in pruned.releases] == ["r1"]
    assert titles(filled) == ["r2 of shop", "r3 of shop", "t1 of tools"]
    needed = {blob_name(digest) for each in filled.releases() for digest in release_blobs(each.release)}
    assert {each.name for each in filled.objects.list("blobs")} == needed
    assert verify_store(filled, execution()).findings == ()


def test_one_product_is_pruned(filled: ReleaseStore) -> None:
    prune_store(filled, 1, "shop", grace=NOW)
    assert titles(filled) == ["r3 of shop", "t1 of tools"]
    with pytest.raises(UsageError, match="no release of product web"):
        prune_store(filled, 1, "web", grace=NOW)


def test_releases_with_the_same_number_are_not_chosen_between(filled: ReleaseStore) -> None:
    release(filled, "r3-again", 3, b"layer 4")
    with pytest.raises(UsageError, match=r"the number 3.*--sequence\n(?s:.*)r3 of product shop: releases/"):
        prune_store(filled, 1, None, grace=NOW)
    assert len(filled.releases()) == 5
    assert [each.release.name for each in prune_store(filled, 2, None, grace=NOW).releases] == ["r1", "r2"]


def test_a_dry_run_says_what_would_go(filled: ReleaseStore) -> None:
    would = prune_store(filled, 1, None, dry_run=True, grace=NOW)
    assert len(titles(filled)) == 4
    did = prune_store(filled, 1, None, grace=NOW)
    assert would == did
    assert did.blobs
    assert did.size


def test_what_is_new_stays(filled: ReleaseStore) -> None:
    pruned = prune_store(filled, 1, None)
    assert pruned.blobs == 0
    assert pruned.recent
    assert verify_store(filled, execution()).findings == ()


def test_what_killed_writers_left_goes_too(filled: ReleaseStore) -> None:
    path = filled.address.path
    assert path is not None
    left = path / f"{blob_name(Digest.of(b'base'))}#1"
    left.write_bytes(b"half")
    prune_store(filled, 3, None)
    assert left.exists()
    prune_store(filled, 3, None, grace=NOW)
    assert not left.exists()


def test_what_is_no_blob_stays(filled: ReleaseStore) -> None:
    """Whoever put it there: it may be anything."""
    others = ["blobs/sha256/notes.txt", f"blobs/sha256/00/{Digest.of(b'elsewhere').hex}", "blobs/notes#1", "my#notes"]
    for name in others:
        (Path(filled.name) / name).parent.mkdir(exist_ok=True)
        (Path(filled.name) / name).write_bytes(b"mine")
    prune_store(filled, 1, None, grace=NOW)
    assert all((Path(filled.name) / name).exists() for name in others)


def test_records_go_with_their_layers_and_keep_their_blobs(filled: ReleaseStore) -> None:
    kept, gone = Digest.of(b"layer 3"), Digest.of(b"layer 1")
    records = LayerRecords(filled.objects)
    for layer in (kept, gone):
        patch = b"patch of " + layer.raw
        filled.objects.put(blob_name(Digest.of(patch)), patch)
        records.publish("patches", layer, LayerRecord((layer,), None, ((Digest.of(patch), len(patch)),)))
    assert prune_store(filled, 2, None, grace=NOW).records == 1
    assert records.keys("patches") == {kept}
    assert filled.content.size(Digest.of(b"patch of " + kept.raw)) is not None
    assert filled.content.size(Digest.of(b"patch of " + gone.raw)) is None
