"""OCI image layouts (image-spec `image-layout.md`): one image, many, or a tree of layouts.

An image's name is its `org.opencontainers.image.ref.name` where that is a whole `repository:tag`, as `restore --as oci`
writes it and `skopeo copy oci:DIR:NAME` finds it; else `io.containerd.image.name`, as containerd and BuildKit write
it; else the ref name is a tag, and the folder's path below the tree is the repository (`skopeo copy oci:DIR:TAG`, zot).
A name may have a digest instead of a tag, or after it. `referrers` names what refers to an image.

Blobs are verified by their digests, so symbolic links to them, which build tools make, are followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

from airpatch import limits
from airpatch.blobs.tree import Tree
from airpatch.errors import FormatError, SourceError
from airpatch.linux import real_path
from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor, parse_descriptor, parse_document
from airpatch.model.names import ImageName
from airpatch.sources.image_files import Files, load_files, read_manifest, stored_signatures
from airpatch.sources.location import (
    CONTAINERD_NAME,
    OCI_BLOBS,
    OCI_INDEX,
    REF_NAME,
    FolderScan,
    Location,
    is_layout,
)
from airpatch.sources.manifests import Manifests, read_manifests
from airpatch.sources.referrers import LayoutEntry, NamedManifest, name_entries
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source, UnnamedImage
from airpatch.units import count

COSIGN_KIND = "kind"
"""What `cosign save` and hauler call an entry: `dev.cosignproject.cosign/image`, `.../sigs`, and so on."""


class OciLayouts(Source):
    """The layouts in `folders` of `tree`; the tree itself, as `""`, has the name of its last component."""

    def __init__(self, tree: Tree, scan: FolderScan, folders: Sequence[str]) -> None:
        self._tree = Tree(tree.path, follow_links=True)
        self._scan = scan
        self._folders = folders

    def listing(self, names: GivenNames) -> Listing:
        images: list[FoundImage] = []
        unnamed: list[UnnamedImage] = []
        findings = list(self._scan.findings)
        empty = []
        for folder in self._folders:
            layout = self._layout(folder)
            try:
                found, others = layout.images(names)
            except SourceError as error:
                findings.append(error.message)
                continue
            images += found
            unnamed += others
            if not found and not others:
                empty.append(f"{layout.where}: names no image")
        if not images and not unnamed:
            return Listing((), findings=(*findings, *empty))
        return Listing(tuple(images), tuple(unnamed), tuple(findings), tuple(empty))

    def leftovers(self, used: AbstractSet[Digest]) -> Iterator[str]:
        for folder in self._folders:
            yield from self._layout(folder).leftovers(used)

    def _layout(self, folder: str) -> Layout:
        return Layout(self._tree, f"{folder}/" if folder else "", folder or real_path(self._tree.path).name)


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout at the path `prefix` of `tree`, whose folder stands for `repository`."""

    tree: Files
    prefix: str
    repository: str

    @property
    def where(self) -> str:
        return self.tree.name(f"{self.prefix}{OCI_INDEX}")

    def images(self, names: GivenNames) -> tuple[list[FoundImage], list[UnnamedImage]]:
        """Return all images, and those without a name. Raises SourceError if there is no readable index."""
        entries: list[LayoutEntry] = []
        unnamed: list[UnnamedImage] = []
        for number, data in enumerate(self.entries()):
            where = f"{self.where}: entry {number}"
            try:
                entries.append(_entry(data, self.repository, where))
            except FormatError as error:
                unnamed.append(UnnamedImage(where, error.message))
        named, others = name_entries(entries, names, self._read)
        images = [FoundImage(image.name, self.where, partial(self._load, image), image.digest) for image in named]
        return images, unnamed + others

    def entries(self) -> list[Mapping[str, object]]:
        """Return the entries of the index. Raises SourceError."""
        return read_index(self.tree, f"{self.prefix}{OCI_INDEX}")

    def leftovers(self, used: AbstractSet[Digest]) -> Iterator[str]:
        """Yield what to say about blobs that are not `used`."""
        blobs = f"{self.prefix}{OCI_BLOBS}/sha256"
        names = {digest.hex for digest in used}
        unknown = [entry for entry in self.tree.scan(blobs) if entry.name not in names]
        if unknown:
            yield f"{self.tree.name(blobs)}: {count(len(unknown), 'blob')} of no image that {OCI_INDEX} names"

    def _locate(self, digest: Digest) -> str:
        return f"{self.prefix}{OCI_BLOBS}/sha256/{digest.hex}"

    def _read(self, digest: Digest) -> bytes | None:
        return read_manifest(self.tree, self._locate(digest))

    def _load(self, image: NamedManifest) -> LoadedImage:
        def read(digest: Digest) -> bytes | None:
            return image.made if image.made is not None and digest == image.digest else self._read(digest)

        manifests = read_manifests(image.digest, read)
        if image.descriptor is not None:
            _compare(image.descriptor, manifests)
        signature_files = stored_signatures(self.tree, self.prefix, image.name.repository)
        return load_files(self.tree, manifests, self._locate, signature_files)


def read_index(tree: Files, path: str) -> list[Mapping[str, object]]:
    """Return the entries of an `index.json`. Raises SourceError."""
    try:
        entries = parse_document(tree.read(path, limits.LISTING.value)).get("manifests", [])
    except FormatError as error:
        raise SourceError(f"{tree.name(path)}: is not the index of an OCI layout: {error.message}") from None
    return entries if isinstance(entries, list) else []


def _compare(image: Descriptor, manifests: Manifests) -> None:
    """Add a finding if the top manifest is not what its entry in the index claims."""
    if image.digest in manifests.parsed:
        size, media_type = len(manifests.content[image.digest]), manifests.parsed[image.digest].media_type
        if (image.size, image.media_type) != (size, media_type):
            manifests.findings.append(
                f"manifest {image.digest} is {size} bytes of {media_type}, where {OCI_INDEX} claims {image.size} bytes "
                f"of {image.media_type}"
            )


def _entry(data: Mapping[str, object], repository: str, where: str) -> LayoutEntry:
    """Return what an entry of the index says. Raises FormatError if it names no manifest."""
    annotations = data.get("annotations")
    texts = annotations if isinstance(annotations, Mapping) else {}
    kind = str(texts.get(COSIGN_KIND) or "").rpartition("/")[2]
    descriptor = parse_descriptor(data)
    try:
        name, digest = _name(texts, repository)
    except FormatError as error:
        return LayoutEntry(where, descriptor, None, error.message, kind)
    if digest not in (None, descriptor.digest):
        return LayoutEntry(where, descriptor, None, f"its name says {digest}, but it is {descriptor.digest}", kind)
    return LayoutEntry(where, descriptor, name, f"an image without a name: it has no annotation {REF_NAME}", kind)


def _name(annotations: Mapping[str, object], repository: str) -> tuple[ImageName | None, Digest | None]:
    """Return the image's name in a layout whose folder stands for `repository`, and its digest if it says one.

    None for an image without a name. Raises FormatError for a name that cannot be used.
    """
    ref_name = str(annotations.get(REF_NAME) or "")
    full_name = str(annotations.get(CONTAINERD_NAME) or "")
    if ":" in ref_name or "@" in ref_name:
        return ImageName.parse_reference(ref_name)
    if full_name:
        return ImageName.parse_reference(full_name)
    return (ImageName(repository, ref_name) if ref_name else None), None


def recognise(location: Location) -> OciLayouts | None:
    """Return the layouts in a folder, None if there are none. Raises SourceError if it cannot be read."""
    layouts = [folder for folder, entries in location.scan.folders.items() if is_layout(entries)]
    return OciLayouts(location.tree, location.scan, layouts) if layouts else None
