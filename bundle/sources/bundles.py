"""A full bundle as a source of the images in it."""

from __future__ import annotations

from functools import cached_property, partial

from bundle.archive.bundle_file import BundleFile
from bundle.errors import SourceError, UsageError
from bundle.model.digest import Digest
from bundle.model.release import Image, Release
from bundle.sources.source import Entry, Listing, Loaded, read_manifests


class BundleSource:
    """The images of `bundle`. Raises UsageError for a patch, which does not hold all blobs of its images."""

    def __init__(self, bundle: BundleFile) -> None:
        if not bundle.index.is_full:
            raise UsageError(
                f"{bundle.name}: is a patch, which holds only what its base lacks: make a full bundle of both with "
                "'airpatch merge BASE PATCH -o FULL' first"
            )
        self._bundle = bundle

    @property
    def release(self) -> Release:
        return self._bundle.index.release

    def listing(self) -> Listing:
        return Listing(
            tuple(Entry(image.name, self._bundle.name, partial(self._load, image)) for image in self.release.images)
        )

    def _load(self, image: Image) -> Loaded:
        manifests = read_manifests(image.manifest, self._read)
        return Loaded(
            manifests.top,
            manifests.content,
            manifests.parsed,
            image.signatures,
            self._bundle,
            tuple(manifests.findings),
        )

    def _read(self, digest: Digest) -> bytes:
        content = self._manifests.get(digest)
        if content is None:
            raise SourceError(f"{self._bundle.name}: does not hold {digest}")
        return content

    @cached_property
    def _manifests(self) -> dict[Digest, bytes]:
        return self._bundle.manifests()
