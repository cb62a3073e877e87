"""Applies bundles to a root: all checks, then staging, then the last byte of each bundle, then publishing.

Nothing outside `.airpatch/` is touched before every bundle has been read and verified to its end. Several bundles are
checked, staged and verified together, so that a patch and the top-up that completes it, or a chain of patches, need
each other in any order; their releases are published in the order given. A pipe is read once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.frame_reader import FrameReader
from airpatch.archive.reader import BundleStream
from airpatch.blobs.room import Rooms
from airpatch.errors import BaseMismatch
from airpatch.execution import Execution
from airpatch.format import layout, registry
from airpatch.format.index import Index
from airpatch.format.registry import Stage
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Blob, Release, check_manifests
from airpatch.target import check, space
from airpatch.target.check import InstallPlan
from airpatch.target.history import Action
from airpatch.target.manifests_ahead import manifests_ahead
from airpatch.target.new_root import check_target, require_place
from airpatch.target.publish import publish
from airpatch.target.root import Root
from airpatch.target.root_trust import stored_trust
from airpatch.target.staging import Staging
from airpatch.target.state import Origin, State, locked, require_unlocked
from airpatch.worker_pool import worker_pool

if TYPE_CHECKING:
    from airpatch.signing.policy import Signer
    from airpatch.signing.trusted import TrustedSigners


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying one bundle did, or with `dry_run` would do. `bytes` counts the written blobs."""

    index: Index
    written: tuple[Blob, ...]
    healed: tuple[Blob, ...]
    missing: tuple[Blob, ...]
    missing_by_image: tuple[str, ...]
    """Lines that say what is missing."""
    tags: tuple[ImageName, ...]
    """Tags that are new or point elsewhere than before; unknown, and empty, in a dry run."""
    is_new: bool
    """Whether the root was no registry's before."""
    left: str | None
    """The name of the release that this one goes back from."""

    @property
    def bytes(self) -> int:
        return sum(blob.size for blob in self.written)


_LOG = logger(__name__)

OnMissing = Callable[[Index, Sequence[Blob]], None]
"""Called before missing blobs become an error: with the first bundle that needs some, and with the blobs of its release
that a top-up must contain."""

OnKnown = Callable[[Release, Mapping[Digest, Manifest], Rooms], None]
"""Called with the last release and its manifests as soon as all are known, and with what the root will then take;
before anything is published, and it may refuse the release. From a file that is before the first byte is written."""


def install(
    readers: Sequence[FrameReader],
    path: Path,
    execution: Execution,
    *,
    deep: bool = False,
    allow_downgrade: bool = False,
    on_missing: OnMissing = lambda _index, _missing: None,
    on_known: OnKnown = lambda _release, _manifests, _rooms: None,
    trusted: TrustedSigners | None = None,
    request: str | os.PathLike[str] | None = None,
) -> list[Applied]:
    """Apply the bundles of `readers` to the root at `path`, which is made if it does not exist.

    `deep` hashes the blobs that a patch leaves out, too; `allow_downgrade` takes releases that are older than installed
    ones; `request` is the file to which `on_missing` writes what is missing, for messages.
    The bundles must be signed as `trusted` says, and as the root itself demands; the last release of each product must
    not have expired.
    Raises FormatError, IntegrityError, BaseMismatch, TrustError and TargetError; the root is then as it was, or, if
    publishing itself failed, in a state from which another run goes on.
    """
    checks = _Checks(execution, deep, allow_downgrade, on_missing)
    check_target(path)
    with worker_pool(execution.threads) as pool:
        streams = [BundleStream(reader, pool) for reader in readers]
        signers = _require_signed(streams, trusted)  # before there is even a folder, and before anything is parsed
        if os.path.lexists(path):
            with Root(path) as root:
                _require_signed(streams, stored_trust(root))
        _require_fresh(streams)
        for stream in streams:
            _require_features(stream.index)
        with Root(path, create=True) as root, locked(root) as state:
            demanded = _require_signed(streams, stored_trust(root))  # of this moment, which nobody else can change
            indexes = [stream.index for stream in streams]
            left = checks.follow(root, indexes)
            plans = checks.examine(root, readers, indexes, pool)
            is_new = not root.is_folder(registry.STORAGE)
            check.require_base(plans, path, is_new=is_new, request=request)
            need = space.require_possible(root, path, plans, execution.threads)
            if plans[-1].ahead.are_all:
                on_known(indexes[-1].release, plans[-1].ahead.found, _taken_by(root, need))
            with Staging(state, check.present(plans)) as staging:
                for stream in streams:
                    _stage(stream, staging, execution)
                manifests = [_verify(stream, staging) for stream in streams]
                need = space.need_after_staging(root, plans, manifests, staging.paths)
                on_known(indexes[-1].release, manifests[-1], _taken_by(root, need))
                try:
                    for plan in plans:
                        _rebuild(plan, staging, execution)
                except BaseMismatch:  # of a size that is right, and damaged: these are missing, as others are
                    deeply = checks.examine(root, readers, indexes, pool, deep=True)
                    check.require_base(deeply, path, is_new=is_new, request=request)
                    raise
                releases = [plan.index.release for plan in plans]
                space.require_publishable(root, zip(releases, manifests, strict=True))
            return [
                _publish(
                    plan, parsed, state, staging, pool, _origin(stream, signers, demanded), is_new=is_new, left=name
                )
                for stream, plan, parsed, name in zip(streams, plans, manifests, left, strict=True)
            ]


def preview(
    readers: Sequence[FrameReader],
    path: Path,
    execution: Execution,
    *,
    deep: bool = False,
    allow_downgrade: bool = False,
    on_missing: OnMissing = lambda _index, _missing: None,
    trusted: TrustedSigners | None = None,
) -> list[Applied]:
    """Return what `install` would do, by the indexes and manifests of the bundles; writes nothing and reads no other
    blob.
    """
    checks = _Checks(execution, deep, allow_downgrade, on_missing)
    check_target(path)
    with worker_pool(execution.threads) as pool, ExitStack() as stack:
        streams = [BundleStream(reader, pool) for reader in readers]
        _require_signed(streams, trusted)
        root = stack.enter_context(Root(path)) if os.path.lexists(path) else None
        if root is not None:
            _require_signed(streams, stored_trust(root))
        _require_fresh(streams)
        indexes = [stream.index for stream in streams]
        for index in indexes:
            _require_features(index)
        if root is None:
            require_place(path)
        else:
            require_unlocked(root)
        left = checks.follow(root, indexes)
        plans = checks.examine(root, readers, indexes, pool)
        is_new = root is None or not root.is_folder(registry.STORAGE)
        if not any(plan.missing for plan in plans):
            space.require_possible(root, path, plans, execution.threads)
        return [_report(plan, (), is_new=is_new, left=name) for plan, name in zip(plans, left, strict=True)]


def _taken_by(root: Root, need: space.Need) -> Rooms:
    rooms = Rooms()
    rooms.take(root.path, "the root", need.lasting, need.files)
    return rooms


def _require_signed(
    streams: Iterable[BundleStream], trusted: TrustedSigners | None
) -> dict[BundleStream, tuple[Signer, ...]]:
    """Return who signed each bundle, of those that are trusted."""
    return {stream: stream.opening.require_signed(trusted, stream.name, time.time()) for stream in streams}


def _require_features(index: Index) -> None:
    """Raise FormatError if `index` needs what this airpatch does not know."""
    if index.features:
        from airpatch.layers.required_features import require_features  # knows all encoders, so that it loads slowly

        require_features(index)


def _origin(stream: BundleStream, *signers: dict[BundleStream, tuple[Signer, ...]]) -> Origin:
    names = dict.fromkeys(str(signer) for each in signers for signer in each[stream])
    return Origin(Action.APPLY, stream.sha256, tuple(names))


def _require_fresh(streams: Iterable[BundleStream]) -> None:
    """Of each product the last release must not have expired; those before it are on the way there."""
    for stream in {stream.index.release.product: stream for stream in streams}.values():
        stream.opening.require_fresh(stream.name, time.time())


@dataclass(frozen=True, slots=True)
class _Checks:
    """What is checked before anything is written."""

    execution: Execution
    deep: bool
    allow_downgrade: bool
    on_missing: OnMissing

    def follow(self, root: Root | None, indexes: list[Index]) -> list[str | None]:
        """Return the names of the releases that these go back from, if they may."""
        if root is not None:
            root.require_one_file_system()
        timeline = check.Timeline(root)
        left = [timeline.follow(index, allow_downgrade=self.allow_downgrade) for index in indexes]
        check.require_agreement(indexes)
        return left

    def examine(
        self,
        root: Root | None,
        readers: Sequence[FrameReader],
        indexes: list[Index],
        pool: Executor,
        *,
        deep: bool = False,
    ) -> list[InstallPlan]:
        deep = deep or self.deep
        stored = {blob.digest for index in indexes for blob in index.stored}
        made = {step.digest for index in indexes for step in index.steps}
        plans = [check.examine(root, index, stored, made, pool, self.execution, deep=deep) for index in indexes]
        brought: set[Digest] = set()
        for plan, reader in zip(plans, readers, strict=True):
            plan.brought_before = frozenset(brought)
            brought |= {blob.digest for blob in plan.to_write}
            plan.ahead = manifests_ahead(reader, root, plan.index.release)
            _LOG.info(
                "release %s: blobs there: %d, to write: %d, of these to rebuild: %d, damaged: %d, missing: %d",
                plan.index.release.name, len(plan.present), len(plan.to_write), len(plan.steps), len(plan.wrong),
                len(plan.missing),
            )  # fmt: skip
        lacking = next((plan for plan in plans if plan.missing), None)
        if lacking is not None:
            self.on_missing(lacking.index, lacking.wanted)
        return plans


def _stage(stream: BundleStream, staging: Staging, execution: Execution) -> None:
    """Put what the bundle brings into staging."""
    index = stream.index
    with execution.part(f"reading {index.release.name}", layout.blob_bytes(index)) as part:
        stream.receive(layout.data_section(index), staging.accept, part=part)
        stream.receive(layout.manifests_section(index), staging.accept, part=part)


def _rebuild(plan: InstallPlan, staging: Staging, execution: Execution) -> None:
    """Make the blobs that layer patches of the bundle describe."""
    steps = [step for step in plan.steps if step.digest not in staging.paths]
    if steps:
        staging.rebuild(plan.index, steps, execution)


def _verify(stream: BundleStream, staging: Staging) -> dict[Digest, Manifest]:
    """Check the bundle against its manifests, some of which another bundle may bring, and read it to its end."""
    index = stream.index
    manifests = {b.digest: staging.manifest(b.digest) for b in index.release.blobs if b.is_manifest}
    check_manifests(index.release, manifests)
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
    stream.receive(layout.links_section(index, parsed), staging.accept)
    stream.finish()
    return parsed


def _publish(
    plan: InstallPlan,
    manifests: dict[Digest, Manifest],
    state: State,
    staging: Staging,
    pool: Executor,
    origin: Origin,
    *,
    is_new: bool,
    left: str | None,
) -> Applied:
    release = plan.index.release
    written = publish(state, release, manifests, staging.paths, pool, origin)
    moved = {link.path for link in written if link.stage is Stage.TAG}
    tags = [image.name for image in release.images if registry.tag_link(image.name, image.manifest).path in moved]
    return _report(plan, tuple(tags), is_new=is_new, left=left)


def _report(plan: InstallPlan, tags: tuple[ImageName, ...], *, is_new: bool, left: str | None) -> Applied:
    healed = tuple(blob for blob in plan.to_write if blob.digest in plan.wrong)
    return Applied(
        plan.index, plan.to_write, healed, tuple(plan.missing), tuple(plan.missing_by_image), tags, is_new, left
    )
