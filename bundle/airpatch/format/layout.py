"""The order of a bundle's members and how its tar stream is cut into frames (spec/FORMAT.md, Structure).

Everything follows from the index, and for the links from the manifests: a writer asks here what to write next, a
reader what must come next. There are five sections, and frames never reach from one into the next:

    INDEX      the index alone
    SIGNATURES those over the index, which it does not foretell
    DATA       image signatures, then layers and configs, then layer patches
    MANIFESTS  manifests, children first
    LINKS      the links, stage by stage, unless the bundle leaves out or patches blobs; the end of the archive

Within a section a frame holds either a run of small members or at most 8 MiB of one large member, so that a large
blob can be read and written in parallel, and a small one without much around it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from airpatch.format import registry, tar
from airpatch.format.index import Index, Step
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.release import Blob, Image, ImageSignature

FRAME = 8 << 20
"""Bytes of content in a frame that holds a part of a large member."""
SMALL = 64 << 10
"""Bytes that a member takes in the archive at most to share a frame with others."""
GROUP = 1 << 20
"""Bytes of content at most in a frame of small members."""

MAX_SIGNATURES = 16
"""Over the index of one bundle."""

HOME = ".airpatch"
"""What bundles and roots hold beside a registry's storage. The next two are those of roots (spec/TARGET.md, Places)."""
RELEASES = f"{HOME}/releases"
KEPT = f"{HOME}/kept"
INDEX_PATH = f"{HOME}/index"
IMAGE_SIGNATURES = f"{HOME}/signatures"
PATCHES = f"{HOME}/patches"


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its header records, and what it holds: bytes, or a blob, signature or layer patch of `size` bytes."""

    path: str
    header: bytes
    size: int
    content: bytes | None = None
    blob: Blob | None = None
    image_signature: ImageSignature | None = None
    step: Step | None = None
    """The step whose layer patch this is."""

    @property
    def total(self) -> int:
        """Bytes in the archive: header, content, padding."""
        return len(self.header) + self.size + len(tar.padding(self.size))

    @property
    def digest(self) -> Digest | None:
        """What the content must hash to, where the reader does not know it beforehand."""
        if self.blob is not None:
            return self.blob.digest
        if self.step is not None:
            return self.step.patch
        return self.image_signature.digest if self.image_signature is not None else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `stop` of a member's records, header and padding included."""

    member: Member
    start: int
    stop: int

    @property
    def blob_bytes(self) -> int:
        """Those of them that are content of a blob, a signature or a layer patch."""
        if self.member.digest is None:
            return 0
        header = len(self.member.header)
        return max(0, min(self.stop, header + self.member.size) - max(self.start, header))


class Packing(Enum):
    """What a writer expects of a frame: content that is compressed already, or not."""

    DENSE = "dense"
    COMPRESSED = "compressed"


@dataclass(frozen=True, slots=True)
class FramePlan:
    """A frame to come: the pieces that are its content, one after the other."""

    pieces: tuple[Piece, ...]
    packing: Packing

    @property
    def content(self) -> int:
        """Bytes of content."""
        return sum(piece.stop - piece.start for piece in self.pieces)

    @property
    def blob_bytes(self) -> int:
        """Those of them that are of blobs, signatures and layer patches, headers and padding left out."""
        return sum(piece.blob_bytes for piece in self.pieces)


def image_signature_folder(repository: str, manifest: Digest) -> str:
    """Return where the detached signatures of a manifest lie: the form of containers/image's lookaside storage."""
    return f"{IMAGE_SIGNATURES}/{repository}@sha256={manifest.hex}"


def image_signature_paths(image: Image) -> Iterator[tuple[str, ImageSignature]]:
    """Yield where each detached signature of `image` lies."""
    for manifest, signatures in itertools.groupby(image.signatures, key=lambda signature: signature.manifest):
        folder = image_signature_folder(image.name.repository, manifest)
        for number, signature in enumerate(signatures, 1):
            yield f"{folder}/signature-{number}", signature


def blob_bytes(index: Index) -> int:
    """Return the bytes of all blobs, signatures and layer patches of the bundle, counted as often as it holds them."""
    signatures = {path: signature for image in index.release.images for path, signature in image_signature_paths(image)}
    return (
        sum(signature.size for signature in signatures.values())
        + sum(blob.size for blob in index.stored)
        + sum(step.patch_size for step in index.steps)
    )


def index_section(content: bytes) -> list[FramePlan]:
    """Return the frames of the index, whose encoding is `content`."""
    return list(_split(_given(INDEX_PATH, content), Packing.COMPRESSED))


def index_signature_path(number: int) -> str:
    """Return where the signature over the index with this number lies; the first one is number 1."""
    return f"{INDEX_PATH}.{number}.sig"


def index_signatures_section(signatures: Sequence[bytes]) -> list[FramePlan]:
    """Return the frame of the signatures over the index, if there are any; each is at most 16 KiB of armored text."""
    return list(_cut(_given(index_signature_path(n), content) for n, content in enumerate(signatures, 1)))


def data_section(index: Index) -> Iterator[FramePlan]:
    """Return the frames of signatures, layers, configs and layer patches."""
    blobs = _blobs(blob for blob in index.stored if not blob.is_manifest)
    return _cut(itertools.chain(_image_signatures(index.release.images), blobs, _patches(index.steps)))


def manifests_section(index: Index) -> Iterator[FramePlan]:
    """Return the frames of manifests."""
    return _cut(_blobs(blob for blob in index.stored if blob.is_manifest))


def links_section(index: Index, manifests: Mapping[Digest, Manifest]) -> Iterator[FramePlan]:
    """Return the frames of links, if the bundle has any, and of the archive's end."""
    links = registry.links(index.release, manifests) if index.has_links else []
    end = Member("the end of the archive", tar.END, 0, b"")
    return _cut(itertools.chain((_given(link.path, link.content) for link in links), [end]))


def _given(path: str, content: bytes) -> Member:
    return Member(path, tar.header(path, len(content)), len(content), content)


def _image_signatures(images: Iterable[Image]) -> Iterator[Member]:
    paths = {path: signature for image in images for path, signature in image_signature_paths(image)}
    for path, signature in sorted(paths.items()):
        yield Member(path, tar.header(path, signature.size), signature.size, image_signature=signature)


def _blobs(blobs: Iterable[Blob]) -> Iterator[Member]:
    for blob in blobs:
        path = registry.blob_path(blob.digest)
        yield Member(path, tar.header(path, blob.size), blob.size, blob=blob)


def _patches(steps: Iterable[Step]) -> Iterator[Member]:
    for number, step in enumerate(steps, 1):
        path = f"{PATCHES}/{number}"  # the index has its digest, which does not compress
        yield Member(path, tar.header(path, step.patch_size), step.patch_size, step=step)


def _cut(members: Iterable[Member]) -> Iterator[FramePlan]:
    group: list[Piece] = []
    size = 0
    for member in members:
        large = member.total > SMALL
        if group and (large or size + member.total > GROUP):
            yield FramePlan(tuple(group), Packing.COMPRESSED)
            group, size = [], 0
        if large:
            yield from _split(member, _packing(member))
        else:
            group.append(Piece(member, 0, member.total))
            size += member.total
    if group:
        yield FramePlan(tuple(group), Packing.COMPRESSED)


def _split(member: Member, packing: Packing) -> Iterator[FramePlan]:
    for start in range(0, member.total, FRAME):
        yield FramePlan((Piece(member, start, min(start + FRAME, member.total)),), packing)


def _packing(member: Member) -> Packing:
    """Dense is what is compressed already, as patches are and blobs say by their type."""
    if member.step is not None:
        return Packing.DENSE
    media_type = member.blob.media_type if member.blob is not None else ""
    return Packing.DENSE if media_type.endswith(("gzip", "zstd")) else Packing.COMPRESSED
