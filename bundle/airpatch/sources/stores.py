"""A release in a store as a source of the images in it."""

from __future__ import annotations

from functools import partial

from airpatch import limits
from airpatch.blobs.content import Content, read_blob
from airpatch.model.digest import Digest
from airpatch.model.release import Image
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source
from airpatch.store.release_store import ReleaseStore
from airpatch.store.store_address import parse_store_address


class StoreSource(Source):
    """The images of a release in `store`: the one that the store's address names, or the newest of the only product.

    Raises UsageError if there is none or more than one.
    """

    def __init__(self, store: ReleaseStore) -> None:
        self._store = store
        release = store.choose(store.address.release).release
        self.release = release
        self._images = release.images
        self.name = store.address.spec

    @classmethod
    def at(cls, spec: str) -> StoreSource:
        """Return the source that `spec`, the address of a store, names. Raises what `ReleaseStore` raises."""
        return cls(ReleaseStore(parse_store_address(spec)))

    @property
    def all_blobs(self) -> Content:
        return self._store.content

    def listing(self, names: GivenNames) -> Listing:
        return Listing(tuple(FoundImage(image.name, self.name, partial(self._load, image)) for image in self._images))

    def _load(self, image: Image) -> LoadedImage:
        return read_manifests(image.manifest, self._read).image(self._store.content, image.signatures)

    def _read(self, digest: Digest) -> bytes | None:
        size = self._store.content.size(digest)
        return None if size is None or size > limits.MANIFEST.value else read_blob(self._store.content, digest, size)
