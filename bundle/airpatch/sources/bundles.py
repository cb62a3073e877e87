"""A full bundle as a source of the images in it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cached_property, partial

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import Content
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.layers.rebuilt_content import content_with_rebuilt
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.sources.location import Location
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source


class BundleSource(Source):
    """The images of `bundle`. Raises UsageError for a patch, which does not hold all blobs of its images."""

    def __init__(self, bundle: BundleFile) -> None:
        if not bundle.index.is_full:
            raise UsageError(
                f"{bundle.name}: is a patch, which holds only what its base lacks: first make a full bundle of both "
                "with 'airpatch merge BASE PATCH -o FULL', or restore it with --base"
            )
        self._bundle = bundle
        self._content: Content = bundle
        self.release = bundle.index.release
        self.name = bundle.name
        self.opening = bundle.opening

    def listing(self, names: GivenNames) -> Listing:
        images = self._bundle.index.release.images
        return Listing(tuple(FoundImage(image.name, self._bundle.name, partial(self._load, image)) for image in images))

    def prepare(self, names: AbstractSet[ImageName], execution: Execution) -> None:
        if self._bundle.index.steps:
            tops = [image.manifest for image in self._bundle.index.release.images if image.name in names]
            below = [read_manifests(top, self._read).parsed.values() for top in tops]
            blobs = (blob.digest for manifests in below for manifest in manifests for blob in manifest.blobs)
            self._content = content_with_rebuilt(self._bundle, blobs, execution)

    def _load(self, image: Image) -> LoadedImage:
        return read_manifests(image.manifest, self._read).image(self._content, image.signatures)

    def _read(self, digest: Digest) -> bytes | None:
        return self._manifests.get(digest)

    @cached_property
    def _manifests(self) -> dict[Digest, bytes]:
        return self._bundle.manifests()


def recognise(location: Location) -> BundleSource | None:
    """Return the bundle in a file; None if that is an archive, and no prefix says otherwise. Raises FormatError."""
    if not location.prefix and location.archive is not None:
        return None
    return BundleSource(BundleFile(str(location.path)))
