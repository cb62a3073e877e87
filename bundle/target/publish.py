"""The order in which a verified release becomes visible on a root (spec/TARGET.md).

Everything lies in staging, checked to its last byte, before the first step; between two steps all is brought to
disk. Whoever looks at any moment, a client or the next run after a crash, sees for each tag the old release or the
new one:

    1  blobs           under their digests, never over a right one
    2  `_layers`, `_manifests/revisions`   from here on garbage collection keeps the blobs; staging has them until then
    3  tag `index`, tag `current`          from here on clients see the release
    4  the receipt

Each step can be repeated; a step that finds its work done does nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Executor

from bundle.errors import TargetError
from bundle.format import layout, registry
from bundle.format.registry import Link, Stage
from bundle.model.digest import Digest
from bundle.model.manifest import Manifest
from bundle.model.release import Blob, Release, Signature
from bundle.target.check import hash_blobs
from bundle.target.root import Root
from bundle.target.state import Action, State, is_recorded

_ATTEMPTS = 3
"""How often blobs that a garbage collection takes away are put back before giving up."""


def publish(
    state: State,
    release: Release,
    manifests: Mapping[Digest, Manifest],
    staged: Mapping[Digest, str],
    pool: Executor,
    action: Action = Action.APPLY,
) -> list[Link]:
    """Make `release` visible; returns the links that were written.

    `staged` has the paths of those blobs and signatures of the release that are in staging; the root must have the
    other blobs. Raises TargetError.
    """
    root = state.root
    wanted = wanting(root, registry.links(release, manifests))
    signatures = [(p, s) for image in release.images for p, s in layout.signature_paths(image) if s.digest in staged]
    signatures = [(path, signature) for path, signature in signatures if not _is_there(root, path, signature)]
    blobs = [blob for blob in release.blobs if blob.digest in staged]
    if not (wanted or signatures or blobs) and is_recorded(root, release):
        return []
    links = [(link, _stage_link(state, link)) for link in wanted]
    state.begin(release)
    for blob in blobs:
        _place(state, staged[blob.digest], blob, pool)
    for path, signature in signatures:
        _put_over(state, staged[signature.digest], path)
    state.sync()
    _move(root, links, (Stage.LAYER, Stage.REVISION))
    state.sync()
    _guard(state, release, staged)
    _move(root, links, (Stage.TAG_INDEX,))
    _move(root, links, (Stage.TAG,))
    state.sync()
    _guard(state, release, staged)
    state.record(action, release)
    return wanted


def wanting(root: Root, links: Collection[Link]) -> list[Link]:
    """Those of `links` that are not on `root`, or hold something else."""
    return [link for link in links if not _stands(root, link)]


def _stands(root: Root, link: Link) -> bool:
    content = link.content
    return root.size(link.path) == len(content) and root.read(link.path, len(content)) == content


def _stage_link(state: State, link: Link) -> str:
    path = state.staged()
    state.root.write(path, link.content)
    return path


def _place(state: State, staged: str, blob: Blob, pool: Executor) -> None:
    """Give the staged blob its name; one that is there stays if it is right and is replaced if it is wrong."""
    root, path = state.root, registry.blob_path(blob.digest)
    if root.link(staged, path):
        return
    if root.size(path) != blob.size or not all(right for _, right in hash_blobs(root, [blob], pool)):
        _put_over(state, staged, path)


def _put_over(state: State, staged: str, path: str) -> None:
    """Put the staged file at `path`, over what is there, and keep it in staging."""
    copy = state.staged()
    state.root.link(staged, copy)
    state.root.rename(copy, path)


def _is_there(root: Root, path: str, signature: Signature) -> bool:
    content = root.read(path, signature.size) if root.size(path) == signature.size else None
    return content is not None and Digest.of(content) == signature.digest


def _move(root: Root, links: Collection[tuple[Link, str]], stages: tuple[Stage, ...]) -> None:
    for link, staged in links:
        if link.stage in stages:
            root.rename(staged, link.path)


def _guard(state: State, release: Release, staged: Mapping[Digest, str]) -> None:
    """Put back blobs that a garbage collection, which began before the revisions stood, has taken away."""
    for _ in range(_ATTEMPTS):
        gone = [b for b in release.blobs if state.root.size(registry.blob_path(b.digest)) != b.size]
        if not gone:
            return
        lost = [str(blob.digest) for blob in gone if blob.digest not in staged]
        if lost:
            raise TargetError(
                f"{state.root.path}: something removed blobs during the apply, a garbage collection perhaps; "
                "run a full bundle or a top-up when it has ended",
                lost,
            )
        for blob in gone:
            state.root.link(staged[blob.digest], registry.blob_path(blob.digest))
        state.sync()
    raise TargetError(f"{state.root.path}: blobs vanish as fast as they are written; stop the garbage collection")
