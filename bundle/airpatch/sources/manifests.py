"""The manifests of an image, read from its top one down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airpatch.blobs.content import check_digest
from airpatch.errors import AirpatchError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.walk import walk


@dataclass(slots=True)
class Manifests:
    """The manifests at and below `top` that could be read, and what is wrong with the others."""

    top: Digest
    content: dict[Digest, bytes]
    parsed: dict[Digest, Manifest]
    findings: list[str]


def read_manifests(top: Digest, read: Callable[[Digest], bytes]) -> Manifests:
    """Collect manifests through `read`, which raises AirpatchError for one that it cannot give."""
    found = Manifests(top, {}, {}, [])

    def verified(digest: Digest) -> Manifest | None:
        try:
            content = read(digest)
            check_digest(Digest.of(content).raw, digest)
            manifest = parse_manifest(content)
        except AirpatchError as error:
            found.findings.append(f"manifest {digest}: {error.message}")
            return None
        found.content[digest] = content
        return manifest

    found.parsed.update(walk([top], verified))
    return found
