"""The release that patches lead to, without a root: made from the patches and what their base has.

Nothing is rebuilt before the caller says which blobs it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BytesContent, ChainedContent, Content, read_blob
from airpatch.errors import BaseMismatch, UsageError
from airpatch.execution import Execution
from airpatch.format.registry import STORAGE
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.model.digest import Digest
from airpatch.model.release import Release, check_manifests
from airpatch.patches.bases import open_base, readable
from airpatch.patches.chains import Work, chain_steps, rebuild_chain, require_chain, require_patches
from airpatch.registry_api.access import PullOptions
from airpatch.sources.gather import gather
from airpatch.sources.kinds import is_other_source, open_source


class CompletedRelease:
    """The release of the last of `patches`, each of which follows on the one before it, upon `base`.

    `base` says by `size` what it has. Raises UsageError if one of `patches` is a full bundle, BaseMismatch if they do
    not follow each other.
    """

    def __init__(self, patches: Sequence[BundleFile], base: Content) -> None:
        require_patches(patches)
        require_chain(patches)
        self.release: Release = patches[-1].index.release
        self.patches = patches
        self.base = base
        self._stored = {blob.digest for patch in patches for blob in patch.index.stored}

    def manifests(self) -> dict[Digest, bytes]:
        """Return all manifests of the release, verified. Raises SourceError, IntegrityError, FormatError."""
        content = ChainedContent([*self.patches, self.base])
        found = {b.digest: read_blob(content, b.digest, b.size) for b in self.release.blobs if b.is_manifest}
        check_manifests(self.release, found)
        return found

    def from_base(self, wanted: Iterable[Digest]) -> set[Digest]:
        """Return the blobs of the base that must be read to get those `wanted`."""
        needed = set(wanted)
        for _, steps in self.work(needed):
            needed.update(source for step in steps for source in step.sources)
        return {digest for digest in needed - self._stored if self.base.size(digest) is not None}

    def content(self, wanted: Iterable[Digest], execution: Execution) -> tuple[Content, RebuiltContent]:
        """Return where the blobs `wanted` of the release can be read, and the rebuilt ones, which the caller closes.

        Raises BaseMismatch if a blob of the base is wrong, FormatError or IntegrityError if a layer patch is,
        TargetError if there is no room.
        """
        rebuilt = rebuild_chain(self.work(wanted), [*self.patches, self.base], execution)
        return ChainedContent([*self.patches, rebuilt, self.base]), rebuilt

    def work(self, wanted: Iterable[Digest]) -> Work:
        """Return the steps of each patch that make the blobs `wanted`, and what these build upon."""
        return chain_steps(self.patches, wanted, self._stored | self._in_base)

    @property
    def _in_base(self) -> set[Digest]:
        known = {blob.digest for patch in self.patches for blob in patch.index.release.blobs}
        known.update(source for patch in self.patches for step in patch.index.steps for source in step.sources)
        return {digest for digest in known if self.base.size(digest) is not None}


def complete_upon(
    name: str, patches: Sequence[BundleFile], execution: Execution, pull: PullOptions | None = None
) -> CompletedRelease:
    """Return the release of the last of `patches` upon the base `name`: a full bundle, a root, or any other source.

    Raises UsageError if the base holds no content, BaseMismatch if the patches do not fit it, and what `open_base`
    raises.
    """
    require_patches(patches)
    content, fetch = _content_of(name, patches[0], execution, pull)
    if missing := [blob for blob in patches[0].index.needed if content.size(blob.digest) != blob.size]:
        made_for = " or ".join(base.name for base in patches[0].index.bases)
        raise BaseMismatch(
            f"{name} lacks blobs that the patch needs; it was made for {made_for}",
            [f"{blob.digest} {blob.size} bytes" for blob in missing],
        )
    fetch([blob.digest for blob in patches[0].index.needed], execution)
    return CompletedRelease(patches, content)


def _content_of(
    name: str, patch: BundleFile, execution: Execution, pull: PullOptions | None
) -> tuple[Content, Callable[[Sequence[Digest], Execution], None]]:
    """Return the blobs of the base, and what fetches those that are on another host.

    Where it keeps them by digest, they count whatever images they belong to: images may be incomplete.
    """
    path = Path(name)
    if is_other_source(name) or (path.is_dir() and not (path / STORAGE).is_dir()):
        blobs = open_source(name, execution.scratch, pull).all_blobs
        if blobs is not None:
            return blobs, _all_here
        gathered = gather([name], execution, pull=pull)
        return ChainedContent([gathered.content, BytesContent(gathered.manifests)]), gathered.fetch
    base = open_base(name, patch.index.release, pull)
    content = readable(base, [blob.digest for blob in patch.index.needed], execution)
    if content is None:
        raise UsageError(f"{name}: holds no blobs; give a full bundle, a registry's root, or another source of images")
    return content, _all_here


def _all_here(_digests: Sequence[Digest], _execution: Execution) -> None:
    """Nothing is on another host."""
