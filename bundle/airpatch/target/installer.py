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

from airpatch.archive.frame_reader import FrameReader
from airpatch.archive.reader import BundleStream
from airpatch.archive.writer import Progress, no_progress
from airpatch.format import layout, registry
from airpatch.format.index import Index
from airpatch.format.registry import Stage
from airpatch.layers.features import require_features
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Blob, check_manifests
from airpatch.target import check
from airpatch.target.check import Holdings
from airpatch.target.new_root import check_place
from airpatch.target.publish import publish
from airpatch.target.root import Root
from airpatch.target.staging import Staging
from airpatch.target.state import State, locked, receipts


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying one bundle did, or with `dry_run` would do. `bytes` counts the written blobs."""

    index: Index
    written: tuple[Blob, ...]
    healed: tuple[Blob, ...]
    missing: tuple[Blob, ...]
    tags: tuple[ImageName, ...]
    """Tags that are new or point elsewhere than before; unknown, and empty, in a dry run."""
    is_new: bool
    """Whether the root was no registry's before."""

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
    """Called before it becomes an error that the target lacks blobs: with the first bundle that needs some, and with
    the blobs of its release that a top-up has to bring."""


def apply(readers: Sequence[FrameReader], path: Path, options: Options | None = None) -> list[Applied]:
    """Apply the bundles of `readers` to the root at `path`, which is made if it does not exist.

    Raises FormatError, IntegrityError, BaseMismatch, TrustError and TargetError; the root is then as it was, or, if
    publishing itself failed, in a state from which another run goes on.
    """
    options = options or Options()
    check_place(path)
    with ThreadPoolExecutor(options.jobs or os.cpu_count() or 1) as pool:
        streams = [BundleStream(reader, pool, progress=options.progress) for reader in readers]
        for stream in streams:
            require_features(stream.index)
        with Root(path, create=True) as root, locked(root) as state:
            plans = _examine(root, [stream.index for stream in streams], pool, options)
            is_new = not root.is_folder(registry.STORAGE)
            check.require_base(plans, path, is_new=is_new)
            check.require_space(root, *check.space_for(plans, options.jobs))
            with Staging(state, check.present(plans)) as staging:
                for stream in streams:
                    _stage(stream, staging, options)
                manifests = [_verify(stream, staging) for stream in streams]
                for plan in plans:
                    _rebuild(plan, staging, options)
            return [
                _publish(plan, parsed, state, staging, pool, is_new=is_new)
                for plan, parsed in zip(plans, manifests, strict=True)
            ]


def rehearse(readers: Sequence[FrameReader], path: Path, options: Options | None = None) -> list[Applied]:
    """What `apply` would do, by the indexes of the bundles; writes nothing and reads no blob of theirs."""
    options = options or Options()
    check_place(path)
    with ThreadPoolExecutor(options.jobs or os.cpu_count() or 1) as pool, ExitStack() as stack:
        indexes = [BundleStream(reader, pool).index for reader in readers]
        for index in indexes:
            require_features(index)
        root = stack.enter_context(Root(path)) if path.exists() else None
        plans = _examine(root, indexes, pool, options)
        is_new = root is None or not root.is_folder(registry.STORAGE)
        if root is not None:
            check.require_space(root, *check.space_for(plans, options.jobs))
        return [_report(plan, (), is_new=is_new) for plan in plans]


def _examine(root: Root | None, indexes: list[Index], pool: Executor, options: Options) -> list[Holdings]:
    releases = [receipt.release for receipt in receipts(root).values()] if root is not None else []
    for index in indexes:
        check.require_sequence(index, releases, allow_downgrade=options.allow_downgrade)
        releases.append(index.release)
    stored = {blob.digest for index in indexes for blob in index.stored}
    made = {step.digest for index in indexes for step in index.steps}
    plans = []
    for index in indexes:
        options.announce("checking the target", index.release.size)
        plan = check.examine(root, index, stored, made, pool, deep=options.deep, progress=options.progress)
        plans.append(plan)
    lacking = next((plan for plan in plans if plan.missing), None)
    if lacking is not None:
        options.on_missing(lacking.index, lacking.wanted)
    return plans


def _stage(stream: BundleStream, staging: Staging, options: Options) -> None:
    """Put what the bundle brings into staging."""
    index = stream.index
    size = sum(blob.size for blob in index.stored) + sum(step.patch_size for step in index.steps)
    options.announce(f"reading {index.release.name}", size)
    stream.receive(layout.data_section(index), staging.accept)
    stream.receive(layout.manifests_section(index), staging.accept)


def _rebuild(plan: Holdings, staging: Staging, options: Options) -> None:
    """Make the blobs that layer patches of the bundle describe."""
    steps = [step for step in plan.steps if step.digest not in staging.paths]
    if steps:
        options.announce(f"rebuilding layers of {plan.index.release.name}", sum(step.plaintext for step in steps))
        staging.rebuild(plan.index, steps, options.jobs, options.progress)


def _verify(stream: BundleStream, staging: Staging) -> dict[Digest, Manifest]:
    """Hold the bundle against its manifests, some of which another bundle may bring, and read it to its end."""
    index = stream.index
    manifests = {b.digest: staging.manifest(b.digest) for b in index.release.blobs if b.is_manifest}
    check_manifests(index.release, manifests)
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
    stream.receive(layout.links_section(index, parsed), staging.accept)
    stream.finish()
    return parsed


def _publish(
    plan: Holdings,
    manifests: dict[Digest, Manifest],
    state: State,
    staging: Staging,
    pool: Executor,
    *,
    is_new: bool,
) -> Applied:
    release = plan.index.release
    moved = {link.path for link in publish(state, release, manifests, staging.paths, pool) if link.stage is Stage.TAG}
    tags = [image.name for image in release.images if registry.tag_link(image.name, image.manifest).path in moved]
    return _report(plan, tuple(tags), is_new=is_new)


def _report(plan: Holdings, tags: tuple[ImageName, ...], *, is_new: bool) -> Applied:
    healed = tuple(blob for blob in plan.to_write if blob.digest in plan.wrong)
    return Applied(plan.index, plan.to_write, healed, tuple(plan.missing), tags, is_new)
