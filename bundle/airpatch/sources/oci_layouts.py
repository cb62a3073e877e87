"""OCI image layouts (image-spec `image-layout.md`): one image, many, or a tree of layouts.

An image's name is its `org.opencontainers.image.ref.name` where that is a whole `repository:tag`, as `restore --as oci`
writes it and `skopeo copy oci:DIR:NAME` finds it; else `io.containerd.image.name`, as containerd and BuildKit write
it; else the ref name is a tag, and the folder's path below the tree is the repository (`skopeo copy oci:DIR:TAG`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from airpatch.blobs.tree import Tree
from airpatch.errors import FormatError, SourceError
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_MANIFEST, Descriptor, parse_descriptor, parse_document
from airpatch.model.names import ImageName
from airpatch.sources.image_files import load_files, stored_signatures
from airpatch.sources.location import OCI_BLOBS, OCI_LAYOUT, Location
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, Kind, Listing, LoadedImage, Source

INDEX = "index.json"
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
MAX_INDEX = 8 << 20
"""Bytes; an image takes about 400, so that there is room for 20,000."""


class OciLayouts(Source):
    """The layouts in `folders` of `tree`; the tree itself, as `""`, has the name of its last component."""

    def __init__(self, tree: Tree, folders: Sequence[str], findings: Sequence[str] = ()) -> None:
        self._tree = tree
        self._folders = folders
        self._findings = findings

    def listing(self) -> Listing:
        images: list[FoundImage] = []
        findings = list(self._findings)
        for folder in self._folders:
            prefix = f"{folder}/" if folder else ""
            repository = folder or self._tree.path.resolve().name
            try:
                descriptors = read_index(self._tree, f"{prefix}{INDEX}")
            except SourceError as error:
                findings.append(error.message)
                continue
            where = self._tree.name(f"{prefix}{INDEX}")
            for number, data in enumerate(descriptors):
                try:
                    image = parse_descriptor(data)
                    name = _name(data, repository)
                except FormatError as error:
                    findings.append(f"{where}: entry {number}: {error.message}")
                else:
                    images.append(FoundImage(name, where, partial(self._load, prefix, name, image)))
        return Listing(tuple(images), tuple(findings))

    def _load(self, prefix: str, name: ImageName, image: Descriptor) -> LoadedImage:
        def locate(digest: Digest) -> str:
            return f"{prefix}{OCI_BLOBS}/sha256/{digest.hex}"

        manifests = read_manifests(image.digest, lambda digest: self._tree.read(locate(digest), MAX_MANIFEST))
        if image.digest in manifests.parsed:
            size, media_type = len(manifests.content[image.digest]), manifests.parsed[image.digest].media_type
            if (image.size, image.media_type) != (size, media_type):
                manifests.findings.append(
                    f"manifest {image.digest} is {size} bytes of {media_type}, where {INDEX} claims {image.size} bytes "
                    f"of {image.media_type}"
                )
        return load_files(self._tree, manifests, locate, stored_signatures(self._tree, prefix, name.repository))


def read_index(tree: Tree, path: str) -> list[dict[str, object]]:
    """The entries of an `index.json`. Raises SourceError."""
    try:
        entries = parse_document(tree.read(path, MAX_INDEX)).get("manifests", [])
    except FormatError as error:
        raise SourceError(f"{tree.name(path)}: is not the index of an OCI layout: {error.message}") from None
    return entries if isinstance(entries, list) else []


def _name(descriptor: dict[str, object], repository: str) -> ImageName:
    """The image's name, in a layout whose folder stands for `repository`. Raises FormatError."""
    annotations = descriptor.get("annotations")
    ref_name, full_name = (
        (annotations.get(REF_NAME), annotations.get(CONTAINERD_NAME)) if isinstance(annotations, dict) else (None, None)
    )
    if isinstance(ref_name, str) and ":" in ref_name:
        return ImageName.parse(ref_name)
    if isinstance(full_name, str):
        return ImageName.parse(full_name)
    if isinstance(ref_name, str):
        return ImageName(repository, ref_name)
    raise FormatError(f"an image without a name: it has no annotation {REF_NAME}")


def _recognise(location: Location) -> OciLayouts | None:
    if not location.is_folder:
        return None
    layouts = [
        folder
        for folder, entries in location.scan.folders.items()
        if any(entry.name == OCI_LAYOUT and entry.is_file for entry in entries)
    ]
    return OciLayouts(location.tree, layouts, location.scan.findings) if layouts else None


KIND = Kind("oci", f"no OCI layout (a folder with a file {OCI_LAYOUT})", _recognise)
