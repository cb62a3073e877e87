"""Pushes images to a registry through its API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.open_bundles import is_bundle, named_once
from airpatch.destinations.registry_plan import (
    PushPlan,
    Rename,
    RepositoryPlan,
    find_elsewhere,
    plan_push,
    renamed,
    repositories_for,
)
from airpatch.destinations.registry_push import carry_out
from airpatch.destinations.supply import GatheredSupply, Supply
from airpatch.errors import BaseMismatch, TargetError, UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.lacking import lacking_by_image
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Blob, Image, check_manifests
from airpatch.operations.arguments import Paths, StrPath, check_apart, names, within
from airpatch.operations.old_requests import remove_old_request
from airpatch.operations.request_blobs import request_blobs
from airpatch.operations.trusted_files import require_valid, require_valid_source
from airpatch.registry_api.access import PullOptions, RegistryAccess
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.pulling import Repository
from airpatch.registry_api.remote_blobs import RemoteBlobs
from airpatch.registry_api.transport import Transport
from airpatch.signing.trusted import TrustedSigners
from airpatch.sources.gather import gather
from airpatch.target.check import top_up_advice
from airpatch.units import count, megabytes


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push did, or with `dry_run` would do.

    `uploaded` are blobs that the registry did not have, `mounted` counts those that it had in another repository,
    `manifests` counts those that were put, and `tags` are those that were set. `missing` are blobs that no source has;
    only a dry run succeeds in spite of them. Blobs are in the order of their digests.
    """

    destination: str
    images: tuple[Image, ...]
    uploaded: tuple[Blob, ...]
    mounted: int
    manifests: int
    tags: tuple[str, ...]
    missing: tuple[Blob, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of the blobs that were uploaded."""
        return sum(blob.size for blob in self.uploaded)


def push(
    sources: Paths,
    destination: str,
    *,
    images: Sequence[str] = (),
    renames: Sequence[str] = (),
    dry_run: bool = False,
    request: StrPath | None = None,
    trusted: TrustedSigners | None = None,
    access: RegistryAccess | None = None,
    execution: Execution | None = None,
) -> PushResult:
    """Push images to the registry `destination`, `docker://HOST[/PREFIX]`, with every digest unchanged.

    `sources` are a source as `create` takes it, of which `images` may pick some, or a base and the patches that follow
    it. Patches alone take the registry as their base: what their layers are made from is read from it, and what it
    lacks is listed in the file `request`, as in `apply`. `renames`, `OLD=NEW` each, change the beginnings of repository
    names.

    What the registry has is left alone, and what it has in another repository is mounted. Blobs come before manifests,
    children before the indexes that name them, tags last: after an interruption, run the same push again. With
    `dry_run` nothing is written. With `trusted`, all bundles must be signed accordingly.

    Raises UsageError, SourceError, FormatError, IntegrityError, TrustError, BaseMismatch (with the missing blobs as its
    findings), and TargetError if the registry refuses something or cannot be reached.
    """
    access = access or RegistryAccess()
    execution = within(execution, Path.cwd()).task()  # its transport ends with it
    paths = named_once(names(sources))
    if request is not None:
        check_apart(request, paths)
    if not paths:
        raise UsageError("nothing to push: name a root, a bundle, or a base and patches")
    with ExitStack() as stack:
        job = _Job(RegistryPlace.parse(destination), [Rename.parse(text) for text in renames], access, execution, stack)
        patches = _open_patches(paths, stack, trusted)
        if not patches:
            if len(paths) > 1:
                raise UsageError(f"{paths[1]}: is not a patch; push one source, or a base and its patches")
            prepared = _from_source(job, paths[0], images, trusted)
        elif images:
            raise UsageError("--image picks images from one source; patches are pushed whole")
        elif len(patches) == len(paths):
            prepared = _from_registry(job, patches)
        else:
            prepared = _from_base(job, paths[0], patches, trusted)
        return job.finish(prepared, patches, dry_run=dry_run, request=request)


@dataclass(slots=True)
class _Prepared:
    """What to push: the plan, all manifests, and `supply`, which gives what must be uploaded."""

    plan: PushPlan
    images: Sequence[Image]
    manifests: Mapping[Digest, bytes]
    supply: Supply
    missing: Mapping[Digest, Blob] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Job:
    """One push: where to, and how."""

    place: RegistryPlace
    renames: Sequence[Rename]
    access: RegistryAccess
    execution: Execution
    stack: ExitStack
    transport: Transport = field(init=False)

    def __post_init__(self) -> None:
        self.transport = Transport(self.place, self.access, TargetError, self.execution.cancellation)
        self.stack.callback(self.transport.close)

    def repositories(self, images: Iterable[Image]) -> dict[str, RepositoryPlan]:
        return repositories_for(self.transport, self.place, images, self.renames)

    def plan(self, images: Sequence[Image], manifests: Mapping[Digest, bytes]) -> PushPlan:
        return self.plan_for(self.repositories(images), manifests)

    def plan_for(self, repositories: Mapping[str, RepositoryPlan], manifests: Mapping[Digest, bytes]) -> PushPlan:
        parsed: dict[Digest, Manifest] = {digest: parse_manifest(content) for digest, content in manifests.items()}
        return plan_push(self.place, repositories, parsed.__getitem__, self.transport)

    def finish(
        self, prepared: _Prepared, patches: Sequence[BundleFile], *, dry_run: bool, request: StrPath | None
    ) -> PushResult:
        plan = prepared.plan
        missing = tuple(sorted(prepared.missing.values(), key=lambda blob: blob.digest))
        warnings = list(prepared.warnings)
        if missing and request is not None:
            warnings.append(request_blobs(request, patches[-1].index, missing))
        if missing and not dry_run:
            sizes = {blob.digest: blob.size for blob in missing}
            manifests = {digest: parse_manifest(content) for digest, content in prepared.manifests.items()}
            error = BaseMismatch(
                f"{self.place} lacks {count(len(sizes), 'blob')} of {megabytes(sum(sizes.values()))} that the patch "
                f"needs; it was made for {' or '.join(base.name for base in patches[0].index.bases)}. "
                f"{top_up_advice(request, 'push')}; or push a full bundle",
                lacking_by_image(prepared.images, manifests, sizes),
            )
            for warning in warnings:
                error.add_note(warning)
            raise error
        uploads = plan.uploads
        if not dry_run:
            carry_out(plan, prepared.manifests, prepared.supply, self.access.connections, self.execution)
        if not missing and request is not None:
            warnings += remove_old_request(request)
        lost = {blob.digest for blob in missing}
        return PushResult(
            str(self.place),
            tuple(prepared.images),
            tuple(Blob(digest, size, "") for digest, size in sorted(uploads.items()) if digest not in lost),
            plan.mounts,
            sum(len(each.manifests) for each in plan.repositories.values()),
            tuple(f"{each.repository.path}:{tag}" for each in plan.repositories.values() for tag in each.tags),
            missing,
            tuple(warnings),
        )


def _open_patches(paths: Sequence[str], stack: ExitStack, trusted: TrustedSigners | None) -> list[BundleFile]:
    """Return the patches among `paths`: all of them, or all but the first. Raises UsageError, TrustError,
    FormatError.
    """
    found: list[BundleFile] = []
    for number, path in enumerate(paths):
        bundle = stack.enter_context(closing(BundleFile(path))) if is_bundle(Path(path)) else None
        if bundle is None or bundle.index.is_full:
            if number:
                raise UsageError(f"{path}: is not a patch; after the first, all must be patches")
            continue
        require_valid(trusted, bundle.opening, bundle.name)
        found.append(bundle)
    return found


def _from_source(job: _Job, path: str, images: Sequence[str], trusted: TrustedSigners | None) -> _Prepared:
    """Return the images of one source."""
    checked = partial(require_valid_source, trusted, purpose="pushing bundles")
    gathered = gather(
        [path], job.execution, picks=images, pull=PullOptions(job.access), opened=checked, chosen_by="--image"
    )
    plan = job.plan(gathered.release.images, gathered.manifests)
    found = gathered.release.images
    return _Prepared(plan, found, gathered.manifests, GatheredSupply(gathered), warnings=_signature_warnings(found))


def _from_base(job: _Job, path: str, patches: Sequence[BundleFile], trusted: TrustedSigners | None) -> _Prepared:
    """Return the release of the last patch, upon the base in `path`; only what must be uploaded is rebuilt."""
    from airpatch.patches.completed_release import complete_upon
    from airpatch.patches.delivery import Delivery, delivery_memory

    if is_bundle(Path(path)):
        base = job.stack.enter_context(closing(BundleFile(path)))
        require_valid(trusted, base.opening, base.name)
    release = complete_upon(path, patches, job.execution)
    manifests = release.manifests()
    plan = job.plan(release.release.images, manifests)
    supply = job.stack.enter_context(closing(Delivery(release, job.execution, delivery_memory(job.execution))))
    found = release.release.images
    return _Prepared(plan, found, manifests, supply, warnings=_signature_warnings(found))


def _from_registry(job: _Job, patches: Sequence[BundleFile]) -> _Prepared:
    """Return the release of the last patch, upon what the registry has."""
    from airpatch.patches.completed_release import CompletedRelease
    from airpatch.patches.delivery import Delivery, delivery_memory
    from airpatch.patches.registry_base import RegistryBase

    release = patches[-1].index.release
    connections = job.access.connections
    repositories = job.repositories(release.images)
    memory = delivery_memory(job.execution)
    blobs = RemoteBlobs(job.execution.scratch, None, job.place.host, connections, memory)
    job.stack.callback(blobs.close)
    removed = {job.place.below(renamed(name, job.renames)) for patch in patches for name in patch.index.removed}
    others = [Repository(job.transport, path) for path in sorted(removed - repositories.keys())]
    base = RegistryBase(patches, repositories, others, blobs, job.transport)
    base.read_manifests()
    completed = CompletedRelease(patches, base.content)
    supply = job.stack.enter_context(closing(Delivery(completed, job.execution, memory, blobs)))
    found = release.images
    if base.lost:
        base.find_lost()
        return _Prepared(
            PushPlan(job.place, {}, {}), found, base.manifests, supply, base.lost, _signature_warnings(found)
        )
    check_manifests(release, base.manifests)
    plan = job.plan_for(repositories, base.manifests)
    brought = {blob.digest for patch in patches for blob in (*patch.index.stored, *patch.index.patched)}
    find_elsewhere(plan, plan.uploads.keys() - brought, job.transport)
    base.find_sources(plan.uploads)
    return _Prepared(plan, found, base.manifests, supply, base.lost, _signature_warnings(found))


def _signature_warnings(images: Iterable[Image]) -> tuple[str, ...]:
    signed = [str(image.name) for image in images if image.signatures]
    if not signed:
        return ()
    return (
        f"detached signatures of {count(len(signed), 'image')} are not pushed, since registries have no place for "
        f"them: {', '.join(signed[:5])}{', ...' if len(signed) > 5 else ''}",
    )
