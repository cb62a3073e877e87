"""What objects of a store are called, and what a release is in one (spec/STORE.md). Pure."""

from __future__ import annotations

from airpatch.format import canonical
from airpatch.format.release_part import release_to_plain
from airpatch.model.digest import Digest, is_hex
from airpatch.model.release import Release

BLOBS, RELEASES = "blobs/sha256", "releases"
"""The folders of blobs and of releases."""


def release_bytes(release: Release) -> bytes:
    """Return the bytes of a release, whose sha256 is its id."""
    return canonical.pack(release_to_plain(release))


def blob_of(name: str) -> Digest | None:
    """Return the digest of the blob whose object is called `name`, None where that is the name of no blob."""
    hex_ = name.rpartition("/")[2]
    digest = Digest.from_hex(hex_) if is_hex(hex_) else None
    return digest if digest is not None and blob_name(digest) == name else None


def blob_name(digest: Digest) -> str:
    """Return the name of the object of a blob."""
    return f"{BLOBS}/{digest.hex[:2]}/{digest.hex}"


def release_name(id_: Digest) -> str:
    """Return the name of the object of a release."""
    return f"{RELEASES}/{id_.hex}"
