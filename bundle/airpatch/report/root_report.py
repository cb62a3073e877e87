"""What is on a root: releases by their receipts, and images and blobs of its storage, whoever put them there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airpatch.errors import AirpatchError
from airpatch.format.receipts import Receipt
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.walk import walk
from airpatch.report.weight import Weight, weigh
from airpatch.target import state, storage
from airpatch.target.check import read_manifest
from airpatch.target.root import Root


@dataclass(frozen=True, slots=True)
class RootReport:
    """`current` has the id of the current release of each product; `interrupted` the release whose apply did not end.

    `weights` lacks images whose manifests cannot be read.
    """

    receipts: dict[Digest, Receipt]
    current: dict[str, Digest]
    interrupted: Receipt | None
    repositories: int
    images: dict[ImageName, Digest]
    weights: dict[ImageName, Weight]
    blobs: dict[Digest, int]
    """Sizes in bytes."""


def report_root(root: Root) -> RootReport:
    """Look at `root`; manifests are read, other blobs only counted. Raises TargetError."""
    repositories = list(storage.repositories(root))
    images = dict(sorted(item for repository in repositories for item in storage.tags(root, repository)))
    return RootReport(
        state.receipts(root),
        state.all_current(root),
        state.interrupted(root),
        len(repositories),
        images,
        weigh(images.items(), _manifests(root, images.values())),
        dict(storage.blobs(root)),
    )


def _manifests(root: Root, tops: Iterable[Digest]) -> dict[Digest, bytes]:
    """Return the manifests at and below `tops`, as far as they are there and right."""
    found: dict[Digest, bytes] = {}

    def read(digest: Digest) -> Manifest | None:
        try:
            content = read_manifest(root, digest)
            manifest = parse_manifest(content)
        except AirpatchError:
            return None
        found[digest] = content
        return manifest

    for _ in walk(tops, read):
        pass
    return found
