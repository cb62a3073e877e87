"""Merges bundles: a full bundle and patches into the full bundle of the last release, or a chain of patches into one.

A merged full bundle is the one that `create` makes of the last release; layer patches are carried out in scratch files.
A merged patch fits the bases of the first patch of the chain; it takes over layer patches unchanged, including those of
blobs that only intermediate releases have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.content import BlobReader, ChainedContent, Content, pieces, require
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format.index import Disposition, Index, SourceBlob, Step
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.layers.recipe import Whole, emit_header
from airpatch.layers.steps import sizes_of
from airpatch.model.digest import Digest
from airpatch.model.release import Blob, check_manifests
from airpatch.patches.chains import chain_steps, rebuild_chain, require_chain, require_patches
from airpatch.progress import ProgressPart


def merge_full(bundles: Sequence[BundleFile], execution: Execution) -> PreparedBundle:
    """Return the full bundle of the last of `bundles`, the first of which is full and the others patches, in order.

    Raises UsageError if the bundles are not of that kind, BaseMismatch if one lacks what the next needs, FormatError or
    IntegrityError if a layer patch is wrong.
    """
    first, *patches = bundles
    if not first.index.is_full:
        raise UsageError(f"{first.name}: is a patch; begin with a full bundle, or merge patches alone with --patch")
    require_patches(patches)
    _require_several(bundles)
    require_chain(bundles)
    release = patches[-1].index.release
    manifests = _manifests(bundles, release.blobs)
    check_manifests(release, manifests)
    rebuilt = _rebuild(bundles, execution)
    return PreparedBundle(Index.full(release), manifests, ChainedContent([*bundles, rebuilt]), resources=(rebuilt,))


def _rebuild(bundles: Sequence[BundleFile], execution: Execution) -> RebuiltContent:
    """Return those blobs made by layer patches that the last release needs."""
    stored = frozenset(blob.digest for bundle in bundles for blob in bundle.index.stored)
    wanted = {blob.digest for blob in bundles[-1].index.release.blobs}
    return rebuild_chain(chain_steps(bundles, wanted, stored), bundles, execution)


def merge_patches(patches: Sequence[BundleFile], execution: Execution) -> PreparedBundle:
    """Return one patch that has the effect of applying the `patches` one after the other. Raises UsageError,
    BaseMismatch.
    """
    require_patches(patches)
    _require_several(patches)
    require_chain(patches)
    chain = _Chain(patches, execution)
    release = patches[-1].index.release
    dispositions = tuple(chain.disposition(blob.digest) for blob in release.blobs)
    chain.make({b.digest for b, its in zip(release.blobs, dispositions, strict=True) if its is Disposition.PATCHED})
    repositories = {image.name.repository for image in release.images}
    removed = {name for patch in patches for name in patch.index.removed if name not in repositories}
    sources = tuple(chain.sources[digest] for digest in sorted(chain.sources))
    steps = tuple(chain.steps.values())
    features = {feature.name: feature for patch in patches for feature in patch.index.features} if steps else {}
    index = Index(
        release,
        dispositions,
        patches[0].index.bases,
        tuple(sorted(removed)),
        sources,
        steps,
        tuple(sorted(features.values())),
    )
    return PreparedBundle(index, _manifests(patches, index.stored), ChainedContent([*patches, chain.whole]))


class _Chain:
    """Follows blobs back through a chain of patches to where they come from; `whole` has those that travel whole.

    Of several steps that make a blob, the first counts. Thus the steps taken over need only what the target has, what a
    patch stores, and earlier ones of these steps.
    """

    def __init__(self, patches: Sequence[BundleFile], execution: Execution) -> None:
        self._execution = execution
        self.steps: dict[Digest, Step] = {}
        self.sources: dict[Digest, SourceBlob] = {}
        self._union = ChainedContent(patches)
        self._there = {blob.digest for blob in patches[0].index.needed}
        self._release = {blob.digest for blob in patches[-1].index.release.blobs}
        self._made: dict[Digest, Step] = {}
        for step in (step for patch in patches for step in patch.index.steps):
            self._made.setdefault(step.digest, step)
        self._sizes = {digest: sizes for patch in patches for digest, sizes in sizes_of(patch.index).items()}
        self.whole = WholePatches(self._union)

    def disposition(self, digest: Digest) -> Disposition:
        """Return what the merged patch does with a blob of the last release."""
        if digest in self._there:
            return Disposition.LEFT_OUT
        if self._union.size(digest) is not None:
            return Disposition.STORED
        return Disposition.PATCHED if digest in self._made else Disposition.LEFT_OUT

    def make(self, digests: set[Digest]) -> None:
        """Take over the steps that make the blobs, and before them those that make their sources."""
        needed = set(digests)
        for step in reversed(self._made.values()):
            if step.digest in needed:
                needed.update(source for source in step.sources if self.disposition(source) is Disposition.PATCHED)
        taken = [step for step in self._made.values() if step.digest in needed]
        between = {source for step in taken for source in step.sources if self._is_between(source)}
        total = sum(self._sizes[digest][0] for digest in between)
        with self._execution.part("reading blobs of intermediate releases", total) as part:
            for step in taken:
                for source in step.sources:
                    if source in between:
                        self._travel_whole(source, part)
                    elif self.disposition(source) is not Disposition.PATCHED:
                        self.sources[source] = SourceBlob(source, *self._sizes[source])
                self.steps[step.digest] = step

    def _is_between(self, source: Digest) -> bool:
        """Return whether a patch of the chain stores the blob, which the last release does not have."""
        return source not in self._release and self.disposition(source) is Disposition.STORED

    def _travel_whole(self, digest: Digest, part: ProgressPart) -> None:
        """Make a blob of an intermediate release, which a patch of the chain stores, a step without a difference."""
        if digest in self.steps:
            return
        size, uncompressed_size = self._sizes[digest]
        header = emit_header(Whole(), (size,))
        hasher = hashlib.sha256(header)
        with closing(self._union.open(digest, size)) as reader:
            for piece in pieces(reader, size):
                hasher.update(piece)
                part.advance(len(piece), digest)
        patch = Digest(hasher.digest())
        self.whole.add(patch, header, digest, size)
        self.steps[digest] = Step(digest, size, uncompressed_size, patch, len(header) + size, ())


class WholePatches:
    """Layer patches that contain a blob unchanged: a `Content` of headers, each followed by a blob out of `blobs`."""

    def __init__(self, blobs: Content) -> None:
        self._blobs = blobs
        self._patches: dict[Digest, tuple[bytes, Digest, int]] = {}

    def add(self, patch: Digest, header: bytes, blob: Digest, size: int) -> None:
        """Add `patch`, which is `header` and the blob of `size` bytes."""
        self._patches[patch] = header, blob, size

    def size(self, digest: Digest) -> int | None:
        patch = self._patches.get(digest)
        return None if patch is None else len(patch[0]) + patch[2]

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, "the layer patches that contain whole blobs")
        header, blob, length = self._patches[digest]
        return _WholeReader(header, self._blobs.open(blob, length))


class _WholeReader:
    """A layer patch that is a header and a whole blob."""

    def __init__(self, header: bytes, blob: BlobReader) -> None:
        self._header = header
        self._blob = blob

    def read_into(self, view: memoryview, offset: int) -> None:
        start = self._header[offset : offset + len(view)]
        view[: len(start)] = start
        if len(view) > len(start):
            self._blob.read_into(view[len(start) :], offset + len(start) - len(self._header))

    def close(self) -> None:
        self._blob.close()


def _require_several(bundles: Sequence[BundleFile]) -> None:
    if len(bundles) < 2:
        raise UsageError("merge needs at least two bundles")


def _manifests(bundles: Sequence[BundleFile], blobs: Sequence[Blob]) -> dict[Digest, bytes]:
    wanted = {blob.digest for blob in blobs if blob.is_manifest}
    found: dict[Digest, bytes] = {}
    for bundle in bundles:
        found |= {digest: content for digest, content in bundle.manifests().items() if digest in wanted}
    return found
