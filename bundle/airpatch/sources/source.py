"""What every kind of source provides: images by name, each with its manifests, signatures and access to its blobs.

Listing a source reads as little as it can, so that images can be picked first; loading an image reads and verifies its
manifests, and never a layer. What is wrong with an image goes into findings, so that one run reports all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from airpatch.blobs.content import Content
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.names import ImageName
from airpatch.model.release import ImageSignature, Release
from airpatch.sources.location import Location

if TYPE_CHECKING:
    from airpatch.archive.opening import Opening
    from airpatch.registry_api.remote_blobs import RemoteBlobs


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image with its manifests read: the top one and those below it that could be read, as bytes and parsed.

    `content` holds those of its blobs and signatures that the source has. `missing` are manifests that are not there,
    and `findings` say what else is wrong. `remote` is the content where that is on another host.
    """

    manifest: Digest
    manifests: Mapping[Digest, bytes]
    parsed: Mapping[Digest, Manifest]
    signatures: tuple[ImageSignature, ...]
    content: Content
    missing: frozenset[Digest] = frozenset()
    findings: tuple[str, ...] = ()
    remote: RemoteBlobs | None = None


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image in a source, not yet read. `where` is for messages; `load` raises AirpatchError.

    `digest` is the manifest's according to the source, None if it does not say; whoever loads the image compares.
    """

    name: ImageName
    where: str
    load: Callable[[], LoadedImage]
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class UnnamedImage:
    """An image without a usable name; `reason` is what is wrong with it or with its entry.

    The user can name it by its `digest`; None if that is unknown, or the name follows from that of another image.
    """

    where: str
    reason: str
    digest: Digest | None = None

    @property
    def finding(self) -> str:
        way_out = f"; name it with --tag {self.digest}=NAME:TAG" if self.digest is not None else ""
        return f"{self.where}: {self.reason}{way_out}"


GivenNames = Mapping[Digest, Sequence[ImageName]]
"""Names that the user gives to images that have no tag, by the digest of the manifest."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a source, and those without a name.

    `findings` are what looks like an image but cannot be one, `remarks` what is unusual but harmless.
    """

    images: tuple[FoundImage, ...]
    unnamed: tuple[UnnamedImage, ...] = ()
    findings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Source(Protocol):
    """Images that can be packed. May be used by many threads once it is listed.

    `release` is set where the source is one whole release, with a name and a sequence number of its own; `opening`
    where the source may be signed, and then `name` is its file.
    """

    release: Release | None = None
    opening: Opening | None = None
    name: str = ""

    @property
    def all_blobs(self) -> Content | None:
        """All blobs in the source, whatever they belong to; None where blobs can be found only through images."""
        return None

    def listing(self, names: GivenNames) -> Listing:
        """Return all images. Those without a tag get `names`. Raises SourceError if the source cannot be read at
        all.
        """

    def prepare(self, names: AbstractSet[ImageName], execution: Execution) -> None:
        """Prepare for loading the images `names`: rebuild blobs that are layer patches, look up those in a registry.

        Called once, before any image is loaded; most kinds have nothing to do. Raises what `layers.rebuilt_content`
        raises.
        """
        return None  # noqa: RET501 a default of the protocol

    def leftovers(self, used: AbstractSet[Digest]) -> Iterable[str]:
        """Return what lies in the source but belongs to no image, one remark for each place.

        `used` are all blobs and manifests of all images. Most kinds have no place for anything else.
        """
        return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source. `kinds.KINDS` lists them.

    `prefix` is what a user writes before the path; `absent` completes the message "PATH: holds ..." where the path
    holds none of this kind. `module` of this package reads it; since a source is of one kind, that is loaded only
    where `may_hold`, a glance at the location, does not rule it out.
    """

    prefix: str
    absent: str
    module: str
    may_hold: Callable[[Location], bool]

    def recognise(self, location: Location) -> Source | None:
        """Return the source at `location`, None if it holds none of this kind. That is `recognise` of the module.

        Raises an AirpatchError where the location is of this kind and cannot be used.
        """
        if not self.may_hold(location):
            return None
        found: Source | None = import_module(f"airpatch.sources.{self.module}").recognise(location)
        return found
