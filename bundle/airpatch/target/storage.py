"""What lies in a root's registry storage: repositories, tags, revisions, layers and blobs, whoever put them there.

Only what has the form that distribution gives it is listed; `verify` names the rest. Where a folder may be, anything
but folders and files is a TargetError: a registry follows symbolic links, and what it finds there must not
be overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from airpatch.errors import AirpatchError, FormatError, IntegrityError, TargetError
from airpatch.format import registry
from airpatch.format.registry import Link
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Release
from airpatch.model.walk import walk
from airpatch.target.check import read_manifest
from airpatch.target.root import Root

MANIFEST_LIMIT = 64 << 20
"""Bytes of a manifest of whatever type; distribution's API takes 4 MiB, and others may write to the storage."""
_NAMED = re.compile(rb"sha256:([0-9a-f]{64})")
_LINK_SIZE = 71
"""Bytes: `sha256:` and 64 hex digits."""


def repositories(root: Root) -> Iterator[str]:
    """Yield all repositories, in order. A folder is one if it has a part of its own, a name that begins with `_`."""

    pending = [registry.REPOSITORIES]
    while pending:
        path = pending.pop()
        names = _folders(root, path)
        if path != registry.REPOSITORIES and any(name.startswith("_") for name in names):
            yield path.removeprefix(f"{registry.REPOSITORIES}/")
        pending += [f"{path}/{name}" for name in reversed(names) if not name.startswith("_")]


def tags(root: Root, repository: str) -> Iterator[tuple[ImageName, Digest]]:
    """Yield the tags of `repository` and the manifests that they point to; a tag without a valid link is left out."""
    for tag in _folders(root, f"{registry.repository_path(repository)}/_manifests/tags"):
        try:
            name = ImageName(repository, tag)
        except FormatError:
            continue
        digest = read_link(root, f"{registry.tag_folder(name)}/current/link")
        if digest is not None:
            yield name, digest


def revisions(root: Root, repository: str) -> Iterator[Link]:
    """Yield the revision links of `repository` that hold what their place says."""
    for digest in _linked(root, f"{registry.repository_path(repository)}/_manifests/revisions/sha256"):
        yield registry.revision_link(repository, digest)


def layers(root: Root, repository: str) -> Iterator[Link]:
    """Yield the layer links of `repository` that hold what their place says."""
    for digest in _linked(root, f"{registry.repository_path(repository)}/_layers/sha256"):
        yield registry.layer_link(repository, digest)


def blobs(root: Root) -> Iterator[tuple[Digest, int]]:
    """Yield all blobs with their sizes in bytes, ordered by digest."""
    folder = f"{registry.BLOBS}/sha256"
    for prefix in _folders(root, folder):
        for name in _folders(root, f"{folder}/{prefix}"):
            match = registry.BLOB_PATH.fullmatch(f"{folder}/{prefix}/{name}/data")
            size = root.size(match[0]) if match else None
            if match is not None and size is not None:
                yield Digest.from_hex(match[2]), size


def read_link(root: Root, path: str) -> Digest | None:
    """Return the digest in a link file; None if it is missing or holds anything else."""
    if root.size(path) != _LINK_SIZE:
        return None
    content = root.read(path, _LINK_SIZE)
    try:
        return Digest.parse(content.decode("ascii")) if content is not None else None
    except (FormatError, UnicodeDecodeError):
        return None


@dataclass(slots=True)
class Needs:
    """What a repository must have so that manifests can be pulled: the manifests themselves, and their content."""

    manifests: set[Digest] = field(default_factory=set)
    blobs: set[Digest] = field(default_factory=set)


def needs(root: Root, repository: str, tops: Iterable[Digest]) -> Needs:
    """Return what the manifests `tops` of `repository` need, and all below them.

    Registries take more than airpatch packs: of a manifest of any other type every digest that it names counts, both
    as a manifest and as content. What is not there needs nothing: pull-through caches have indexes whose platforms
    nobody asked for. Raises IntegrityError, naming the repository, for a manifest without its digest.
    """
    found = Needs()
    pending = list(tops)
    while pending:
        digest = pending.pop()
        if digest in found.manifests:
            continue
        found.manifests.add(digest)
        content = _manifest(root, repository, digest)
        if content is None:
            continue
        try:
            manifest = parse_manifest(content)
        except FormatError:
            named = {Digest.from_hex(match[1].decode()) for match in _NAMED.finditer(content)}
            found.blobs |= named
            pending += [below for below in named if _is_revision(root, repository, below)]
        else:
            found.blobs.update(blob.digest for blob in manifest.blobs)
            pending += [child.digest for child in manifest.manifests]
    return found


def _manifest(root: Root, repository: str, digest: Digest) -> bytes | None:
    """Return the content of a manifest; None if it is not there."""
    content = root.read(registry.blob_path(digest), MANIFEST_LIMIT)
    if content is not None and Digest.of(content) != digest:
        pointing = [str(name) for name, target in tags(root, repository) if target == digest]
        raise IntegrityError(
            f"{root.path}: manifest {digest} of {', '.join(pointing) or repository} is damaged, so what it needs "
            "is unknown; push or apply the image again, or delete the manifest through the registry, and run again"
        )
    return content


def _is_revision(root: Root, repository: str, digest: Digest) -> bool:
    return read_link(root, registry.revision_link(repository, digest).path) == digest


def load_manifests(root: Root, tops: Iterable[Digest]) -> dict[Digest, Manifest]:
    """Return the manifests `tops` and all below them, verified. Raises an AirpatchError if one is missing or wrong."""

    def read(digest: Digest) -> Manifest:
        try:
            return parse_manifest(read_manifest(root, digest))
        except FormatError as error:
            raise TargetError(f"{root.path}: {digest}: {error.message}") from None

    return dict(walk(tops, read))


def known_manifests(root: Root, release: Release) -> dict[Digest, Manifest]:
    """Return those manifests of `release` that `root` has, and that are right."""
    found = {}
    for blob in release.blobs:
        if blob.is_manifest:
            with suppress(AirpatchError):
                found[blob.digest] = parse_manifest(read_manifest(root, blob.digest))
    return found


def _folders(root: Root, path: str) -> list[str]:
    """Return the names of the folders in `path`; of what is neither folder nor file, `size` makes an error."""
    return [n for n in root.names(path) if root.is_folder(f"{path}/{n}") or root.size(f"{path}/{n}") is None]


def _linked(root: Root, folder: str) -> Iterator[Digest]:
    for name in _folders(root, folder):
        digest = read_link(root, f"{folder}/{name}/link")
        if digest is not None and digest.hex == name:
            yield digest
