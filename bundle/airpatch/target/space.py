"""Whether what an apply will make on a root fits, and whether its folders can be written to, before anything is made.

Counted are bytes, and inodes: one for each file and folder.

What goes to staging is known from the index. Links and their folders follow from the manifests: those of a bundle in a
file are read ahead, those of a pipe are known once it is staged; until then, each blob counts one link. So all is
counted before anything is published, and of a file before anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from airpatch.blobs.room import Room, room_at
from airpatch.errors import TargetError
from airpatch.format import registry
from airpatch.format.layout import RELEASES
from airpatch.format.receipts import Receipt, emit_receipt
from airpatch.layers.steps import scratch_space
from airpatch.linux import nearest_folder
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.release import Release
from airpatch.target import image_signatures
from airpatch.target.check import InstallPlan, present
from airpatch.target.publish import links_to_write
from airpatch.target.root import Root
from airpatch.target.root_reader import STAGING
from airpatch.target.state import HISTORY, JOURNAL, LOCK, is_recorded

Manifests = Mapping[Digest, Manifest]
_ENTRY = 8
"""Bytes of an entry of a folder besides its name (ext4, `fs/ext4/ext4.h`)."""
_EVENT = 4096
"""Bytes that an event adds to the history, those with very many principals aside."""
_SLACK = 2
"""How much larger a folder gets than its entries: blocks of one that is split are half full."""


class Need:
    """Counts what is to be made on `root` (None: it does not exist yet): `size` bytes and `files` inodes."""

    def __init__(self, root: Root | None, block: int, name_max: int = 255) -> None:
        self._root = root
        self._block = block
        self._name_max = name_max
        self._there: dict[str, bool] = {"": True}
        self._entries: Counter[str] = Counter()
        self._new: set[str] = set()
        self._bytes = 0
        self._passing = 0
        self._files = 0

    @property
    def size(self) -> int:
        folders = sum(self._whole(_SLACK * size) for size in self._entries.values())
        return self._bytes + folders

    @property
    def lasting(self) -> int:
        """Those of `size` that are still taken when the apply has ended."""
        return self.size - self._passing

    @property
    def files(self) -> int:
        return self._files

    @property
    def folders(self) -> list[str]:
        """The existing folders in which names will be made."""
        return sorted(folder for folder in self._entries if self._there[folder])

    def stage(self, size: int, *, lasts: bool = True) -> None:
        """Count a new file of `size` bytes in staging, which comes to its place from there or goes again."""
        self._files += 1
        self._bytes += self._whole(size)
        self._passing += 0 if lasts else self._whole(size)
        self._enter(STAGING, str(self._files))

    def name(self, path: str) -> None:
        """Count the name `path` for a staged file, and the folders above it."""
        if path not in self._new:
            self._new.add(path)
            self._enter(*_split(path))

    def replace(self, path: str) -> None:
        """Count a staged file that replaces the one at `path`."""
        self._enter(_split(path)[0], "")

    def scratch(self, size: int) -> None:
        """Count unnamed files of `size` bytes in all."""
        self._bytes += size
        self._passing += size

    def _enter(self, folder: str, name: str) -> None:
        self._require_folder(folder)
        if len(name.encode()) > self._name_max:
            raise TargetError(
                f"{folder}/{name}: is longer than the {self._name_max} bytes that names can have on this file system"
            )
        self._entries[folder] += _ENTRY + len(name.encode())

    def _require_folder(self, path: str) -> None:
        if path in self._there:
            return
        above, name = _split(path)
        self._require_folder(above)
        self._there[path] = self._there[above] and self._root is not None and self._root.has_folder(path)
        if not self._there[path]:
            self._files += 1
            self._enter(above, name)

    def _whole(self, size: int) -> int:
        return -(-size // self._block) * self._block


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def require_possible(root: Root | None, path: Path, plans: Sequence[InstallPlan], jobs: int) -> Need:
    """Raise TargetError unless all that applying `plans` makes, `jobs` steps at a time, can be made on the root at
    `path`: it fits, and names can be given in each folder. Return what it takes.
    """
    room = room_of(root, path)
    need = Need(root, room.block, room.name_max)
    _add_staging(need, plans, jobs)
    for plan in plans:
        _add_blobs(need, plan)
        if plan.ahead.are_all:
            add_links(need, root, plan.index.release, plan.ahead.found)
        else:
            _add_least_links(need, plan)
    _require(need, root, path, room)
    return need


def need_after_staging(
    root: Root, plans: Sequence[InstallPlan], manifests: Sequence[Manifests], staged: Container[Digest]
) -> Need:
    """Return what applying `plans`, the manifests of whose releases are `manifests`, takes beside what is `staged`."""
    room = root.room()
    need = Need(root, room.block, room.name_max)
    for size in {step.digest: step.size for plan in plans for step in plan.steps if step.digest not in staged}.values():
        need.stage(size)
    for plan, parsed in zip(plans, manifests, strict=True):
        add_links(need, root, plan.index.release, parsed)
    return need


def _require(need: Need, root: Root | None, path: Path, room: Room) -> None:
    if root is not None:
        for folder in need.folders:
            root.require_writable(folder)
    room.require(str(path), need.size, need.files)


def require_publishable(root: Root, releases: Iterable[tuple[Release, Manifests]]) -> None:
    """Raise TargetError unless the links of `releases`, whose blobs are staged or in place, can be made on `root`."""
    room = root.room()
    need = Need(root, room.block, room.name_max)
    for release, manifests in releases:
        for blob in release.blobs:
            if root.size(registry.blob_path(blob.digest)) is None:
                need.name(registry.blob_path(blob.digest))
        add_links(need, root, release, manifests)
    _require(need, root, root.path, room)


def room_of(root: Root | None, path: Path) -> Room:
    """Return the room of `root`, or where the root at `path` would be made."""
    if root is not None:
        return root.room()
    return room_at(nearest_folder(path))


def _add_staging(need: Need, plans: Sequence[InstallPlan], jobs: int) -> None:
    """Everything is in staging at once: what bundles bring, and what steps make, blobs of releases between included."""
    there = present(plans)
    staged: dict[Digest, int] = {}
    passing: dict[Digest, int] = {}
    for plan in plans:
        staged |= {blob.digest: blob.size for blob in plan.to_write}
        staged |= {step.digest: step.size for step in plan.steps}
        passing |= {step.patch: step.patch_size for step in plan.index.steps if step.digest not in there}
        staged |= {s.digest: s.size for s in image_signatures.signatures_of(plan.index.release)}
    for size in staged.values():
        need.stage(size)
    for size in passing.values():
        need.stage(size, lasts=False)
    need.scratch(max((scratch_space(plan.index, plan.steps, jobs) for plan in plans), default=0))


def _add_blobs(need: Need, plan: InstallPlan) -> None:
    for blob in plan.to_write:
        (need.replace if blob.digest in plan.wrong else need.name)(registry.blob_path(blob.digest))


def _add_least_links(need: Need, plan: InstallPlan) -> None:
    """One link for each new blob, and the folders of each repository and tag, where more is not known."""
    release = plan.index.release
    for image in release.images:
        for make in (registry.tag_index_link, registry.tag_link):
            _add_link(need, make(image.name, image.manifest))
    for blob in plan.to_write:
        repository = release.images[0].name.repository
        _add_link(need, (registry.revision_link if blob.is_manifest else registry.layer_link)(repository, blob.digest))


def _add_link(need: Need, link: registry.Link) -> None:
    need.stage(len(link.content))
    need.name(link.path)


def add_links(need: Need, root: Root | None, release: Release, manifests: Manifests) -> None:
    """Count the links, signatures and records of `release`."""
    links = registry.links(release, manifests)
    wanted = links_to_write(root, links) if root is not None else links
    for link in wanted:
        _add_link(need, link)
    signatures_of = image_signatures.signatures_of(release)
    for signature in signatures_of if root is None else image_signatures.lacking(root, release):
        need.name(image_signatures.kept_path(signature))
    for folder, signatures in image_signatures.folders_of(release, manifests).items():
        if signatures and (root is None or not image_signatures.are_in_place(root, folder, signatures)):
            for number, _ in enumerate(signatures, 1):
                need.name(f"{folder}/signature-{number}")
    if wanted or root is None or not is_recorded(root, release):
        record = len(emit_receipt(Receipt(release, 0)))
        for path in (JOURNAL, f"{RELEASES}/{'0' * 64}", LOCK):
            need.stage(record)
            need.name(path)
        past = (root.size(HISTORY) if root is not None else None) or 0
        for events in (1, 2):  # begun, and done
            need.stage(past + events * _EVENT)
        need.name(HISTORY)
