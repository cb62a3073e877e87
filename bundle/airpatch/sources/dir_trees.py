"""Trees of `dir:` images, as `skopeo sync --dest dir` and `skopeo copy ... dir:` write them.

A folder with a `manifest.json` is an image (containers/image `directory/directory_transport.go`): beside it lie its
blobs, named by the hex form of their digest, `signature-N`, and for a list its children as `<hex>.manifest.json` with
`<hex>.signature-N`. Whatever else lies there is ignored. The folder's path below the tree is the image's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from airpatch.blobs.tree import Entry, Tree
from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_MANIFEST
from airpatch.model.names import ImageName
from airpatch.sources.image_files import load_files, numbered_signatures
from airpatch.sources.location import DIR_MANIFEST, OCI_LAYOUT, Location
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, Kind, Listing, LoadedImage, Source

SIGNATURE = "signature-"
"""What the name of a signature has in it."""


class DirTree(Source):
    """The images in `folders` of `tree`, each with the names of the files there that may be signatures.

    The tree itself, as the folder `""`, has the name of its last component.
    """

    def __init__(self, tree: Tree, folders: Mapping[str, Sequence[str]], findings: Sequence[str] = ()) -> None:
        self._tree = tree
        self._folders = folders
        self._findings = findings

    def listing(self) -> Listing:
        images = []
        findings = list(self._findings)
        for folder, signatures in self._folders.items():
            where = self._tree.name(folder)
            try:
                name = ImageName.from_folder(folder or self._tree.path.resolve().name)
            except FormatError as error:
                findings.append(f"{where}: {error.message}")
            else:
                images.append(FoundImage(name, where, partial(self._load, f"{folder}/" if folder else "", signatures)))
        return Listing(tuple(images), tuple(findings))

    def _load(self, folder: str, signatures: Sequence[str]) -> LoadedImage:
        content = self._tree.read(f"{folder}{DIR_MANIFEST}", MAX_MANIFEST)
        top = Digest.of(content)

        def read(digest: Digest) -> bytes:
            if digest == top:
                return content
            return self._tree.read(f"{folder}{digest.hex}.{DIR_MANIFEST}", MAX_MANIFEST)

        def signature_files(manifest: Digest) -> Mapping[int, str]:
            return numbered_signatures(folder, signatures, "" if manifest == top else f"{manifest.hex}.")

        return load_files(self._tree, read_manifests(top, read), lambda d: f"{folder}{d.hex}", signature_files)


def _recognise(location: Location) -> DirTree | None:
    if not location.is_folder:
        return None
    images = {
        folder: [entry.name for entry in entries if entry.is_file and SIGNATURE in entry.name]
        for folder, entries in location.scan.folders.items()
        if _has_file(entries, DIR_MANIFEST) and not _has_file(entries, OCI_LAYOUT)
    }
    return DirTree(location.tree, images, location.scan.findings) if images else None


def _has_file(entries: Sequence[Entry], name: str) -> bool:
    return any(entry.name == name and entry.is_file for entry in entries)


KIND = Kind("dir", f"no dir: image (a folder with a {DIR_MANIFEST})", _recognise)
