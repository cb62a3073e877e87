"""A check of a store finds each thing that can be wrong with it."""

from __future__ import annotations

import pytest

from airpatch.store.adding import add_release
from airpatch.store.release_store import ReleaseStore, blob_name
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
        "notes.txt: not the hex form",
        "its content has another digest",
    ):
        assert text in findings


def test_a_blob_at_another_place(filled: ReleaseStore, sample: Builder) -> None:
    digest = sample.release.blobs[0].digest
    filled.objects.put(f"blobs/sha256/zz/{digest.hex}", b"")
    assert [f for f in verify_store(filled, execution()).findings if "does not belong there" in f]
