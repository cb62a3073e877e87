"""Merges bundles: a full bundle and patches into the full bundle of the last release, or a chain of patches into one.

A merged full bundle is the one that `create` makes of the last release. A merged patch fits the bases of the first
patch of the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bundle.archive.bundle_file import BundleFile
from bundle.archive.content import BlobReader
from bundle.errors import BaseMismatch, UsageError
from bundle.format.index import Index, Plan
from bundle.model.digest import Digest
from bundle.model.release import Blob, check_manifests
from bundle.sources.gather import Gathered


@dataclass(frozen=True, slots=True)
class Merged:
    """The bundle to be: its index, and what it is made of."""

    index: Index
    gathered: Gathered


class _Union:
    """The content of several bundles: each blob out of the first that has it."""

    def __init__(self, bundles: Sequence[BundleFile]) -> None:
        self._bundles = bundles

    def size(self, digest: Digest) -> int | None:
        return next((size for bundle in self._bundles if (size := bundle.size(digest)) is not None), None)

    def open(self, digest: Digest, size: int) -> BlobReader:
        for bundle in self._bundles:
            if bundle.size(digest) is not None:
                return bundle.open(digest, size)
        raise BaseMismatch(f"none of the bundles holds {digest}")


def merge(bundles: Sequence[BundleFile]) -> Merged:
    """The full bundle of the last of `bundles`, the first of which is full and the others patches, in order.

    Raises UsageError if the bundles are not of that kind, BaseMismatch if one lacks what the next needs.
    """
    first, *patches = bundles
    if not first.index.is_full:
        raise UsageError(f"{first.name}: is a patch; begin with a full bundle, or merge patches alone with --patch")
    _require_patches(patches)
    _require_chain(bundles)
    release = patches[-1].index.release
    manifests = _manifests(bundles, release.blobs)
    check_manifests(release, manifests)
    return Merged(Index.full(release), Gathered(release, manifests, _Union(bundles)))


def merge_patches(patches: Sequence[BundleFile]) -> Merged:
    """One patch that does what the `patches` do one after the other. Raises UsageError, BaseMismatch."""
    _require_patches(patches)
    _require_chain(patches)
    union = _Union(patches)
    release = patches[-1].index.release
    plans = tuple(Plan.LEFT_OUT if union.size(blob.digest) is None else Plan.STORED for blob in release.blobs)
    repositories = {image.name.repository for image in release.images}
    removed = {name for patch in patches for name in patch.index.removed if name not in repositories}
    index = Index(release, plans, patches[0].index.bases, tuple(sorted(removed)))
    return Merged(index, Gathered(release, _manifests(patches, index.stored), union))


def _require_patches(bundles: Sequence[BundleFile]) -> None:
    for bundle in bundles:
        if bundle.index.is_full:
            raise UsageError(f"{bundle.name}: is a full bundle where a patch belongs")


def _require_chain(bundles: Sequence[BundleFile]) -> None:
    """Every patch behind the first bundle must find what it leaves out in the release before it."""
    for before, patch in pairwise(bundles):
        there = {blob.digest for blob in before.index.release.blobs}
        missing = [f"{blob.digest} {blob.size} bytes" for blob in patch.index.left_out if blob.digest not in there]
        if missing:
            bases = " or ".join(base.name for base in patch.index.bases)
            raise BaseMismatch(
                f"{patch.name} was made for {bases} and does not fit {before.name}, which is release "
                f"{before.index.release.name}; it lacks blobs",
                missing,
            )


def _manifests(bundles: Sequence[BundleFile], blobs: Sequence[Blob]) -> dict[Digest, bytes]:
    wanted = {blob.digest for blob in blobs if blob.is_manifest}
    found: dict[Digest, bytes] = {}
    for bundle in bundles:
        found |= {digest: content for digest, content in bundle.manifests().items() if digest in wanted}
    return found
