"""A registry's root as a store: installed releases and the blobs of the registry, as objects that are only read.

What is known of layers, and layer patches, are kept in `.airpatch/store` of the root, and may be removed at any time:
a registry does not see them, and nothing else needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from airpatch import limits
from airpatch.blobs.content import BlobReader
from airpatch.blobs.tree import Tree
from airpatch.errors import FormatError, SourceError, UsageError
from airpatch.format import registry
from airpatch.format.layout import HOME, KEPT
from airpatch.format.layout import RELEASES as RECEIPTS
from airpatch.format.receipts import parse_receipt
from airpatch.store.object_names import RELEASES, blob_of, release_bytes, release_name
from airpatch.store.objects import Objects, StoredObject, moment_of
from airpatch.store.store_address import MARKER, MARKER_CONTENT, StoreAddress

OWN = f"{HOME}/store"
"""The folder for what the root does not have by itself."""


class RootObjects(Objects):
    """The objects of the root in the folder of `address`. For use by many threads. What is written lies below `OWN`.

    Raises UsageError if airpatch has applied no release to it, or the library is missing, SourceError.
    """

    def __init__(self, address: StoreAddress) -> None:
        path = address.path
        if path is None:
            raise ValueError("a root is a folder")
        self._tree = Tree(path)
        if not self._tree.is_folder(RECEIPTS):
            raise UsageError(
                f"{address.spec}: is a registry's root to which airpatch has applied no release: put its images into a "
                f"store with 'airpatch store add STORE {path}'"
            )
        if not (self._tree.lacks(OWN) or self._tree.is_folder(OWN)):
            raise SourceError(f"{self._tree.name(OWN)}: is not a folder: remove it")
        super().__init__(address)

    def get(self, name: str, limit: int) -> bytes | None:
        """As `Objects.get`. A release is made from its receipt; raises SourceError if that is damaged."""
        if name == MARKER:
            return MARKER_CONTENT
        receipt = _receipt(name)
        if receipt is None:
            return super().get(_own(name), limit)
        if self._tree.lacks(receipt):
            return None
        content = self._tree.read(receipt, limits.INDEX.value)
        try:
            found = parse_receipt(content)
        except FormatError as error:
            raise SourceError(f"{self._tree.name(receipt)}: {error.message}; remove it") from None
        if name != release_name(found.id):
            where = self._tree.name(receipt)
            raise SourceError(f"{where}: is not the receipt of the release it is named after; remove it")
        return release_bytes(found.release)

    def look(self, name: str) -> StoredObject | None:
        for path in _paths(name):
            status = self._tree.status(path)
            if status is not None:
                return StoredObject(name, status.st_size, moment_of(status.st_mtime))
        found = super().look(_own(name))
        return None if found is None else replace(found, name=name)

    def open(self, name: str, size: int) -> BlobReader:
        for path in _paths(name):
            if self._tree.size(path) is not None:
                return self._tree.blob(path, size)
        return super().open(name, size)

    def range(self, name: str, start: int, length: int) -> memoryview:
        return super().range(_own(name), start, length)

    def put(self, name: str, pieces: Iterable[bytes] | bytes) -> None:
        super().put(_own(name), pieces)

    def create(self, name: str, content: bytes) -> bool:
        return super().create(_own(name), content)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """As `Objects.list`; of the blobs only those that are not the registry's."""
        if prefix == RELEASES:
            for entry in self._tree.scan(RECEIPTS):
                found = self.look(f"{RELEASES}/{entry.name}")
                yield from [] if found is None else [found]
        for each in super().list(_own(prefix)):
            yield replace(each, name=each.name.removeprefix(f"{OWN}/"))

    def delete(self, name: str) -> None:
        super().delete(_own(name))


def _own(name: str) -> str:
    return f"{OWN}/{name}"


def _receipt(name: str) -> str | None:
    """Return where the release is that an object stands for; None for other objects."""
    folder, _, id_ = name.rpartition("/")
    return f"{RECEIPTS}/{id_}" if folder == RELEASES else None


def _paths(name: str) -> list[str]:
    """Return the paths in the root at which an object may be."""
    receipt, digest = _receipt(name), blob_of(name)
    if receipt is not None:
        return [receipt]
    return [] if digest is None else [registry.blob_path(digest), f"{KEPT}/{digest.hex}"]
