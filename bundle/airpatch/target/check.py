"""Which of a bundle's blobs a root has, and whether the bundle may be applied to it. Reads only.

A blob that the bundle contains and the root already has is hashed: a correct one need not be written, a wrong one will
be replaced. A blob that the bundle leaves out must be there in its size; `deep` hashes those, too.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from airpatch import limits
from airpatch.errors import BaseMismatch, FormatError, IntegrityError, TargetError, TrustError
from airpatch.execution import Execution
from airpatch.format import registry
from airpatch.format.index import Index, Step
from airpatch.layers.steps import steps_for
from airpatch.linux import close_read
from airpatch.model.digest import Digest
from airpatch.model.lacking import lacking_by_image
from airpatch.model.manifest import Manifest
from airpatch.model.release import Blob, ImageSignature, Release
from airpatch.progress import ProgressPart
from airpatch.target.root import Root
from airpatch.target.state import all_current, interrupted, receipts
from airpatch.units import count, megabytes

_PIECE = 1 << 20
_HASHING_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ManifestsAhead:
    """Those manifests of a release that are available now; those still to come through a pipe are not."""

    found: Mapping[Digest, Manifest]
    are_all: bool
    """Whether these are all, and fit the release."""


@dataclass(slots=True)
class InstallPlan:
    """Which blobs of the bundle that `index` describes a root has."""

    index: Index
    present: set[Digest] = field(default_factory=set)
    """Present with the right size and, where it was checked, the right content."""
    wrong: set[Digest] = field(default_factory=set)
    """Present with wrong content or a wrong size."""
    steps: list[Step] = field(default_factory=list)
    """The steps to carry out."""
    missing: list[Blob] = field(default_factory=list)
    """Needed, but missing or wrong, and not in another bundle either."""
    wanted: list[Blob] = field(default_factory=list)
    """The blobs of the release that are not available because of those missing."""
    ahead: ManifestsAhead = ManifestsAhead({}, False)
    """Those manifests of the release that are known before the bundle is read."""
    brought_before: AbstractSet[Digest] = frozenset()
    """What bundles that are applied before this one write."""

    @property
    def to_write(self) -> tuple[Blob, ...]:
        index = self.index
        there = self.present | self.brought_before
        return tuple(b for b in (*index.stored, *index.patched) if b.digest not in there)

    @property
    def missing_by_image(self) -> list[str]:
        """Lines that say what is missing."""
        sizes = {blob.digest: blob.size for blob in self.missing}
        made_of = {step.digest: step.sources for step in self.steps}
        return lacking_by_image(self.index.release.images, self.ahead.found, sizes, self.wrong, made_of)


def examine(
    root: Root | None,
    index: Index,
    stored: AbstractSet[Digest],
    made: AbstractSet[Digest],
    pool: Executor,
    execution: Execution,
    *,
    deep: bool = False,
) -> InstallPlan:
    """Return what `root` has (None: it does not exist yet), and what has to be done.

    `stored` are the blobs that the bundles to apply hold, `made` those that their steps make.
    """
    plan = InstallPlan(index)
    to_hash: list[Blob] = []
    brought = {blob.digest for blob in (*index.stored, *index.patched)}
    for blob in (*index.stored, *index.patched, *index.needed):
        size = root.size(registry.blob_path(blob.digest)) if root is not None else None
        if size is not None and size != blob.size:
            plan.wrong.add(blob.digest)
        elif size is not None and (deep or blob.digest in brought or blob.is_manifest):
            to_hash.append(blob)
        elif size is not None:
            plan.present.add(blob.digest)
    if root is not None and to_hash:
        with execution.part("checking the target", sum(blob.size for blob in to_hash)) as part:
            checked = list(hash_blobs(root, to_hash, pool, part))
        for blob, right in checked:
            (plan.present if right else plan.wrong).add(blob.digest)
    there = plan.present | stored
    plan.steps = steps_for(index, [b.digest for b in index.patched if b.digest not in there], there)
    _find_missing(plan, there | made)
    return plan


def _find_missing(plan: InstallPlan, coming: AbstractSet[Digest]) -> None:
    """What is needed and neither there nor `coming`, and what cannot be had without it."""
    index = plan.index
    used = {source for step in plan.steps for source in step.sources}
    left_out = {blob.digest for blob in index.left_out}
    plan.missing = [b for b in index.needed if b.digest not in coming and (b.digest in left_out or b.digest in used)]
    lost = {blob.digest for blob in plan.missing}
    for step in plan.steps:
        if not lost.isdisjoint(step.sources):
            lost.add(step.digest)
    plan.wanted = [blob for blob in index.release.blobs if blob.digest in lost]


def hash_blobs(
    root: Root, blobs: Iterable[Blob], pool: Executor, part: ProgressPart | None = None
) -> Iterator[tuple[Blob, bool]]:
    """Yield for each blob of `root` whether its file has its digest. `part` counts the bytes of all."""
    part = part or ProgressPart()
    under_way: deque[tuple[Blob, Future[bytes]]] = deque()

    def finish() -> tuple[Blob, bool]:
        blob, future = under_way.popleft()
        return blob, future.result() == blob.digest.raw

    def hash_one(blob: Blob, fd: int, path: str) -> bytes:
        with part.share(blob.size, blob.digest) as share:
            return hash_file(fd, str(root.path / path), share.advance)

    for blob in blobs:
        path = registry.blob_path(blob.digest)
        try:
            fd = root.open(path)
        except FileNotFoundError:  # removed by a concurrent garbage collection
            part.advance(blob.size, blob.digest)
            yield blob, False
            continue
        under_way.append((blob, pool.submit(hash_one, blob, fd, path)))
        if len(under_way) >= _HASHING_AT_ONCE:
            yield finish()
    while under_way:
        yield finish()


def hash_file(fd: int, name: str, advance: Callable[[int], None]) -> bytes:
    """Return the sha256 of the file behind `fd`, which is closed. `advance` receives how many bytes are read."""
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    try:
        while count := os.readv(fd, [buffer]):
            hasher.update(buffer[:count])
            advance(count)
    except OSError as error:
        raise TargetError(f"{name}: cannot be read: {error.strerror}") from None
    finally:
        close_read(fd)
    return hasher.digest()


def read_manifest(root: Root, digest: Digest) -> bytes:
    """Return a manifest that `root` has, verified. Raises BaseMismatch if it is not there, IntegrityError if it is
    wrong.
    """
    content = root.read(registry.blob_path(digest), limits.MANIFEST.value)
    if content is None:
        raise BaseMismatch(f"{root.path}: manifest {digest} is not there")
    if Digest.of(content) != digest:
        raise IntegrityError(f"{root.path / registry.blob_path(digest)}: content does not have its digest")
    return content


def require_base(
    plans: Sequence[InstallPlan], root: Path, *, is_new: bool, request: str | os.PathLike[str] | None = None
) -> None:
    """Raise BaseMismatch, listing them, if blobs are missing that bundles leave out.

    `request` is the file that now asks for them, if there is one.
    """
    missing = {blob: plan for plan in plans for blob in plan.missing}
    if not missing:
        return
    size = megabytes(sum(blob.size for blob in missing))
    made_for = {base for plan in missing.values() for base in plan.index.bases}
    bases = " or ".join(sorted({base.name for base in made_for}))
    lacking = f"{root} lacks {count(len(missing), 'blob')} of {size} that"
    findings = list(dict.fromkeys(line for plan in plans for line in plan.missing_by_image))
    if made_for and all(base.is_request for base in made_for):
        advice = "apply it together with the patch that it completes"
        raise BaseMismatch(f"{lacking} this top-up does not bring: {advice}", findings)
    if is_new:
        raise BaseMismatch(
            f"there is no registry at {root} yet, but the patch needs one that has {bases}; name the right root, or "
            "bring a full bundle"
        )
    raise BaseMismatch(
        f"{lacking} the patch needs; it was made for {bases}. {top_up_advice(request, 'apply')}; or bring a full "
        "bundle",
        findings,
    )


def top_up_advice(request: str | os.PathLike[str] | None, verb: str) -> str:
    """Return what to do where blobs are missing: `request` is the file that lists them, if there is one, and `verb`
    what is then done with the patch and the top-up.
    """
    have = "Write a request with --request FILE, have" if request is None else "Have"
    return (
        f"{have} the sender make a top-up with diff --base {request or 'FILE'}, and {verb} the patch and the top-up "
        "together"
    )


class Timeline:
    """The releases of each product that a root has or had, and those to be applied: who may follow whom.

    A release that was begun and not finished counts as the others do: its tags may stand already.
    """

    def __init__(self, root: Root | None) -> None:
        self._releases: dict[Digest, Release] = {}
        self._current: dict[str, Digest] = {}
        if root is None:
            return
        self._releases = {id_: receipt.release for id_, receipt in receipts(root).items()}
        self._current = all_current(root)
        begun = interrupted(root)
        if begun is not None:
            self._releases[begun.id] = begun.release
            self._current[begun.release.product] = begun.id

    def follow(self, index: Index, *, allow_downgrade: bool) -> str | None:
        """Let the release of `index` come next; return the name of the one that it replaces if it is a downgrade.

        It is one if a release of its product has a greater sequence number; without numbers, if it was installed
        and is not current. The current release may always be applied again. Raises TrustError unless
        `allow_downgrade`.
        """
        release, id_ = index.release, index.release_id
        now = self._current.get(release.product)
        own = [other for other in self._releases.values() if other.product == release.product]
        newest = max(own, key=lambda other: other.sequence, default=release)
        left = None
        if now != id_:
            if newest.sequence > release.sequence:
                left, number = newest, f"number {release.sequence}" if release.sequence else "which has no number"
                why = f"{release.name}, {number}, would come after {left.name}, number {left.sequence}"
            elif not newest.sequence and id_ in self._releases and now in self._releases:
                left = self._releases[now]
                why = f"{release.name} was installed before {left.name}, and no number says that it is newer"
        if left is not None and not allow_downgrade:
            raise TrustError(f"release {why}; to go back to it all the same, use 'airpatch apply --allow-downgrade'")
        self._releases[id_] = release
        self._current[release.product] = id_
        return left.name if left is not None else None


def require_agreement(indexes: Sequence[Index]) -> None:
    """Raise FormatError if bundles that are applied together contradict each other about a blob or signature."""
    sizes: dict[Digest, tuple[int, str]] = {}
    for index in indexes:
        release = index.release
        rows: list[Blob | ImageSignature] = [*release.blobs, *index.needed]
        rows += [signature for image in release.images for signature in image.signatures]
        for row in rows:
            size, name = sizes.setdefault(row.digest, (row.size, release.name))
            if size != row.size:
                raise FormatError(
                    f"{row.digest} has {row.size} bytes in {release.name} and {size} in {name}: one of the bundles is "
                    "wrong, and nothing was applied"
                )


def present(plans: Sequence[InstallPlan]) -> set[Digest]:
    """Return what the root has and what is right, whichever bundle asks."""
    return {digest for plan in plans for digest in plan.present}.difference(*(plan.wrong for plan in plans))
