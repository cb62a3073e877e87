"""Checks everything that is in a store, and finds what is missing there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airpatch.blobs.content import check_blob
from airpatch.errors import AirpatchError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.store.layer_records import LayerRecords
from airpatch.store.object_names import BLOBS, blob_name, blob_of
from airpatch.store.release_store import ReleaseStore, StoredRelease, release_blobs
from airpatch.worker_pool import worker_pool


@dataclass(frozen=True, slots=True)
class VerifiedStore:
    """What was checked in the store `where`: `blobs` of `size` bytes, and its releases.

    `findings` are what is wrong, each with what to do.
    """

    where: str
    releases: tuple[StoredRelease, ...]
    blobs: int
    size: int
    findings: tuple[str, ...] = ()


def verify_store(store: ReleaseStore, execution: Execution) -> VerifiedStore:
    """Hash every blob of `store`, and look up those that its releases and layer patches need.

    Raises TargetError if it cannot be read.
    """
    execution = execution.task()
    found = sorted(store.objects.list(BLOBS), key=lambda each: each.name)
    findings: list[str] = []
    releases = []
    for name in store.release_names():
        try:
            release = store.load(name)
        except AirpatchError as error:
            findings.append(error.message)
        else:
            releases += [release] if release is not None else []
    sizes = {each.name: each.size for each in found}
    remedies: dict[str, str] = {}
    for need in _needed(store, releases):
        name = blob_name(need.digest)
        remedies.setdefault(name, need.remedy)
        if name not in sizes:
            findings.append(f"{need.by}: {need.digest} is missing: {need.remedy}")
        elif sizes[name] != need.size:
            findings.append(f"{need.by}: {need.digest} has {sizes[name]} bytes, not {need.size}: {need.remedy}")
    with (
        execution.part(f"verifying {store.name}", sum(sizes.values())) as part,
        worker_pool(execution.threads, execution.cancellation) as pool,
    ):
        wrong = pool.map(lambda each: _wrong(store, each.name, each.size, part), found)
        findings += [
            f"{store.name}/{each.name}: {defect}: remove this object"
            + (f", and {remedies[each.name]}" if each.name in remedies else "")
            for each, defect in zip(found, wrong, strict=True)
            if defect is not None
        ]
    return VerifiedStore(store.name, tuple(releases), len(found), sum(sizes.values()), tuple(findings))


@dataclass(frozen=True, slots=True)
class _NeededBlob:
    """A blob of `size` bytes that something, `by` name, needs, and how to get it back."""

    digest: Digest
    size: int
    by: str
    remedy: str


def _needed(store: ReleaseStore, releases: Sequence[StoredRelease]) -> Iterator[_NeededBlob]:
    for stored in releases:
        title = stored.release.title
        for digest, size in release_blobs(stored.release).items():
            yield _NeededBlob(digest, size, title, f"add {title} again")
    for name, head in LayerRecords(store.objects).heads():
        for digest, size in head.blobs if head is not None else ():
            yield _NeededBlob(
                digest, size, f"the layer patch of {name}", "run 'airpatch plan' and 'airpatch work' again"
            )


def _wrong(store: ReleaseStore, name: str, size: int, part: ProgressPart) -> str | None:
    """Return what is wrong with the blob in an object."""
    digest = blob_of(name)
    if digest is None:
        part.advance(size)
        return "is no blob"
    with part.share(size, digest) as share:
        try:
            check_blob(store.content, digest, size, share.advance)
        except AirpatchError as error:
            return error.message
    return None
