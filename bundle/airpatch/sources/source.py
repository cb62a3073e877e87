"""What every kind of source gives: images by name, each with its manifests, signatures and a way to its blobs.

Listing a source reads no manifest, so that images can be picked first; loading an image reads its manifests and
verifies them, and never a layer. What is wrong with an image is told in findings, not by the first error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from airpatch.blobs.content import Content, check_digest
from airpatch.errors import AirpatchError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Signature


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image: its top manifest and those below it that are there, as bytes and understood.

    `content` holds its blobs and signatures, in so far as the source does; `findings` tell what is wrong.
    """

    manifest: Digest
    manifests: Mapping[Digest, bytes]
    parsed: Mapping[Digest, Manifest]
    signatures: tuple[Signature, ...]
    content: Content
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An image in a source, not yet read. `where` is for messages; `load` raises AirpatchError."""

    name: ImageName
    where: str
    load: Callable[[], Loaded]


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a source, and what looks like an image but cannot be one."""

    entries: tuple[Entry, ...]
    findings: tuple[str, ...] = ()


class Source(Protocol):
    def listing(self) -> Listing:
        """All images. Raises SourceError if the source cannot be read at all."""


@dataclass(slots=True)
class Manifests:
    """The manifests at and below `top`, in so far as they can be read, and what is wrong with the others."""

    top: Digest
    content: dict[Digest, bytes]
    parsed: dict[Digest, Manifest]
    findings: list[str]


def read_manifests(top: Digest, read: Callable[[Digest], bytes]) -> Manifests:
    """Collect manifests through `read`, which raises AirpatchError for one that it cannot give."""
    found = Manifests(top, {}, {}, [])
    seen = {top}
    pending = [top]
    while pending:
        digest = pending.pop()
        try:
            content = read(digest)
            check_digest(Digest.of(content).raw, digest)
            manifest = parse_manifest(content)
        except AirpatchError as error:
            found.findings.append(f"manifest {digest}: {error.message}")
            continue
        found.content[digest] = content
        found.parsed[digest] = manifest
        below = [child.digest for child in manifest.manifests if child.digest not in seen]
        seen.update(below)
        pending += reversed(below)
    return found
