"""What a push has to do: which blobs, manifests and tags a registry lacks, and where in it they may be already.

Nothing is written here. A manifest that the registry has stands for all below it, since registries take no manifest
whose blobs they lack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airpatch.errors import FormatError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.names import ImageName, is_servable
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.pushing import WritableRepository
from airpatch.registry_api.transport import Transport


@dataclass(frozen=True, slots=True)
class Rename:
    """Repositories that begin with `old` get `new` in its place."""

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Rename:
        """`OLD=NEW`. Raises UsageError."""
        old, equals, new = text.partition("=")
        if not equals or not old:
            raise UsageError(f"--map {text}: write OLD=NEW, such as registry.example/shop/=shop/")
        return cls(old, new)


@dataclass(slots=True)
class RepositoryPlan:
    """What is to be in one repository, and what of it is to be written."""

    repository: WritableRepository
    images: list[Image] = field(default_factory=list)
    manifests: list[Digest] = field(default_factory=list)
    """Those that are to be put, children before the indexes that name them."""
    tags: dict[str, Digest] = field(default_factory=dict)
    """Those that are to be set."""


@dataclass(slots=True)
class BlobPlan:
    """A blob that some repositories lack: `there` are those that have it, `missing` those that are to get it."""

    size: int
    there: list[WritableRepository] = field(default_factory=list)
    missing: list[WritableRepository] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PushPlan:
    """All that is to be written."""

    place: RegistryPlace
    repositories: Mapping[str, RepositoryPlan]
    blobs: Mapping[Digest, BlobPlan]

    @property
    def uploads(self) -> dict[Digest, int]:
        """The blobs that no repository has, with their sizes in bytes."""
        return {digest: blob.size for digest, blob in self.blobs.items() if not blob.there}

    @property
    def mounts(self) -> int:
        """How often a blob is to be mounted from another repository."""
        return sum(len(blob.missing) - (not blob.there) for blob in self.blobs.values())


def repositories_for(
    transport: Transport, place: RegistryPlace, images: Iterable[Image], renames: Sequence[Rename]
) -> dict[str, RepositoryPlan]:
    """Return the repositories below `place` that the images go to, by their paths.

    Raises UsageError naming every repository that a registry cannot serve, or that two images would share a tag of, and
    each of `renames` that none has the beginning of.
    """
    found: dict[str, RepositoryPlan] = {}
    findings = []
    images = list(images)
    for rename in renames:
        if not any(image.name.repository.startswith(rename.old) for image in images):
            findings.append(f"--map {rename.old}={rename.new}: no repository begins with {rename.old}")
    for image in images:
        name = renamed(image.name.repository, renames)
        if not is_servable(name):
            findings.append(f"{name}: no registry serves a name with a port; rename it with --map {name}=NEW")
            continue
        path = place.below(name)
        try:
            ImageName(path, image.name.tag)
        except FormatError as error:
            findings.append(f"{image.name}: {error}")
            continue
        plan = found.setdefault(path, RepositoryPlan(WritableRepository(transport, path)))
        if any(other.name.tag == image.name.tag and other.manifest != image.manifest for other in plan.images):
            findings.append(f"{path}:{image.name.tag} would be two images")
        plan.images.append(image)
    if findings:
        raise UsageError("images cannot be pushed under these names", findings)
    return found


def renamed(repository: str, renames: Sequence[Rename]) -> str:
    """Return the repository's name after the first of `renames` that fits."""
    for rename in renames:
        if repository.startswith(rename.old):
            return rename.new + repository.removeprefix(rename.old)
    return repository


def plan_push(
    place: RegistryPlace,
    repositories: Mapping[str, RepositoryPlan],
    read: Callable[[Digest], Manifest],
    transport: Transport,
) -> PushPlan:
    """Ask the registry what it has. `read` gives the manifests of the images."""
    blobs: dict[Digest, BlobPlan] = {}
    with transport.workers() as pool:
        tags = [(plan, image) for plan in repositories.values() for image in plan.images]
        there = pool.map(lambda each: each[0].repository.head_manifest(each[1].name.tag), tags)
        for (plan, image), digest in zip(tags, there, strict=True):
            if digest != image.manifest:
                plan.tags[image.name.tag] = image.manifest
        lacking = pool.map(lambda plan: _lacking_manifests(plan, read), repositories.values())
        for plan, digests in zip(repositories.values(), lacking, strict=True):
            plan.manifests = digests
        wanted = [
            (blob.digest, blob.size, plan.repository)
            for plan in repositories.values()
            for blob in {blob.digest: blob for digest in plan.manifests for blob in read(digest).blobs}.values()
        ]
        sizes = pool.map(lambda each: each[2].blob_size(each[0], each[1]), wanted)
        for (digest, size, repository), found in zip(wanted, sizes, strict=True):
            blob = blobs.setdefault(digest, BlobPlan(size))
            (blob.missing if found != size else blob.there).append(repository)
    return PushPlan(place, repositories, {digest: blob for digest, blob in blobs.items() if blob.missing})


def find_elsewhere(plan: PushPlan, digests: Iterable[Digest], transport: Transport) -> None:
    """Look for blobs that no repository has that is to get them in all other repositories of the push."""
    wanted = [
        (digest, each.repository)
        for digest in digests
        for each in plan.repositories.values()
        if each.repository not in plan.blobs[digest].missing
    ]
    with transport.workers() as pool:
        sizes = pool.map(lambda each: each[1].blob_size(each[0], plan.blobs[each[0]].size), wanted)
        for (digest, repository), size in zip(wanted, sizes, strict=True):
            if size == plan.blobs[digest].size:
                plan.blobs[digest].there.append(repository)


def _lacking_manifests(plan: RepositoryPlan, read: Callable[[Digest], Manifest]) -> list[Digest]:
    """Return the manifests that the repository lacks, children first; what is below one that it has is not
    asked for.
    """
    tops = dict.fromkeys(plan.tags.values())
    there: set[Digest] = set()

    def lacking(digest: Digest) -> Manifest | None:
        if plan.repository.head_manifest(str(digest)) is not None:
            there.add(digest)
            return None
        return read(digest)

    return [digest for digest, _ in walk(tops, lacking)]
