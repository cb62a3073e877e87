"""Images whose blobs and signatures are files: what `dir:` trees, registry storage and OCI layouts share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from airpatch import limits
from airpatch.blobs.content import BlobReader
from airpatch.blobs.tree import Entry
from airpatch.errors import SourceError
from airpatch.format.layout import image_signature_folder
from airpatch.format.release_part import MAX_IMAGE_SIGNATURE
from airpatch.model.digest import Digest
from airpatch.model.release import ImageSignature
from airpatch.sources.manifests import Manifests
from airpatch.sources.source import LoadedImage

_SIGNATURE = re.compile(r"(.*?)signature-([1-9][0-9]{0,8})", re.ASCII)


class Files(Protocol):
    """Files by path, with `/` between components: a folder, or an archive. Errors are SourceErrors."""

    def name(self, path: str) -> str:
        """Return `path` as error messages show it."""

    def lacks(self, path: str) -> bool:
        """Return whether there is nothing at `path`."""

    def size(self, path: str) -> int | None:
        """Return the size of the file `path` in bytes, None if there is no readable file."""

    def is_folder(self, path: str) -> bool: ...

    def scan(self, path: str) -> list[Entry]:
        """Return what is in the folder `path`, sorted."""

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a file of at most `limit` bytes."""

    def blob(self, path: str, size: int) -> BlobReader:
        """Return a file of `size` bytes."""


class TreeContent:
    """Blobs that are files of `tree`: at the path that `placed` has, or else where `locate` says."""

    def __init__(
        self, tree: Files, locate: Callable[[Digest], str], placed: Mapping[Digest, str] | None = None
    ) -> None:
        self._tree = tree
        self._locate = locate
        self._placed = placed or {}

    def size(self, digest: Digest) -> int | None:
        return self._tree.size(self._path(digest))

    def open(self, digest: Digest, size: int) -> BlobReader:
        return self._tree.blob(self._path(digest), size)

    def _path(self, digest: Digest) -> str:
        return self._placed.get(digest) or self._locate(digest)


def read_manifest(tree: Files, path: str) -> bytes | None:
    """Return the manifest in the file `path`, None if there is no such file. Raises SourceError."""
    return None if tree.lacks(path) else tree.read(path, limits.MANIFEST.value)


SignatureFiles = Callable[[Digest], Mapping[int, str]]
"""The signature files of a manifest: paths by number."""


def numbered_signatures(folder: str, names: Iterable[str], prefix: str = "") -> dict[int, str]:
    """Return the paths of the files `PREFIXsignature-N` among the `names` in `folder`, by N."""
    matches = filter(None, map(_SIGNATURE.fullmatch, names))
    return {int(match[2]): f"{folder}{match[0]}" for match in matches if match[1] == prefix}


def stored_signatures(tree: Files, prefix: str, repository: str) -> SignatureFiles:
    """Return where registry roots and OCI layouts, at the path `prefix`, keep the signatures of a repository's
    manifests.
    """

    def find(manifest: Digest) -> Mapping[int, str]:
        folder = f"{prefix}{image_signature_folder(repository, manifest)}"
        if not tree.is_folder(folder):
            return {}
        return numbered_signatures(f"{folder}/", [entry.name for entry in tree.scan(folder)])

    return find


def load_files(
    tree: Files, manifests: Manifests, locate: Callable[[Digest], str], signature_files: SignatureFiles
) -> LoadedImage:
    """Return the image of `manifests`, with its blobs where `locate` says."""
    findings = list(manifests.findings)
    signatures: list[ImageSignature] = []
    placed: dict[Digest, str] = {}
    for manifest in sorted(manifests.content):
        files = signature_files(manifest)
        if sorted(files) != list(range(1, len(files) + 1)):
            findings.append(f"its signatures of {manifest} are not numbered from 1 without gaps: {sorted(files)}")
        for _, path in sorted(files.items()):
            try:
                content = tree.read(path, MAX_IMAGE_SIGNATURE)
            except SourceError as error:
                findings.append(error.message)
                continue
            signature = ImageSignature(manifest, Digest.of(content), len(content))
            placed[signature.digest] = path
            signatures.append(signature)
    found = replace(manifests, findings=findings)
    return found.image(TreeContent(tree, locate, placed), signatures)
