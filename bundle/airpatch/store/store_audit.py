"""Checks everything that is in a store, and finds what is missing there."""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.blobs.content import check_blob
from airpatch.errors import AirpatchError, FormatError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.store.release_store import BLOBS, RELEASES, ReleaseStore, StoredRelease, blob_name, release_blobs
from airpatch.worker_pool import worker_pool


@dataclass(frozen=True, slots=True)
class VerifiedStore:
    """What was checked in the store `where`: `blobs` of `size` bytes, and its releases.

    `findings` are what is wrong.
    """

    where: str
    releases: tuple[StoredRelease, ...]
    blobs: int
    size: int
    findings: tuple[str, ...] = ()


def verify_store(store: ReleaseStore, execution: Execution) -> VerifiedStore:
    """Hash every blob of `store`, and look up those that its releases need. Raises TargetError if it cannot be read."""
    execution = execution.task()
    found = sorted(store.objects.list(BLOBS), key=lambda each: each.name)
    findings: list[str] = []
    releases = []
    for each in store.objects.list(RELEASES):
        try:
            release = store.load(each.name)
        except AirpatchError as error:
            findings.append(error.message)
        else:
            releases += [release] if release is not None else []
    sizes = {each.name: each.size for each in found}
    for stored in releases:
        for digest, size in release_blobs(stored.release).items():
            if sizes.get(blob_name(digest)) is None:
                findings.append(f"{stored.release.title}: {digest} is missing")
            elif sizes[blob_name(digest)] != size:
                findings.append(f"{stored.release.title}: {digest} has {sizes[blob_name(digest)]} bytes, not {size}")
    with (
        execution.part(f"verifying {store.name}", sum(sizes.values())) as part,
        worker_pool(execution.threads, execution.cancellation) as pool,
    ):
        wrong = pool.map(lambda each: _wrong(store, each.name, each.size, part), found)
        findings += [finding for finding in wrong if finding is not None]
    return VerifiedStore(store.name, tuple(releases), len(found), sum(sizes.values()), tuple(findings))


def _wrong(store: ReleaseStore, name: str, size: int, part: ProgressPart) -> str | None:
    try:
        digest = Digest.from_hex(name.rpartition("/")[2])
        if blob_name(digest) != name:
            raise FormatError("does not belong there")
    except FormatError as error:
        part.advance(size, None)
        return f"{store.name}/{name}: {error.message}"
    with part.share(size, digest) as share:
        try:
            check_blob(store.content, digest, size, share.advance)
        except AirpatchError as error:
            return f"{store.name}/{name}: {error.message}"
    return None
