"""Adds a release to a store: first its blobs, each that is not there yet, then the release itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airpatch.blobs.content import BytesContent, ChainedContent, Content, check_digest, pieces
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.release import Release, check_label
from airpatch.progress import Owners, Share
from airpatch.store.object_names import blob_name, release_bytes, release_name
from airpatch.store.release_store import ReleaseStore, release_blobs
from airpatch.worker_pool import worker_pool

_LOG = logger(__name__)
FRESH = timedelta(hours=1)
"""A blob that was written before is written again where a release comes to need it: prune may be about to remove it."""


@dataclass(frozen=True, slots=True)
class AddedRelease:
    """A release that is in the store `where` now; `blobs` of them, of `size` bytes, were not there before.

    `is_new` says whether the release was not.
    """

    where: str
    id: Digest
    release: Release
    blobs: int
    size: int
    is_new: bool
    warnings: tuple[str, ...] = ()


def add_release(
    store: ReleaseStore,
    release: Release,
    manifests: Mapping[Digest, bytes],
    content: Content,
    execution: Execution,
    owners: Owners | None = None,
    warnings: tuple[str, ...] = (),
) -> AddedRelease:
    """Add `release`, whose `manifests` are in memory and whose other blobs `content` has; `warnings` go into
    the result.

    Every blob is hashed while it is written. If the release is there and damaged, it is replaced.

    Raises UsageError if the store has another release of that product and name, IntegrityError if a blob or another
    release is damaged, TargetError, and what `content` raises.
    """
    packed = release_bytes(release)
    id_ = Digest.of(packed)
    there = store.objects.look(release_name(id_))
    known = store.releases(but=id_)
    is_sound = there is not None and there.size == len(packed)
    is_new = not is_sound or store.objects.get(release_name(id_), len(packed)) != packed
    for each in known if is_new else ():
        if (each.release.product, each.release.name) == (release.product, release.name):
            raise UsageError(
                f"{store.name}: has another release {release.title} ({each.id.short}, number {each.release.sequence}): "
                "give this one another name with --release"
            )
    everything = ChainedContent([BytesContent(manifests), content])
    wanted = release_blobs(release)
    added = _put_blobs(store, wanted, set() if is_new else set(wanted), everything, execution, owners)
    if is_new:
        if there is None:
            store.objects.create(release_name(id_), packed)
        else:
            store.objects.put(release_name(id_), packed)
        # What was removed while the release was not there yet, and nothing of it was needed.
        added.update(_put_blobs(store, wanted, set(wanted), everything, execution, owners))
    return AddedRelease(store.name, id_, release, len(added), sum(added.values()), is_new, warnings)


def numbered(store: ReleaseStore, release: Release) -> Release:
    """Return `release` with the sequence number that it has in `store`, or else the next one of its product.

    Raises IntegrityError if a release is damaged, FormatError where no number is left, TargetError.
    """
    own = [each.release for each in store.releases() if each.release.product == release.product]
    following = max((each.sequence for each in own), default=0) + 1
    sequence = next((each.sequence for each in own if each.name == release.name), following)
    check_label(release.name, sequence)
    return replace(release, sequence=sequence)


def _put_blobs(
    store: ReleaseStore,
    wanted: Mapping[Digest, int],
    settled: set[Digest],
    content: Content,
    execution: Execution,
    owners: Owners | None,
) -> dict[Digest, int]:
    """Write those of the blobs `wanted` that are not there; return them. Those `settled` may be of any age."""
    execution = execution.task()
    now = datetime.now(UTC)
    with worker_pool(execution.threads, execution.cancellation) as pool:
        found = dict(zip(wanted, pool.map(lambda digest: store.objects.look(blob_name(digest)), wanted), strict=True))
        added = {digest: size for digest, size in wanted.items() if (at := found[digest]) is None or at.size != size}
        aged = {
            digest: wanted[digest]
            for digest, at in found.items()
            if at is not None and digest not in added and digest not in settled and now - at.time > FRESH
        }
        written = {**added, **aged}
        if not written:
            return {}

        with execution.part(f"adding blobs to {store.name}", sum(written.values()), owners) as part:

            def put(digest: Digest) -> None:
                with part.share(written[digest], digest) as share:
                    store.objects.put(blob_name(digest), _verified(content, digest, written[digest], share))
                _LOG.debug("blob %s: added, %d bytes", digest.short, written[digest])

            for _ in pool.map(put, written):
                pass
    return added


def _verified(content: Content, digest: Digest, size: int, share: Share) -> Iterator[bytes]:
    """Yield a blob. Raises IntegrityError at its end if it does not have its digest: it is not written then."""
    hasher = hashlib.sha256()
    with closing(content.open(digest, size)) as reader:
        for piece in pieces(reader, size):
            hasher.update(piece)
            share.advance(len(piece))
            yield bytes(piece)
    check_digest(hasher.digest(), digest)
