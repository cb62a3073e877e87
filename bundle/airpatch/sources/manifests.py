"""The manifests of an image, read from its top one down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airpatch import limits
from airpatch.blobs.content import Content, check_digest
from airpatch.errors import AirpatchError, SourceError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import ImageSignature
from airpatch.model.walk import walk
from airpatch.sources.source import LoadedImage

if TYPE_CHECKING:
    from airpatch.registry_api.remote_blobs import RemoteBlobs

ReadManifest = Callable[[Digest], bytes | None]
"""Returns a manifest's bytes, None if it is not there. Raises AirpatchError if it is there but cannot be read."""


@dataclass(slots=True)
class Manifests:
    """The manifests at and below `top` that could be read, those that are not there, and what is wrong with others."""

    top: Digest
    content: dict[Digest, bytes] = field(default_factory=dict)
    parsed: dict[Digest, Manifest] = field(default_factory=dict)
    missing: set[Digest] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)

    def image(
        self, content: Content, signatures: Sequence[ImageSignature] = (), remote: RemoteBlobs | None = None
    ) -> LoadedImage:
        """Return the image that they are of. `content` has its blobs and signatures, `remote` as in LoadedImage."""
        return LoadedImage(
            self.top,
            self.content,
            self.parsed,
            tuple(signatures),
            content,
            frozenset(self.missing),
            tuple(self.findings),
            remote,
        )


def read_manifests(top: Digest, read: ReadManifest) -> Manifests:
    """Collect the manifests at and below `top`. Raises SourceError if they are more than a release may have."""
    found = Manifests(top)
    size = 0

    def verified(digest: Digest) -> Manifest | None:
        nonlocal size
        try:
            content = read(digest)
            if content is None:
                found.missing.add(digest)
                return None
            check_digest(Digest.of(content).raw, digest)
            manifest = parse_manifest(content)
        except AirpatchError as error:
            found.findings.append(f"manifest {digest}: {error.message}")
            return None
        size += len(content)
        if size > limits.MANIFESTS.value:
            raise SourceError(f"the manifests below {top} have more than {limits.MANIFESTS} bytes in all")
        found.content[digest] = content
        return manifest

    found.parsed.update(walk([top], verified))
    return found
