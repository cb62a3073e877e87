"""Trees of `dir:` images, as `skopeo sync --dest dir` and `skopeo copy ... dir:` write them.

A folder with a `manifest.json` is an image (containers/image `directory/directory_transport.go`): beside it lie its
blobs, named by the hex form of their digest, `signature-N`, and for a list its children as `<hex>.manifest.json` with
`<hex>.signature-N`. The folder's path below the tree is the image's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from airpatch import limits
from airpatch.blobs.tree import Tree
from airpatch.errors import AirpatchError, FormatError
from airpatch.linux import real_path
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.image_files import load_files, numbered_signatures, read_manifest
from airpatch.sources.location import DIR_MANIFEST, DIR_VERSION, FolderScan, Location, has_file, is_layout
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source, UnnamedImage

_SHOWN_FILES = 3
_HEX = re.compile(r"([0-9a-f]{64})(\.manifest\.json|\.signature-[0-9]+)?")


class DirTree(Source):
    """The images in `folders` of `tree`. The tree itself, as the folder `""`, has the name of its last component."""

    def __init__(self, tree: Tree, scan: FolderScan, folders: Sequence[str]) -> None:
        self._tree = tree
        self._scan = scan
        self._folders = folders

    def listing(self, names: GivenNames) -> Listing:
        images: list[FoundImage] = []
        unnamed: list[UnnamedImage] = []
        for folder in self._folders:
            where, load = self._tree.name(folder), partial(self._load, folder)
            try:
                name, claimed = ImageName.from_folder(folder or real_path(self._tree.path).name)
            except FormatError as error:
                digest = self._digest(folder)
                given = names.get(digest, ()) if digest is not None else ()
                images += [FoundImage(name, where, load, digest) for name in given]
                if not given:
                    unnamed.append(UnnamedImage(where, error.message, digest))
            else:
                given = names.get(name.digest, ()) if name.digest is not None else ()
                images += [FoundImage(name, where, load, claimed) for name in given or (name,)]
        return Listing(tuple(images), tuple(unnamed), tuple(self._scan.findings))

    def leftovers(self, used: AbstractSet[Digest]) -> Iterator[str]:
        names = {digest.hex for digest in used}
        images = set(self._folders)
        for folder, entries in self._scan.folders.items():
            if not is_layout(entries):
                files = (entry.name for entry in entries if not entry.is_folder and not entry.name.startswith("."))
                unknown = [name for name in files if folder not in images or not _is_part(name, names)]
                if unknown:
                    more = f" and {len(unknown) - _SHOWN_FILES} more" if len(unknown) > _SHOWN_FILES else ""
                    yield f"{self._tree.name(folder)}: no image uses {', '.join(unknown[:_SHOWN_FILES])}{more}"

    def _digest(self, folder: str) -> Digest | None:
        """Return the digest of the image in `folder`, None if its manifest cannot be read: loading it reports why."""
        try:
            return Digest.of(self._tree.read(_inside(folder, DIR_MANIFEST), limits.MANIFEST.value))
        except AirpatchError:
            return None

    def _load(self, folder: str) -> LoadedImage:
        content = self._tree.read(_inside(folder, DIR_MANIFEST), limits.MANIFEST.value)
        top = Digest.of(content)

        def read(digest: Digest) -> bytes | None:
            if digest == top:
                return content
            return read_manifest(self._tree, _inside(folder, f"{digest.hex}.{DIR_MANIFEST}"))

        names = [entry.name for entry in self._scan.folders[folder] if entry.is_file]

        def signature_files(manifest: Digest) -> Mapping[int, str]:
            return numbered_signatures(_inside(folder, ""), names, "" if manifest == top else f"{manifest.hex}.")

        return load_files(self._tree, read_manifests(top, read), lambda d: _inside(folder, d.hex), signature_files)


def _inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_part(name: str, used: AbstractSet[str]) -> bool:
    """Return whether a file `name` in an image's folder belongs to the image, whose blobs and manifests are in
    `used`.
    """
    match = _HEX.fullmatch(name)
    return match[1] in used if match else name in (DIR_MANIFEST, DIR_VERSION) or name.startswith("signature-")


def recognise(location: Location) -> DirTree | None:
    """Return the images of this kind in a folder, None if there are none. Raises SourceError if it cannot be read."""
    folders = location.scan.folders.items()
    images = [folder for folder, entries in folders if has_file(entries, DIR_MANIFEST) and not is_layout(entries)]
    return DirTree(location.tree, location.scan, images) if images else None
