"""What a target may have: the state that a patch is made against.

A base is a full bundle, a patch (its release counts as installed), a registry's root, an inventory of one, or a
request. They differ in what they name, and agree in what they say: which blobs are there, in which size.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bundle.archive.bundle_file import BundleFile
from bundle.archive.feed import is_bundle
from bundle.errors import FormatError, UsageError, located
from bundle.format import inventory
from bundle.format.index import Base, release_id
from bundle.format.inventory import Inventory, Request
from bundle.format.registry import STORAGE
from bundle.model.digest import Digest
from bundle.model.release import Release
from bundle.target.inventory import take_inventory
from bundle.target.root import Root

_MAX_FILE = 64 << 20
"""Bytes of an inventory's file at most: that many of content, which digests do not let shrink."""


@dataclass(frozen=True, slots=True)
class BaseState:
    """`blobs` with their sizes in bytes, `repositories` of the release that is there; `warning` for the user."""

    base: Base
    blobs: Mapping[Digest, int]
    repositories: frozenset[str]
    warning: str | None = None


def open_base(name: str, release: Release) -> BaseState:
    """The base in the file or folder `name`, for a patch to `release`.

    Raises UsageError if there is none or it is a request for another release, FormatError if it is damaged.
    """
    path = Path(name)
    if path.is_dir():
        return _from_root(path)
    if not path.is_file():
        raise UsageError(f"{name}: no such base; give a bundle, a registry's root, an inventory or a request")
    if is_bundle(path):
        return _from_bundle(name)
    if path.stat().st_size > _MAX_FILE:
        raise FormatError(f"{name}: neither a bundle nor an inventory")
    with located(name):
        value = inventory.parse(path.read_bytes())
    return _from_inventory(value, name) if isinstance(value, Inventory) else _from_request(value, release, name)


def _from_root(path: Path) -> BaseState:
    with Root(path) as root:
        if not root.is_folder(STORAGE):
            raise UsageError(f"{path}: holds no {STORAGE}; a base that is a folder must be a registry's root")
        return _from_inventory(take_inventory(root), str(path))


def _from_bundle(name: str) -> BaseState:
    with closing(BundleFile(name)) as bundle:
        index = bundle.index
    release = index.release
    warning = None
    if not index.is_full:
        bases = " or ".join(base.name for base in index.bases)
        warning = (
            f"{name} is a patch for {bases}: the new patch fits targets that had it applied, and no target that "
            f"has {bases} alone"
        )
    return BaseState(
        Base(release_id(release), release.name),
        {blob.digest: blob.size for blob in release.blobs},
        _repositories(release),
        warning,
    )


def _from_inventory(value: Inventory, name: str) -> BaseState:
    return BaseState(
        Base(inventory.content_id(value), value.name or Path(name).name), value.blobs, frozenset(value.repositories)
    )


def _from_request(request: Request, release: Release, name: str) -> BaseState:
    if request.release_id != release_id(release):
        raise UsageError(
            f"{name}: requests blobs of release {request.name} ({request.release_id.short}), and the sources give "
            f"{release.name} ({release_id(release).short}); give its sources, its --release and its --sequence"
        )
    blobs = {b.digest: b.size for b in release.blobs if b.digest not in request.blobs}
    return BaseState(Base(inventory.content_id(request), f"request for {request.name}"), blobs, frozenset())


def _repositories(release: Release) -> frozenset[str]:
    return frozenset(image.name.repository for image in release.images)
