"""A registry's storage, distribution 2.x and 3, which a registry may be serving meanwhile.

The images are the tags: `_manifests/tags/TAG/current/link` of each repository. Uploads and everything else that
clients of the registry do not see are skipped. Detached signatures, which registries do not keep, lie in
`.airpatch/signatures` (`format.layout.image_signature_folder`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from airpatch.blobs.tree import Tree
from airpatch.errors import FormatError, SourceError
from airpatch.format import registry
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.image_files import TreeContent, load_files, read_manifest, stored_signatures
from airpatch.sources.location import Location
from airpatch.sources.manifests import read_manifests
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source

_LINK = len("sha256:") + 64
"""Bytes of a link file."""


def registry_content(tree: Tree) -> TreeContent:
    """Return all blobs of the root `tree`."""
    return TreeContent(tree, registry.blob_path)


class RegistryRoot(Source):
    """The tags of the root `tree`, the directory that holds `docker/registry/v2`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def listing(self, names: GivenNames) -> Listing:
        images = []
        findings: list[str] = []
        remarks: list[str] = []
        for repository in self._repositories(findings):
            tags = f"{registry.repository_path(repository)}/_manifests/tags"
            for entry in self._tree.scan(tags) if self._tree.is_folder(tags) else ():
                where = self._tree.name(f"{tags}/{entry.name}")
                if entry.is_file:  # such as `.DS_Store`; registries make folders
                    remarks.append(f"{where}: does not belong there")
                    continue
                try:
                    name = ImageName(repository, entry.name)
                except FormatError as error:
                    findings.append(f"{where}: {error.message}")
                else:
                    images.append(FoundImage(name, where, partial(self._load, name)))
        return Listing(tuple(images), findings=tuple(findings), remarks=tuple(remarks))

    def _repositories(self, findings: list[str]) -> Iterator[str]:
        """Yield the paths that hold a `_manifests`. Repositories have no names that begin with an underscore."""
        pending = [""]
        while pending:
            repository = pending.pop()
            path = registry.repository_path(repository).rstrip("/")
            if not repository and not self._tree.is_folder(path):
                return
            try:
                below = self._tree.scan(path)
            except SourceError as error:
                findings.append(error.message)
                continue
            if repository and any(entry.name == "_manifests" for entry in below):
                yield repository
            for entry in reversed(below):
                if entry.is_link:
                    findings.append(f"{self._tree.name(path)}/{entry.name}: is a symbolic link, which is not followed")
                elif entry.is_folder and not entry.name.startswith("_"):
                    pending.append(f"{repository}/{entry.name}".lstrip("/"))

    def _load(self, name: ImageName) -> LoadedImage:
        top = self._read_link(f"{registry.tag_folder(name)}/current/link")
        manifests = read_manifests(top, lambda digest: read_manifest(self._tree, registry.blob_path(digest)))
        signature_files = stored_signatures(self._tree, "", name.repository)
        return load_files(self._tree, manifests, registry.blob_path, signature_files)

    def _read_link(self, path: str) -> Digest:
        content = self._tree.read(path, _LINK)
        try:
            return Digest.parse(content.decode("ascii", "replace"))
        except FormatError as error:
            raise SourceError(f"{self._tree.name(path)}: {error.message}") from None


def recognise(location: Location) -> RegistryRoot:
    """Return the root that a folder with a registry's storage is."""
    return RegistryRoot(location.tree)
