"""Applies bundles to a root: all checks, then staging, then the last byte of each bundle, then publishing.

Nothing outside `.airpatch/` is touched before every bundle has been read and verified to its end. Several bundles are
checked, staged and verified together, so that a patch and the top-up that completes it, or a chain of patches, need
each other in any order; their releases are published in the order given. A pipe is read once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bundle.archive.feed import Feed
from bundle.archive.output import write_error
from bundle.archive.reader import BundleStream, Receiver
from bundle.archive.writer import Progress, no_progress
from bundle.format import layout, registry
from bundle.format.index import Index
from bundle.format.layout import Member
from bundle.format.registry import Stage
from bundle.linux import start_writeback
from bundle.model.digest import Digest
from bundle.model.manifest import MAX_MANIFEST, Manifest, parse_manifest
from bundle.model.names import ImageName
from bundle.model.release import Blob, check_manifests
from bundle.target import check
from bundle.target.check import Holdings
from bundle.target.publish import publish
from bundle.target.root import Root
from bundle.target.state import State, locked, receipts


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying one bundle did, or with `dry_run` would do. `bytes` counts the written blobs."""

    index: Index
    written: tuple[Blob, ...]
    healed: tuple[Blob, ...]
    missing: tuple[Blob, ...]
    tags: tuple[ImageName, ...]
    """Tags that are new or point elsewhere than before; unknown, and empty, in a dry run."""

    @property
    def bytes(self) -> int:
        return sum(blob.size for blob in self.written)


@dataclass(frozen=True, slots=True)
class Options:
    """`deep` hashes the blobs that a patch leaves out, too; `jobs` None takes the machine's processors."""

    deep: bool = False
    allow_downgrade: bool = False
    jobs: int | None = None
    progress: Progress = no_progress
    announce: Callable[[str, int], None] = field(default=lambda _label, _total: None)
    """Called with a label and a number of bytes of content before each part that reports progress."""
    on_missing: Callable[[Index, Sequence[Blob]], None] = field(default=lambda _index, _missing: None)
    """Called with the first bundle of which the target lacks blobs, and these, before that becomes an error."""


def apply(feeds: Sequence[Feed], path: Path, options: Options | None = None) -> list[Applied]:
    """Apply the bundles of `feeds` to the root at `path`, which is made if it does not exist.

    Raises FormatError, IntegrityError, BaseMismatch, TrustError and TargetError; the root is then as it was, or, if
    publishing itself failed, in a state from which another run goes on.
    """
    options = options or Options()
    with ThreadPoolExecutor(options.jobs or os.cpu_count() or 1) as pool:
        streams = [BundleStream(feed, pool, progress=options.progress) for feed in feeds]
        with Root(path, create=True) as root, locked(root) as state:
            plans = _examine(root, [stream.index for stream in streams], pool, options)
            check.require_base(plans, root)
            _require_space(root, plans)
            with _Staging(state, plans) as staging:
                staged = [_stage(stream, staging, options) for stream in streams]
                manifests = [m or _manifests(s.index, staging) for s, m in zip(streams, staged, strict=True)]
            return [_publish(plan, parsed, state, staging, pool) for plan, parsed in zip(plans, manifests, strict=True)]


def rehearse(feeds: Sequence[Feed], path: Path, options: Options | None = None) -> list[Applied]:
    """What `apply` would do, by the indexes of the bundles; writes nothing and reads no blob of theirs."""
    options = options or Options()
    with ThreadPoolExecutor(options.jobs or os.cpu_count() or 1) as pool, ExitStack() as stack:
        indexes = [BundleStream(feed, pool).index for feed in feeds]
        root = stack.enter_context(Root(path)) if path.exists() else None
        plans = _examine(root, indexes, pool, options)
        if root is not None:
            _require_space(root, plans)
        return [_report(plan, ()) for plan in plans]


def _examine(root: Root | None, indexes: list[Index], pool: Executor, options: Options) -> list[Holdings]:
    releases = [receipt.release for receipt in receipts(root).values()] if root is not None else []
    for index in indexes:
        check.require_sequence(index, releases, allow_downgrade=options.allow_downgrade)
        releases.append(index.release)
    coming = {blob.digest for index in indexes for blob in index.stored}
    plans = []
    for index in indexes:
        options.announce("checking the target", index.release.size)
        plans.append(check.examine(root, index, coming, pool, deep=options.deep, progress=options.progress))
    lacking = next((plan for plan in plans if plan.missing), None)
    if lacking is not None:
        options.on_missing(lacking.index, lacking.missing)
    return plans


def _require_space(root: Root, plans: list[Holdings]) -> None:
    blobs = {blob for plan in plans for blob in plan.to_write}
    links = sum(3 * len(p.index.release.images) + len(p.index.release.blobs) for p in plans)
    check.require_space(root, sum(blob.size for blob in blobs), len(blobs) + links)


def _stage(stream: BundleStream, staging: _Staging, options: Options) -> dict[Digest, Manifest]:
    """Put what the bundle brings into staging and verify the bundle to its end.

    Returns the release's manifests, if the bundle has links, which follow from them; those of others may come with
    a later bundle.
    """
    index = stream.index
    options.announce(f"reading {index.release.name}", sum(blob.size for blob in index.stored))
    stream.receive(layout.data_section(index), staging.accept)
    stream.receive(layout.manifests_section(index), staging.accept)
    manifests = _manifests(index, staging) if index.has_links else {}
    stream.receive(layout.links_section(index, manifests), staging.accept)
    stream.finish()
    return manifests


def _manifests(index: Index, staging: _Staging) -> dict[Digest, Manifest]:
    """The manifests of the release, held against its table."""
    manifests = {b.digest: staging.manifest(b.digest) for b in index.release.blobs if b.is_manifest}
    check_manifests(index.release, manifests)
    return {digest: parse_manifest(content) for digest, content in manifests.items()}


def _publish(
    plan: Holdings, manifests: dict[Digest, Manifest], state: State, staging: _Staging, pool: Executor
) -> Applied:
    release = plan.index.release
    moved = {link.path for link in publish(state, release, manifests, staging.paths, pool) if link.stage is Stage.TAG}
    tags = [image.name for image in release.images if registry.tag_link(image.name, image.manifest).path in moved]
    return _report(plan, tuple(tags))


def _report(plan: Holdings, tags: tuple[ImageName, ...]) -> Applied:
    healed = tuple(blob for blob in plan.to_write if blob.digest in plan.wrong)
    return Applied(plan.index, plan.to_write, healed, tuple(plan.missing), tags)


class _Staging:
    """Puts what bundles bring into files in staging; `paths` has those of blobs and signatures by digest."""

    def __init__(self, state: State, plans: list[Holdings]) -> None:
        self.paths: dict[Digest, str] = {}
        self._state = state
        self._present = {d for plan in plans for d in plan.present}.difference(*(plan.wrong for plan in plans))
        self._open: set[_StagedFile] = set()

    def __enter__(self) -> _Staging:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open:
            file.close()

    def accept(self, member: Member) -> Receiver | None:
        digest = member.digest
        if digest is None or digest in self.paths or digest in self._present:
            return None
        path = self._state.staged()
        self.paths[digest] = path
        file = _StagedFile(self._state.root.create(path), str(self._state.root.path / path), self._open.discard)
        self._open.add(file)
        return file

    def manifest(self, digest: Digest) -> bytes:
        """A manifest of the release: out of staging, where it was verified, or from the root."""
        root = self._state.root
        if digest in self.paths:
            content = root.read(self.paths[digest], MAX_MANIFEST)
            if content is not None:
                return content
        return check.read_manifest(root, digest)


class _StagedFile:
    """A receiver that writes a file. The reader takes care that it gets no more than the member's size."""

    def __init__(self, fd: int, name: str, done: Callable[[_StagedFile], None]) -> None:
        self._fd = fd
        self._name = name
        self._done = done
        self._size = 0

    def write(self, piece: memoryview) -> None:
        try:
            while piece:
                written = os.write(self._fd, piece)
                start_writeback(self._fd, self._size, written)
                self._size += written
                piece = piece[written:]
        except OSError as error:
            raise write_error(self._name, error) from None

    def complete(self) -> None:
        self._done(self)
        self.close()

    def close(self) -> None:
        try:
            os.close(self._fd)
        except OSError as error:
            raise write_error(self._name, error) from None
