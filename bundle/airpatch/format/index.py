"""The index of a bundle: the release, and how this bundle packs it (spec/FORMAT.md, Index).

The release part has a digest of its own, the release id: the same for the full bundle and for every patch to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from airpatch.format.release_part import release_id
from airpatch.model.digest import Digest
from airpatch.model.release import Blob, Release

UNKNOWN_TYPE = "application/octet-stream"
"""The media type of blobs that the release does not have."""
MAX_SOURCES = 64
"""Sources of a step: a reader keeps the uncompressed content of all of them at hand."""


class Disposition(IntEnum):
    """What a bundle does with a blob of its release."""

    STORED = 0
    """It is a member of the bundle."""
    LEFT_OUT = 1
    """The target has it."""
    PATCHED = 2
    """It is rebuilt by a step."""


REQUEST_FOR = "request for "
"""How the name of a top-up's base begins; that of the requested release follows."""


@dataclass(frozen=True, slots=True)
class Base:
    """A state of the target that a patch fits: a release id or an inventory's content id, and its name, if any."""

    id: Digest
    name: str

    @property
    def is_request(self) -> bool:
        """Whether it is what a target lacked of a release, and the patch a top-up."""
        return self.name.startswith(REQUEST_FOR)


@dataclass(frozen=True, slots=True)
class SourceBlob:
    """A blob that steps read and no step makes: of the release, or one that the target must have beside it.

    `size` is that of the blob, `uncompressed_size` that of its uncompressed content, in bytes.
    """

    digest: Digest
    size: int
    uncompressed_size: int


@dataclass(frozen=True, slots=True)
class Step:
    """How the blob `digest` is made: by a layer patch, the member `patch` of `patch_size` bytes, out of `sources`.

    Sources are blobs of the table of sources, or made by earlier steps. `size` is that of the blob, `uncompressed_size`
    that of its content, `expanded` that of the view of its sources, in bytes. A blob that is not of the release is
    there for later steps only.
    """

    digest: Digest
    size: int
    uncompressed_size: int
    patch: Digest
    patch_size: int
    sources: tuple[Digest, ...]
    expanded: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Feature:
    """What a reader must know, and the first version of airpatch that does: numbers with dots between them."""

    name: str
    since: str


@dataclass(frozen=True)
class Index:
    """`dispositions[i]` is for `release.blobs[i]`; a full bundle has no bases and leaves nothing out."""

    release: Release
    dispositions: tuple[Disposition, ...]
    bases: tuple[Base, ...] = ()
    removed: tuple[str, ...] = ()
    sources: tuple[SourceBlob, ...] = ()
    steps: tuple[Step, ...] = ()
    features: tuple[Feature, ...] = ()
    """What the layer patches ask of a reader."""

    @classmethod
    def full(cls, release: Release) -> Index:
        return cls(release, (Disposition.STORED,) * len(release.blobs))

    @property
    def is_full(self) -> bool:
        return not self.bases

    @cached_property
    def stored(self) -> tuple[Blob, ...]:
        """The blobs that are members, in archive order."""
        return self._with(Disposition.STORED)

    @cached_property
    def left_out(self) -> tuple[Blob, ...]:
        """The blobs that the target must have."""
        return self._with(Disposition.LEFT_OUT)

    @cached_property
    def needed(self) -> tuple[Blob, ...]:
        """The blobs that the target must have: those left out, and sources that are not of the release."""
        known = {blob.digest for blob in self.release.blobs}
        outside = (s for s in self.sources if s.digest not in known)
        return (*self.left_out, *(Blob(s.digest, s.size, UNKNOWN_TYPE) for s in outside))

    @property
    def has_links(self) -> bool:
        """Whether plain tar may unpack the bundle into a working registry: nothing is left out or patched."""
        return all(each is Disposition.STORED for each in self.dispositions) and not self.bases

    @cached_property
    def release_id(self) -> Digest:
        return release_id(self.release)

    @cached_property
    def patched(self) -> tuple[Blob, ...]:
        """The blobs that steps make, in archive order."""
        return self._with(Disposition.PATCHED)

    def _with(self, disposition: Disposition) -> tuple[Blob, ...]:
        return tuple(b for b, its in zip(self.release.blobs, self.dispositions, strict=True) if its is disposition)
