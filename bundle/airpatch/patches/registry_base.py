"""A registry as the base of patches: its manifests, and the places of the blobs that layer patches build upon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BytesContent, ChainedContent, Content
from airpatch.destinations.registry_plan import RepositoryPlan
from airpatch.format.index import SourceBlob, Step
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Blob
from airpatch.model.walk import walk
from airpatch.patches.chains import chain_steps
from airpatch.registry_api.pulling import Repository
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from airpatch.registry_api.transport import Transport


class RegistryBase:
    """What the `repositories` of a registry have of what `patches` need.

    `others` are repositories that the release no longer has, in which old layers may lie.
    """

    def __init__(
        self,
        patches: Sequence[BundleFile],
        repositories: Mapping[str, RepositoryPlan],
        others: Sequence[Repository],
        blobs: RemoteBlobs,
        transport: Transport,
    ) -> None:
        self._patches = patches
        self._repositories = repositories
        self._others = others
        self._transport = transport
        self.blobs = blobs
        self.manifests: dict[Digest, bytes] = {}
        self.lost: dict[Digest, Blob] = {}
        """Blobs of the release that are unobtainable, since the registry lacks them or what they are made from."""

    def read_manifests(self) -> None:
        """Collect the manifests of the release: from the patches, or from the registry where the patches omit them."""
        for patch in self._patches:
            self.manifests |= patch.manifests()
        release = self._patches[-1].index.release
        rows = {blob.digest: blob for blob in release.blobs if blob.is_manifest}

        def collect(plan: RepositoryPlan) -> None:
            def read(digest: Digest) -> Manifest | None:
                content = self.manifests.get(digest) or plan.repository.find_manifest(str(digest))
                if content is None:
                    return None
                self.manifests[digest] = content
                return parse_manifest(content)

            for _ in walk((image.manifest for image in plan.images), read):
                pass

        with self._transport.workers() as pool:
            list(pool.map(collect, self._repositories.values()))
        self.manifests = {digest: content for digest, content in self.manifests.items() if digest in rows}
        self.lost |= {digest: row for digest, row in rows.items() if digest not in self.manifests}

    def find_lost(self) -> None:
        """Find out what the registry lacks beside lost manifests. Which blobs these name is not known, so all of the
        release count.
        """
        rows = [blob for blob in self._patches[-1].index.release.blobs if not blob.is_manifest]
        places = [*(plan.repository for plan in self._repositories.values()), *self._others]

        def is_there(blob: Blob) -> bool:
            return any(place.blob_size(blob.digest, blob.size) == blob.size for place in places)

        with self._transport.workers() as pool:
            there = list(pool.map(is_there, rows))
        self.find_sources(blob.digest for blob, found in zip(rows, there, strict=True) if not found)

    def find_sources(self, wanted: Iterable[Digest]) -> None:
        """Find in the registry what the layer patches of the blobs `wanted` build upon."""
        wanted = set(wanted)
        stored = {blob.digest for patch in self._patches for blob in patch.index.stored}
        work = chain_steps(self._patches, wanted, stored)
        steps = [step for _, steps in work for step in steps]
        made = {step.digest for step in steps}
        sizes = {s.digest: s.size for patch in self._patches for s in _sources(patch)}
        users = {source: step.digest for step in steps for source in step.sources}
        sources = [source for source in users if source not in made and source not in stored]
        with self._transport.workers() as pool:
            found = pool.map(lambda digest: self._find(digest, sizes[digest], users[digest]), sources)
            for digest, blob in zip(sources, found, strict=True):
                if blob is not None:
                    self.blobs.known[digest] = blob
        self._note_lost(wanted, steps, stored)

    def _find(self, digest: Digest, size: int, user: Digest) -> RemoteBlob | None:
        """Look first where the blob made from it is used: its predecessor was in the same place."""
        near = [plan.repository for plan in self._repositories.values() if user in self._blobs_of(plan)]
        far = [plan.repository for plan in self._repositories.values() if plan.repository not in near]
        for repository in (*near, *far, *self._others):
            if repository.blob_size(digest, size) == size:
                return RemoteBlob(repository, size)
        return None

    def _blobs_of(self, plan: RepositoryPlan) -> set[Digest]:
        read = {digest: parse_manifest(content) for digest, content in self.manifests.items()}
        found = walk((image.manifest for image in plan.images), read.get)
        return {blob.digest for _, manifest in found for blob in manifest.blobs}

    def _note_lost(self, wanted: set[Digest], steps: Sequence[Step], stored: set[Digest]) -> None:
        """Find out which blobs cannot be made, in the order of the steps."""
        there = stored | set(self.blobs.known)
        for step in steps:
            if there.issuperset(step.sources):
                there.add(step.digest)
        rows = {blob.digest: blob for blob in self._patches[-1].index.release.blobs}
        self.lost |= {digest: rows[digest] for digest in wanted - there}

    @property
    def content(self) -> Content:
        """Manifests and sources that were found."""
        return ChainedContent([BytesContent(self.manifests), self.blobs])


def _sources(patch: BundleFile) -> Iterable[SourceBlob | Step]:
    return (*patch.index.sources, *patch.index.steps)
