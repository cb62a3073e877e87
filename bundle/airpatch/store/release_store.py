"""A store of releases: their blobs by digest, each once, and the releases themselves by their ids (spec/STORE.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airpatch import limits
from airpatch.blobs.content import BlobReader, require
from airpatch.blobs.output import require_reachable, write_error
from airpatch.errors import FormatError, IntegrityError, UsageError
from airpatch.extras import require_extra
from airpatch.format import canonical
from airpatch.format.release_part import release_from_plain
from airpatch.linux import make_folders
from airpatch.model.digest import Digest, is_hex
from airpatch.model.release import Release
from airpatch.store.object_names import RELEASES, blob_name, release_bytes, release_name
from airpatch.store.objects import Objects
from airpatch.store.root_objects import RootObjects
from airpatch.store.store_address import MARKER, MARKER_CONTENT, StoreAddress, is_root

_MOST_MARKER = 4 << 10


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """A release of a store, and its release id."""

    id: Digest
    release: Release


class ReleaseStore:
    """The store at `address`, which may be a registry's root. For use by many threads.

    Raises UsageError if there is none, FormatError if it is of a version that this airpatch does not know, TargetError
    if the storage cannot be used, as all methods do.
    """

    def __init__(self, address: StoreAddress, objects: Objects | None = None) -> None:
        self.address = address
        self.objects = objects or (RootObjects if is_root(address) else Objects)(address)
        self.name = self.objects.where
        marker = self.objects.get(MARKER, _MOST_MARKER)
        if marker is None:
            raise UsageError(f"{address.spec}: holds no store; 'airpatch store add' makes one")
        if marker != MARKER_CONTENT:
            raise FormatError(f"{self.name}/{MARKER}: names a version of stores that this airpatch does not know")
        self.content = StoreContent(self.objects)

    def releases(self, but: Digest | None = None) -> list[StoredRelease]:
        """Return all releases, but for that with the id `but`, by product, sequence number and name.

        Raises IntegrityError if a release is damaged.
        """
        skipped = None if but is None else release_name(but)
        found = [self.load(name) for name in self.release_names() if name != skipped]
        present = [each for each in found if each is not None]
        return sorted(present, key=lambda each: (each.release.product, each.release.sequence, each.release.name))

    def release_names(self) -> list[str]:
        """Return the names of the objects of releases. What else lies there is ignored."""
        return [each.name for each in self.objects.list(RELEASES) if is_hex(each.name.removeprefix(f"{RELEASES}/"))]

    def choose(self, wanted: str | None = None, product: str | None = None) -> StoredRelease:
        """Return the release `wanted`, a name or the beginning of an id; without one, the newest of the only product.

        Raises UsageError if there is none, or more than one.
        """
        return choose_release(self.releases(), self.address.spec, wanted, product)

    def load(self, name: str) -> StoredRelease | None:
        """Return the release in the object `name`; None if it was removed meanwhile. Raises IntegrityError,
        FormatError.
        """
        content = self.objects.get(name, limits.INDEX.value)
        if content is None:
            return None
        where = f"{self.name}/{name}"
        id_ = Digest.of(content)
        if name != release_name(id_):
            raise IntegrityError(
                f"{where}: its content has another digest: remove this object, and add the release again, "
                "with its number"
            )
        try:
            release = release_from_plain(canonical.unpack(content, "the release"))
            if release_bytes(release) != content:
                raise FormatError("the release is not in canonical form")
        except FormatError as error:
            remedy = "remove this object, unless a later airpatch wrote it"
            raise FormatError(f"{where}: {error.message}: {remedy}") from None
        return StoredRelease(id_, release)


class StoreContent:
    """The blobs of a store, by digest."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def size(self, digest: Digest) -> int | None:
        return self._objects.size(blob_name(digest))

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, self._objects.where)
        return self._objects.open(blob_name(digest), size)


def make_store(address: StoreAddress) -> ReleaseStore:
    """Return the store at `address`, which is made if there is none. The storage is tried first.

    Raises TargetError if it cannot be written to or ignores the condition of a write, UsageError for a folder that
    holds other things.
    """
    require_extra("store", "obstore")  # or else there would be a folder, and nothing in it
    if address.path is not None:
        require_reachable(address.path)
        try:
            make_folders(address.path)
        except OSError as error:
            raise write_error(address.spec, error) from None
    if is_root(address):
        raise UsageError(
            f"{address.spec}: is a registry's root, to which 'airpatch apply' adds releases: name another folder"
        )
    objects = Objects(address)
    if objects.get(MARKER, _MOST_MARKER) is None:
        if address.path is not None and any(address.path.iterdir()):
            raise UsageError(
                f"{address.spec}: is a folder of other things, and no store; name a store, or a folder that is new or "
                "empty"
            )
        objects.require_conditions()
        objects.create(MARKER, MARKER_CONTENT)
    return ReleaseStore(address, objects)


def choose_release(
    found: Sequence[StoredRelease], where: str, wanted: str | None = None, product: str | None = None
) -> StoredRelease:
    """Return one of the releases `found`, as `ReleaseStore.choose` does."""
    found = [each for each in found if product is None or each.release.product == product]
    if not found:
        raise UsageError(f"{where}: holds no release" + (f" of product {product}" if product is not None else ""))
    if wanted is None:
        products = sorted({each.release.product for each in found})
        if len(products) > 1:
            raise UsageError(f"{where}: holds releases of several products; say which one: #RELEASE", _names(found))
        return found[-1]
    named = [each for each in found if each.release.name == wanted]
    matching = named or [each for each in found if each.id.is_meant_by(wanted)]
    if not matching:
        raise UsageError(f"{where}: has no release {wanted!r:.100}", _names(found))
    if len(matching) > 1:
        raise UsageError(f"{where}: several releases are called {wanted}; name one by its id", _names(matching))
    return matching[0]


def _names(found: Sequence[StoredRelease]) -> list[str]:
    return [f"{each.id.short} {each.release.title}" for each in found]


def release_blobs(release: Release) -> dict[Digest, int]:
    """Return all that a release needs, with its size in bytes: manifests, layers, configs and detached signatures."""
    blobs = {blob.digest: blob.size for blob in release.blobs}
    blobs.update((each.digest, each.size) for image in release.images for each in image.signatures)
    return blobs
