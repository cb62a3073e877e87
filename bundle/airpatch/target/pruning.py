"""Forgets old releases of a root and removes what nobody else needs (spec/TARGET.md, Prune).

Only what a forgotten release brought can go: its tags where they still point to its manifests, its links, its blobs.
It stays where a kept release, any other tag, or any revision that came by other means needs it; a blob also stays
while any repository links to it, since a push may count on that. Removing needs no space. What is removed goes in
the order opposite to that of an apply, so that a client never meets a tag without its blobs, and the receipts go
last: a run that was interrupted is done again from them. Kept signatures go after those, by what no receipt has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from airpatch.format import layout, registry
from airpatch.format.layout import HOME, RELEASES
from airpatch.format.receipts import Receipt
from airpatch.format.registry import Link
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Blob, Image, Release
from airpatch.model.walk import complete
from airpatch.target import image_signatures, storage
from airpatch.target.check import read_manifest
from airpatch.target.root import Root
from airpatch.target.state import (
    State,
    by_age,
    choose_product,
    interrupted,
    locked,
    receipts,
    require_unlocked,
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was, or with `dry_run` would be, removed. `bytes` counts the blobs."""

    forgotten: tuple[Receipt, ...]
    tags: tuple[Image, ...]
    blobs: tuple[Blob, ...]

    @property
    def bytes(self) -> int:
        return sum(blob.size for blob in self.blobs)


def prune_root(root: Root, keep: int, product: str | None = None, *, dry_run: bool = False) -> Pruned:
    """Keep the `keep` releases of `product` that were current last, forget its others; without `product`, of each.

    What others have pushed stays with all that it needs, whatever the types of its manifests (`storage.needs`).
    Raises IntegrityError, before the first change, if a manifest in any repository is damaged: what it needs is
    unknown.
    """
    if dry_run:
        require_unlocked(root)
        pruned = _preview(root, *_choose(root, keep, product))
        for folder in _changed_folders(pruned):
            root.require_writable(folder)
        return pruned
    with locked(root) as state:
        forgotten, kept = _choose(root, keep, product)
        tags = _preview(root, forgotten, kept).tags
        for image in tags:
            _remove_tag(state, image)
        state.sync()
        links = _unneeded_links(root, forgotten, kept, ())
        for link in sorted(links, reverse=True):
            _remove_file(root, link.path, registry.REPOSITORIES)
        state.sync()
        unneeded = _unneeded_blobs(root, forgotten, kept, ())
        blobs = tuple(b for b in unneeded if _remove_file(root, registry.blob_path(b.digest), registry.BLOBS))
        _remove_signatures(state, forgotten, kept)
        state.sync()
        for receipt in forgotten:
            state.forget(receipt.release)
        image_signatures.forget_unkept(root, kept)
        state.sync()
        return Pruned(forgotten, tags, blobs)


def _changed_folders(pruned: Pruned) -> list[str]:
    """Return folders out of which tags, blobs and receipts go, and the one that has the state."""
    if not pruned.forgotten:
        return []
    tags = {registry.tag_folder(image.name).rpartition("/")[0] for image in pruned.tags}
    blobs = {registry.blob_path(blob.digest).rpartition("/")[0] for blob in pruned.blobs}
    return sorted({HOME, RELEASES} | tags | blobs)


def _preview(root: Root, forgotten: tuple[Receipt, ...], kept: tuple[Release, ...]) -> Pruned:
    """Return what will be removed, as things are; what others push before it is removed stays."""
    tags = _old_tags(root, forgotten, kept)
    links = _unneeded_links(root, forgotten, kept, tags)
    unneeded = _unneeded_blobs(root, forgotten, kept, links)
    return Pruned(forgotten, tags, tuple(b for b in unneeded if root.is_file(registry.blob_path(b.digest))))


def _choose(root: Root, keep: int, product: str | None) -> tuple[tuple[Receipt, ...], tuple[Release, ...]]:
    """Return the receipts to forget, and the releases to keep: those of other products, the last current ones of each
    product that is pruned, and one that is half applied.
    """
    if product is not None:
        choose_product(root, product)
    unfinished = interrupted(root)
    kept = [unfinished.release] if unfinished is not None else []
    forgotten = []
    seen: Counter[str] = Counter()
    for receipt in by_age(root, receipts(root).values()):
        of = receipt.release.product
        seen[of] += 1
        if (product is not None and of != product) or seen[of] <= keep:
            kept.append(receipt.release)
        elif unfinished is None or receipt.id != unfinished.id:
            forgotten.append(receipt)
    return tuple(forgotten), tuple(kept)


def _old_tags(root: Root, forgotten: Iterable[Receipt], kept: Iterable[Release]) -> tuple[Image, ...]:
    """Return tags of forgotten releases that still are as those left them, and that no kept release has."""
    names = {image.name for release in kept for image in release.images}
    old = {
        image.name: image
        for receipt in forgotten
        for image in receipt.release.images
        if image.name not in names and _has_its_digest(root, registry.tag_link(image.name, image.manifest))
    }
    return tuple(old[name] for name in sorted(old))


def _has_its_digest(root: Root, link: Link) -> bool:
    return storage.read_link(root, link.path) == link.digest


def _unneeded_links(
    root: Root, forgotten: Iterable[Receipt], kept: Iterable[Release], without: Collection[Image]
) -> list[Link]:
    """Return the links of forgotten releases that nothing needs once the tags `without` are gone.

    With them those that are gone already: an interrupted prune may have left their empty folders.
    """
    candidates: set[Link] = set()
    for receipt in forgotten:
        manifests = _readable_manifests(root, receipt.release)
        candidates.update(_links(receipt.release, manifests))
    removed = {image.name for image in without}
    needed: set[Link] = set()
    for release in kept:
        needed.update(_links(release, _readable_manifests(root, release)))
    for repository in storage.repositories(root):
        live = [(name, digest) for name, digest in storage.tags(root, repository) if name not in removed]
        others = [link.digest for link in storage.revisions(root, repository) if link not in candidates]
        tops = [*(digest for _, digest in live), *others]
        required = storage.needs(root, repository, tops)
        needed.update(registry.revision_link(repository, digest) for digest in required.manifests)
        needed.update(registry.layer_link(repository, digest) for digest in required.blobs)
        for name, digest in live:
            needed |= {registry.tag_index_link(name, digest), registry.tag_link(name, digest)}
    return [link for link in candidates - needed if _has_its_digest(root, link) or root.size(link.path) is None]


def _unneeded_blobs(
    root: Root, forgotten: Iterable[Receipt], kept: Iterable[Release], without: Collection[Link]
) -> list[Blob]:
    """Return the blobs of forgotten releases, there or gone already, that nothing needs without the links `without`."""
    gone = {link.path for link in without}
    needed = {blob.digest for release in kept for blob in release.blobs}
    for repository in storage.repositories(root):
        needed.update(link.digest for link in storage.layers(root, repository) if link.path not in gone)
        tops = [link.digest for link in storage.revisions(root, repository) if link.path not in gone]
        required = storage.needs(root, repository, tops)
        needed |= required.manifests | required.blobs
    candidates = {blob.digest: blob for receipt in forgotten for blob in receipt.release.blobs}
    return [blob for digest, blob in sorted(candidates.items()) if digest not in needed]


def _readable_manifests(root: Root, release: Release) -> dict[Digest, Manifest]:
    """Return the manifests of `release` that are there with all below them; an interrupted prune may have
    removed some.
    """
    sizes = {blob.digest: blob.size for blob in release.blobs if blob.is_manifest}

    def read(digest: Digest) -> Manifest | None:
        is_there = root.size(registry.blob_path(digest)) == sizes[digest]
        return parse_manifest(read_manifest(root, digest)) if is_there else None

    return complete(sizes, read)


def _links(release: Release, manifests: dict[Digest, Manifest]) -> list[Link]:
    present = tuple(image for image in release.images if image.manifest in manifests)
    return registry.links(replace(release, images=present), manifests)


def _remove_tag(state: State, image: Image) -> None:
    """Take the tag away at once, by moving its folder; put it back if a push has changed it meanwhile."""
    folder, aside = registry.tag_folder(image.name), state.staged()
    is_aside = state.root.set_aside(folder, aside)
    changed = is_aside and storage.read_link(state.root, f"{aside}/current/link") != image.manifest
    if changed and not state.root.is_folder(folder):
        state.root.move_folder(aside, folder)
    _remove_empty(state.root, folder, registry.REPOSITORIES)


def _remove_file(root: Root, path: str, top: str) -> bool:
    """Remove a file and the folders that it leaves empty; return whether it was there."""
    was_there = root.unlink(path)
    _remove_empty(root, path, top)
    return was_there


def _remove_empty(root: Root, path: str, top: str) -> None:
    """Remove the folders above `path` that are empty, up to `top`, which stays."""
    folder = path.rpartition("/")[0]
    while folder != top and root.remove_folder(folder):
        folder = folder.rpartition("/")[0]


def _remove_signatures(state: State, forgotten: Iterable[Receipt], kept: Iterable[Release]) -> None:
    """Take away the signatures of manifests that no kept release has; where one has them, they are its own."""
    needed = _signature_folders(kept)
    for folder in _signature_folders(receipt.release for receipt in forgotten) - needed:
        if state.root.is_folder(folder):
            state.root.set_aside(folder, state.staged())
        _remove_empty(state.root, folder, layout.IMAGE_SIGNATURES)


def _signature_folders(releases: Iterable[Release]) -> set[str]:
    return {
        layout.image_signature_folder(image.name.repository, signature.manifest)
        for release in releases
        for image in release.images
        for signature in image.signatures
    }
