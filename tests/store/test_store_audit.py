"""A check of a store finds each thing that can be wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.store.adding import add_release
from airpatch.store.layer_records import LayerRecord, LayerRecords
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import ReleaseStore
from airpatch.store.store_audit import verify_store
from tests.support import Builder, execution


@pytest.fixture
def filled(store: ReleaseStore, sample: Builder) -> ReleaseStore:
    add_release(store, sample.release, sample.manifests, sample.content, execution())
    return store


def test_a_store_as_it_should_be(filled: ReleaseStore) -> None:
    verified = verify_store(filled, execution())
    assert verified.findings == ()
    assert verified.size == sum(each.size for each in filled.objects.list("blobs"))


def test_all_damage_is_told(filled: ReleaseStore, sample: Builder) -> None:
    flipped, short, lost, *_ = sample.release.blobs
    filled.objects.put(blob_name(flipped.digest), bytes(flipped.size))
    filled.objects.put(blob_name(short.digest), b"short")
    filled.objects.delete(blob_name(lost.digest))
    filled.objects.put("blobs/sha256/notes.txt", b"mine")
    filled.objects.put(f"releases/{'0' * 64}", b"none")
    findings = "\n".join(verify_store(filled, execution()).findings)
    for text in (
        f"content of {flipped.digest} has the digest",
        f"{short.digest} has 5 bytes, not {short.size}",
        f"{lost.digest} is missing",
        "blobs/sha256/notes.txt: is no blob: remove this object",
        "its content has another digest: remove this object, and add the release again",
        f"{lost.digest} is missing: add {sample.release.title} again",
        f": remove this object, and add {sample.release.title} again",
    ):
        assert text in findings


def test_blobs_of_layer_patches_are_looked_up(filled: ReleaseStore) -> None:
    lost, flipped = (Digest.of(name) for name in (b"lost", b"flipped"))
    filled.objects.put(blob_name(flipped), b"FLIPPED")
    records, remedy = LayerRecords(filled.objects), "run 'airpatch plan' and 'airpatch work' again"
    for digest, size in ((lost, 4), (flipped, 7)):
        records.publish("patches", digest, LayerRecord((), None, ((digest, size),)))
    missing, damaged = verify_store(filled, execution()).findings
    assert missing == f"the layer patch of records/patches/{lost.hex}: {lost} is missing: {remedy}"
    assert damaged.endswith(f": remove this object, and {remedy}")


def test_other_objects_beside_the_releases_are_ignored(filled: ReleaseStore) -> None:
    filled.objects.put("releases/notes.txt", b"mine")
    filled.objects.put(f"releases/old/{'0' * 64}", b"mine")
    assert verify_store(filled, execution()).findings == ()
    assert len(filled.releases()) == 1


def test_a_blob_at_another_place(filled: ReleaseStore, sample: Builder) -> None:
    digest = sample.release.blobs[0].digest
    filled.objects.put(f"blobs/sha256/zz/{digest.hex}", b"")
    assert [f for f in verify_store(filled, execution()).findings if "is no blob: remove this object" in f]


def test_a_pipe_in_place_of_a_blob_is_named(filled: ReleaseStore, sample: Builder) -> None:
    """Nobody waits for somebody to write into it."""
    name = blob_name(sample.release.blobs[0].digest)
    path = Path(filled.name) / name
    path.unlink()
    os.mkfifo(path)
    assert "is missing" in verify_store(filled, execution()).findings[0]
    with pytest.raises(SourceError, match=f"{path}: is not a file: remove it"):
        add_release(filled, sample.release, sample.manifests, sample.content, execution())
    path.unlink()
    assert add_release(filled, sample.release, sample.manifests, sample.content, execution()).blobs == 1
    assert verify_store(filled, execution()).findings == ()
