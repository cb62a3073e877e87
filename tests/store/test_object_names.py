"""Names of objects, and back."""

from __future__ import annotations

import pytest

from airpatch.model.digest import Digest
from airpatch.store.object_names import blob_name, blob_of, release_bytes, release_name
from tests.support import Builder

SOME = Digest.of(b"some")


def test_a_blob_is_found_by_its_name() -> None:
    assert blob_of(blob_name(SOME)) == SOME


@pytest.mark.parametrize(
    "name",
    [
        "",
        SOME.hex,
        f"blobs/sha256/{SOME.hex}",
        f"blobs/sha256/00/{SOME.hex}",
        blob_name(SOME).upper(),
        release_name(SOME),
    ],
)
def test_other_objects_are_no_blobs(name: str) -> None:
    assert blob_of(name) is None


def test_a_release_is_called_after_its_content(sample: Builder) -> None:
    release = sample.release
    id_ = Digest.of(release_bytes(release))
    assert release_name(id_) == f"releases/{id_.hex}"
