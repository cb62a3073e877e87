"""The storage of a registry (distribution 2.x and 3, `registry/storage/paths.go`): its paths, links and write order.

All paths are relative to the root, the directory that holds `docker/registry/v2`. A link is a file that holds
nothing but a digest in text form. Links come in four stages, and a target must have all of one stage on disk before
the next: a garbage collection marks from revisions, a client reads from tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Release
from airpatch.model.walk import walk

STORAGE = "docker/registry/v2"
BLOBS = f"{STORAGE}/blobs"
REPOSITORIES = f"{STORAGE}/repositories"
MAX_LINKS = 1 << 20
"""Links of a release: 10,000 images of 30 layers have 330,000. A small index could ask for billions."""
MAX_ENTRIES = 1 << 22
"""Manifests of each repository, and what they list: work, though it gives few links where they list the same."""
BLOB_PATH = re.compile(rf"{BLOBS}/sha256/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})/data", re.ASCII)


class Stage(IntEnum):
    """What a link makes visible, in the order of writing."""

    LAYER = 0
    """`_layers`: the blob may be pulled through the repository."""
    REVISION = 1
    """`_manifests/revisions`: the manifest may be pulled by digest, and garbage collection keeps what it needs."""
    TAG_INDEX = 2
    """`_manifests/tags/TAG/index`: the tag has, or had, this manifest."""
    TAG = 3
    """`_manifests/tags/TAG/current`: the tag is this manifest."""


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A link file: its stage, its path and the digest that it holds."""

    stage: Stage
    path: str
    digest: Digest

    @property
    def content(self) -> bytes:
        return str(self.digest).encode()


def blob_path(digest: Digest) -> str:
    """Return where a registry keeps the blob (spec/FORMAT.md, Paths)."""
    return f"{BLOBS}/sha256/{digest.hex[:2]}/{digest.hex}/data"


def repository_path(repository: str) -> str:
    """Return the folder of a repository."""
    return f"{REPOSITORIES}/{repository}"


def layer_link(repository: str, digest: Digest) -> Link:
    """Return the link by which a repository has a config or layer."""
    return Link(Stage.LAYER, f"{repository_path(repository)}/_layers/sha256/{digest.hex}/link", digest)


def revision_link(repository: str, digest: Digest) -> Link:
    """Return the link by which a repository has a manifest."""
    path = f"{repository_path(repository)}/_manifests/revisions/sha256/{digest.hex}/link"
    return Link(Stage.REVISION, path, digest)


def tag_folder(name: ImageName) -> str:
    """Return the folder of a tag."""
    return f"{repository_path(name.repository)}/_manifests/tags/{name.tag}"


def tag_folder_of(link: Link) -> str:
    """Return the folder of the tag that a link of the stages TAG_INDEX and TAG belongs to."""
    return link.path.rpartition("/current/" if link.stage is Stage.TAG else "/index/")[0]


def tag_index_link(name: ImageName, digest: Digest) -> Link:
    """Return the link that lists a manifest among those that the tag has pointed to."""
    return Link(Stage.TAG_INDEX, f"{tag_folder(name)}/index/sha256/{digest.hex}/link", digest)


def tag_link(name: ImageName, digest: Digest) -> Link:
    """Return the link that makes the tag point to a manifest."""
    return Link(Stage.TAG, f"{tag_folder(name)}/current/link", digest)


def links(release: Release, manifests: Mapping[Digest, Manifest]) -> list[Link]:
    """Return all links of `release`, sorted by stage and path. `manifests` holds every manifest of the release.

    Raises FormatError if they are over the limit.
    """
    found: list[Link] = []
    for link in _links(release, manifests):
        found.append(link)
        if len(found) > MAX_LINKS:
            raise FormatError(f"the release has more than {MAX_LINKS} links")
    return sorted(found)


def _links(release: Release, manifests: Mapping[Digest, Manifest]) -> Iterator[Link]:
    """Yield each link once."""
    entries = 0
    for repository, group in groupby(release.images, key=lambda image: image.name.repository):
        images = list(group)
        revisions = dict(walk((image.manifest for image in images), manifests.__getitem__))
        entries += sum(1 + len(revision.blobs) + len(revision.manifests) for revision in revisions.values())
        if entries > MAX_ENTRIES:
            raise FormatError(f"the manifests of the release's repositories have more than {MAX_ENTRIES} entries")
        for digest in revisions:
            yield revision_link(repository, digest)
        for digest in {blob.digest for revision in revisions.values() for blob in revision.blobs}:
            yield layer_link(repository, digest)
        for image in images:
            yield tag_index_link(image.name, image.manifest)
            yield tag_link(image.name, image.manifest)
