"""The order in which a verified release becomes visible on a root (spec/TARGET.md, Publishing).

Everything lies in staging, checked to its last byte, before the first step; between two steps all is brought to
disk. Whoever looks at any moment, a client or the next run after a crash, sees for each tag the old release or the
new one:

    1  blobs, signatures   under their digests, never over a right one
    2  `_layers`, `_manifests/revisions`   from here on garbage collection keeps the blobs; staging has them until then
       signatures of manifests             each manifest's at one moment
    3  tag `index`, tag `current`          from here on clients see the release; a new tag appears with both at once
    4  the receipt

Each step can be repeated; a step that finds its work done does nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from airpatch.errors import TargetError
from airpatch.format import registry
from airpatch.format.registry import Link, Stage
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.release import Blob, Release
from airpatch.target import image_signatures
from airpatch.target.check import hash_blobs
from airpatch.target.root import Root
from airpatch.target.state import Origin, State, is_recorded

_LOG = logger(__name__)
_ATTEMPTS = 3
"""How often blobs that a garbage collection takes away are put back before giving up."""


def publish(
    state: State,
    release: Release,
    manifests: Mapping[Digest, Manifest],
    staged: Mapping[Digest, str],
    pool: Executor,
    origin: Origin,
) -> list[Link]:
    """Make `release` visible; return the links that were written.

    `staged` has the paths of those blobs and signatures of the release that are in staging; the root must have the
    others. `origin` goes into the history. Raises TargetError.
    """
    root = state.root
    links = registry.links(release, manifests)
    wanted = _in_order(release, links_to_write(root, links))
    lacking = image_signatures.lacking(root, release)
    folders = image_signatures.folders_of(release, manifests)
    folders = {folder: own for folder, own in folders.items() if not image_signatures.are_in_place(root, folder, own)}
    blobs = [blob for blob in release.blobs if blob.digest in staged]
    if not (wanted or lacking or folders or blobs) and is_recorded(root, release):
        _LOG.info("release %s: published already", release.name)
        return []
    _LOG.info(
        "release %s: to publish: blobs: %d, signatures: %d, links: %d, of these tags: %d", release.name,
        len(blobs), len(lacking), len(wanted), sum(link.stage is Stage.TAG for link in wanted),
    )  # fmt: skip
    moves = _stage_links(state, wanted)
    asides = image_signatures.stage_folders(state, folders, staged)
    state.begin(release, origin)
    for blob in blobs:
        _place(state, staged[blob.digest], blob, pool)
    for signature in lacking:
        _replace(state, staged[signature.digest], image_signatures.kept_path(signature))
    state.sync()
    image_signatures.place_folders(root, folders, asides)
    _move(root, moves, (Stage.LAYER, Stage.REVISION))
    state.sync()
    _put_back_collected(state, release, [link for link in links if link.stage <= Stage.REVISION], staged)
    _move(root, moves, (Stage.TAG_INDEX,))
    _move(root, moves, (Stage.TAG,))
    state.sync()
    _put_back_collected(state, release, links, staged)
    state.record(release, origin)
    return wanted


def links_to_write(root: Root, links: Collection[Link]) -> list[Link]:
    """Return those of `links` that are not on `root`, or hold something else."""
    return [link for link in links if not _is_in_place(root, link)]


def _is_in_place(root: Root, link: Link) -> bool:
    content = link.content
    return root.size(link.path) == len(content) and root.read(link.path, len(content)) == content


def _in_order(release: Release, links: Iterable[Link]) -> list[Link]:
    """Stage by stage; revisions of children before those of the indexes that name them, as the table has them."""
    position = {blob.digest: number for number, blob in enumerate(release.blobs)}
    return sorted(links, key=lambda link: (link.stage, position[link.digest], link.path))


@dataclass(frozen=True, slots=True)
class _Move:
    """Links in staging. `links` and `staged` go together; a tag that is new has both of its links in `folder`."""

    links: tuple[Link, ...]
    staged: tuple[str, ...]
    folder: str = ""

    @property
    def stage(self) -> Stage:
        return self.links[-1].stage


def _stage_links(state: State, wanted: Collection[Link]) -> list[_Move]:
    """Write the links into staging. A new tag becomes a folder there: in its place it has to appear all at once."""
    new: dict[str, list[Link]] = {
        registry.tag_folder_of(link): []
        for link in wanted
        if link.stage is Stage.TAG and state.root.size(link.path) is None
    }
    moves = []
    for link in wanted:
        folder = registry.tag_folder_of(link) if link.stage >= Stage.TAG_INDEX else ""
        if folder in new:
            new[folder].append(link)
        else:
            moves.append(_Move((link,), (state.stage(link.content),)))
    for folder, links in new.items():
        aside = state.staged()
        paths = [state.stage(link.content, aside + link.path.removeprefix(folder)) for link in links]
        moves.append(_Move(tuple(links), tuple(paths), aside))
    return moves


def _place(state: State, staged: str, blob: Blob, pool: Executor) -> None:
    """Give the staged blob its name; one that is there stays if it is right and is replaced if it is wrong."""
    root, path = state.root, registry.blob_path(blob.digest)
    if root.link(staged, path):
        _LOG.debug("blob %s: written, %d bytes", blob.digest.short, blob.size)
    elif root.size(path) != blob.size or not all(right for _, right in hash_blobs(root, [blob], pool)):
        _LOG.info("blob %s: replaced, since the one on the root is damaged", blob.digest.short)
        _replace(state, staged, path)
    else:
        _LOG.debug("blob %s: was written to the root by another process, and is correct", blob.digest.short)


def _replace(state: State, staged: str, path: str) -> None:
    """Put the staged file at `path`, over what is there, and keep it in staging."""
    copy = state.staged()
    state.root.link(staged, copy)
    state.root.rename(copy, path)


def _move(root: Root, moves: Collection[_Move], stages: Collection[Stage]) -> None:
    for move in moves:
        if move.stage not in stages:
            continue
        for link in move.links:
            _LOG.debug("link %s: written", link.path)
        if move.folder and root.move_folder(move.folder, registry.tag_folder_of(move.links[-1])):
            continue
        for link, staged in zip(move.links, move.staged, strict=True):
            root.rename(staged, link.path)


def _put_back_collected(state: State, release: Release, links: Collection[Link], staged: Mapping[Digest, str]) -> None:
    """Put back what a garbage collection, which began before the revisions or the tags stood, has taken away."""
    root = state.root
    for _ in range(_ATTEMPTS):
        gone = [b for b in release.blobs if root.size(registry.blob_path(b.digest)) != b.size]
        without = [link for link in links if root.size(link.path) is None]
        if not (gone or without):
            return
        lost = [str(blob.digest) for blob in gone if blob.digest not in staged]
        if lost:
            raise TargetError(
                f"{root.path}: something removed blobs during the apply, a garbage collection perhaps; "
                "apply a full bundle or a top-up when it has finished",
                lost,
            )
        _LOG.info("removed by another process, and put back: blobs: %d, links: %d", len(gone), len(without))
        moves = _stage_links(state, _in_order(release, without))
        for blob in gone:
            root.link(staged[blob.digest], registry.blob_path(blob.digest))
        state.sync()
        for stage in Stage:
            _move(root, moves, (stage,))
        state.sync()
    raise TargetError(f"{root.path}: blobs are removed as fast as they are written; stop the garbage collection")
