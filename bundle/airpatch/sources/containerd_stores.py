"""containerd's own storage, as k3s and Kubernetes hosts have it: `/var/lib/containerd`.

Blobs lie in its content store under their digests, names of images in its database, by namespace (containerd
`metadata/buckets.go`). What a runtime has unpacked is not read: a snapshot does not keep the exact bytes of a layer.
containerd may be running; nothing is locked or written.

containerd keeps only the blobs of the host's platform, and no layers where `discard_unpacked_layers` is set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from airpatch.blobs.content import Content
from airpatch.blobs.tree import Tree
from airpatch.errors import FormatError, SourceError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.bolt import MAX_DATABASE, Bucket, open_database
from airpatch.sources.image_files import TreeContent, load_files, read_manifest
from airpatch.sources.location import CONTAINERD_DATABASE, Location
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source, UnnamedImage

CONTENT = "io.containerd.content.v1.content/blobs/sha256"
_SCHEMA = b"v1"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Record:
    """An image in the database, under its name in containerd."""

    namespace: str
    name: str
    digest: str


class ContainerdStore(Source):
    """The images of all namespaces of the storage `tree`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def all_blobs(self) -> Content:
        return TreeContent(self._tree, _path)

    def listing(self, names: GivenNames) -> Listing:
        images: list[FoundImage] = []
        unnamed: list[UnnamedImage] = []
        tagged: defaultdict[Digest, list[ImageName]] = defaultdict(list)
        untagged: dict[tuple[ImageName, Digest], str] = {}
        for record in self._records():
            where = f"{self._tree.name(CONTAINERD_DATABASE)}: namespace {record.namespace}"
            if record.name.startswith("sha256:"):
                continue  # CRI's name for an image by its config, beside the image's own names
            try:
                digest = Digest.parse(record.digest)
                name, _ = ImageName.parse_reference(record.name)
            except FormatError as error:
                unnamed.append(UnnamedImage(f"{where}: {record.name!r:.300}", error.message))
                continue
            if name.digest is not None:
                untagged[name, digest] = where
                continue
            tagged[digest].append(name)
            images.append(FoundImage(name, where, partial(self._load, digest), digest))
        for (name, digest), where in untagged.items():
            if not any(other.repository == name.repository for other in tagged[digest]):  # else CRI's second name
                given = names.get(digest, (name,))
                images += [FoundImage(each, where, partial(self._load, digest), digest) for each in given]
        findings = () if images or unnamed else (f"{self._tree.name(CONTAINERD_DATABASE)}: names no image",)
        return Listing(tuple(images), tuple(unnamed), findings)

    def _load(self, digest: Digest) -> LoadedImage:
        manifests = read_manifests(digest, lambda each: read_manifest(self._tree, _path(each)))
        return load_files(self._tree, manifests, _path, lambda _: {})

    def _records(self) -> list[_Record]:
        """Return all images in the database, as of one transaction. Raises SourceError."""
        where, problem = self._tree.name(CONTAINERD_DATABASE), ""
        for _ in range(_ATTEMPTS):  # a daemon may overwrite pages that the transaction has freed
            data = self._tree.read(CONTAINERD_DATABASE, MAX_DATABASE)
            try:
                records = list(_images(open_database(data)))
            except FormatError as error:
                problem = error.message
                continue
            if self._tree.read(CONTAINERD_DATABASE, MAX_DATABASE) == data:
                return records
            problem = "keeps changing while it is read: stop containerd, or try again"
        raise SourceError(f"{where}: {problem}")


def _images(root: Bucket) -> Iterator[_Record]:
    version = root.bucket(_SCHEMA)
    for namespace, bucket in version.items() if version is not None else ():
        found = bucket.bucket(b"images") if isinstance(bucket, Bucket) else None
        for name, image in found.items() if found is not None else ():
            target = image.bucket(b"target") if isinstance(image, Bucket) else None
            digest = target.values().get(b"digest", b"") if target is not None else b""
            yield _Record(*(part.decode(errors="backslashreplace") for part in (namespace, name, digest)))


def _path(digest: Digest) -> str:
    return f"{CONTENT}/{digest.hex}"


def recognise(location: Location) -> ContainerdStore:
    """Return the storage that a folder with containerd's database is."""
    return ContainerdStore(location.tree)
