"""Images in registries, over HTTP: `docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, or the lines of a list.

An image has its name in the registry, without the host and without the `library/` of official images. Listing reads the
manifests; blobs are looked up when images are chosen, and fetched where they are needed (`RemoteBlobs`).

What refers to an image is found by the referrers API, by its tag schema, and under the tags of cosign; it is packed
under the names that `referrers` gives to such manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial

from airpatch import limits
from airpatch.errors import AirpatchError, FormatError, SourceError, UsageError
from airpatch.execution import Execution, NewFile
from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor, Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import MAX_NESTING
from airpatch.registry_api.access import SCHEME, PullOptions
from airpatch.registry_api.address import Address, RegistryPlace, short_name, split_host
from airpatch.registry_api.pulling import Repository
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from airpatch.registry_api.transport import Transport
from airpatch.sources.image_references import Reference
from airpatch.sources.manifests import Manifests, read_manifests
from airpatch.sources.referrers import referrers_index
from airpatch.sources.source import FoundImage, GivenNames, Listing, LoadedImage, Source
from airpatch.units import count

_COSIGN_TAGS = ("sig", "att", "sbom")
_SHOWN_TAGS = 8
_MOST_REFERRERS = 1000
"""Most referrers of one image, including those that refer to referrers."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A requested image: its name in the release, and where it is."""

    name: ImageName
    address: Address


@dataclass(slots=True)
class _Found:
    """An image whose manifests were read, with what refers to it; or the error that prevented reading it."""

    name: ImageName
    where: str
    repository: Repository
    manifests: Manifests | None = None
    error: AirpatchError | None = None
    others: list[_Found] = field(default_factory=list)


class RegistryImages(Source):
    """The images `wanted`, all in one registry."""

    def __init__(self, host: str, wanted: Sequence[_Wanted], new_file: NewFile, pull: PullOptions) -> None:
        self._wanted = wanted
        self._pull = pull
        self._transport = Transport(RegistryPlace(host, ""), pull.access, SourceError)
        self._repositories: dict[str, Repository] = {}
        self._found: list[_Found] | None = None
        self._blobs = RemoteBlobs(new_file, pull.cache, host, pull.access.connections)

    @classmethod
    def at(cls, spec: str, new_file: NewFile, pull: PullOptions) -> RegistryImages:
        """Return the image at the address `spec`. Raises UsageError."""
        address = Address.parse(spec)
        return cls(address.host, [_Wanted(address.name, address)], new_file, pull)

    @classmethod
    def listed(
        cls, place_name: str, references: Iterable[Reference], new_file: NewFile, pull: PullOptions
    ) -> RegistryImages:
        """Return the images `references` below `place_name`, where a line NAME:TAG is HOST/PREFIX/NAME:TAG.

        A host in front of a name is left out. Raises UsageError.
        """
        place = RegistryPlace.parse(place_name)
        wanted: dict[ImageName, _Wanted] = {}
        findings = []
        for reference in references:
            _, path = split_host(reference.repository)
            address = Address(place.host, place.below(path), reference.tag, reference.digest)
            each = _Wanted(replace(address, repository=short_name(path)).name, address)
            other = wanted.setdefault(each.name, each)
            if other.address != address:
                findings.append(f"{reference}: {each.name} would be both {other.address} and {address}")
        if findings:
            raise UsageError("lines of the list name different images that would get the same name", findings)
        return cls(place.host, list(wanted.values()), new_file, pull)

    def listing(self, names: GivenNames) -> Listing:
        if self._found is None:
            with self._transport.workers() as pool:
                self._found = list(pool.map(self._find, self._wanted))
        images: dict[ImageName, FoundImage] = {}
        for found in self._found:
            for each in (found, *found.others):
                digest = each.manifests.top if each.manifests is not None else None
                given = names.get(digest, ()) if digest is not None and each.name.digest is not None else ()
                for name in given or (each.name,):
                    images.setdefault(name, FoundImage(name, each.where, partial(self._load, each), digest))
        return Listing(tuple(images.values()))

    def prepare(self, names: AbstractSet[ImageName], execution: Execution) -> None:
        """Look for the blobs of the images, many at a time."""
        places: dict[Digest, tuple[Descriptor, Repository]] = {}
        for found in self._found or ():
            for each in (found, *found.others):
                for manifest in each.manifests.parsed.values() if each.manifests is not None else ():
                    for blob in manifest.blobs:
                        places.setdefault(blob.digest, (blob, each.repository))

        def look(place: tuple[Descriptor, Repository]) -> RemoteBlob | None:
            descriptor, repository = place
            size = repository.blob_size(descriptor.digest, descriptor.size)
            return None if size is None else RemoteBlob(repository, size)

        with self._transport.workers() as pool:
            for digest, remote in zip(places, pool.map(look, places.values()), strict=True):
                if remote is not None:
                    self._blobs.known[digest] = remote

    def _load(self, found: _Found) -> LoadedImage:
        if found.manifests is None:
            raise found.error or SourceError(f"{found.where}: was not read")
        return found.manifests.image(self._blobs, remote=self._blobs)

    def _repository(self, path: str) -> Repository:
        return self._repositories.setdefault(path, Repository(self._transport, path))

    def _find(self, wanted: _Wanted) -> _Found:
        """Read the manifests of an image, and with `referrers` those of what refers to it."""
        repository = self._repository(wanted.address.repository)
        found = _Found(wanted.name, str(wanted.address), repository)
        try:
            found.manifests = self._manifests(repository, wanted.address)
            if self._pull.referrers:
                found.others = self._referrers(found, found.manifests)
        except AirpatchError as error:
            found.error, found.manifests = error, None
        return found

    def _manifests(self, repository: Repository, address: Address) -> Manifests:
        content = repository.find_manifest(address.reference)
        if content is None:
            raise SourceError(f"{address}: is not there{self._what_is(repository, address)}")
        if self._pull.platform is not None:
            content = self._of_platform(repository, content, self._pull.platform, address)
        return _below(content, repository)

    def _what_is(self, repository: Repository, address: Address) -> str:
        """Return the tags that exist instead."""
        if address.digest is not None:
            return ""
        tags = repository.tags()
        if not tags:
            return ", and the repository has no tags"
        shown = ", ".join(tags[-_SHOWN_TAGS:])
        return f"; the repository has {count(len(tags), 'tag')}: {'..., ' if len(tags) > _SHOWN_TAGS else ''}{shown}"

    def _of_platform(self, repository: Repository, content: bytes, platform: str, address: Address) -> bytes:
        """Return the manifest of the one child that is for `platform`; an image that is no index stays as it is."""
        for _ in range(MAX_NESTING + 1):
            try:
                manifest = parse_manifest(content)
            except FormatError as error:
                raise SourceError(f"{address}: {error.message}") from None
            if not manifest.is_index:
                return content
            child = _choose(manifest, platform)
            if child is None:
                there = ", ".join(sorted({each.platform for each in manifest.manifests} - {"", "unknown/unknown"}))
                has = there or "none that names a platform"
                raise SourceError(f"{address}: has no image for {platform}; it has {has}")
            found = repository.find_manifest(str(child.digest))
            if found is None:
                raise SourceError(f"{address}: its manifest for {platform}, {child.digest}, is not there")
            content = found
        raise SourceError(f"{address}: indexes are nested more than {MAX_NESTING} deep")

    def _referrers(self, found: _Found, manifests: Manifests) -> list[_Found]:
        """Return what refers to an image and its platforms, each under the tag that other tools look for."""
        others: list[_Found] = []
        pending = list(manifests.parsed)
        seen = set(pending)
        size = 0
        while pending:
            subject = pending.pop()
            for tag, content in self._attached(found.repository, subject):
                name = ImageName(found.name.repository, tag)
                where = f"{SCHEME}{found.repository.where}: what refers to {subject}"
                other = _Found(name, where, found.repository, _below(content, found.repository))
                others.append(other)
                below = [digest for digest in other.manifests.parsed if digest not in seen] if other.manifests else []
                seen.update(below)
                pending += below
                size += sum(map(len, other.manifests.content.values())) if other.manifests else 0
                if len(seen) > _MOST_REFERRERS:
                    raise SourceError(f"{found.where}: more than {_MOST_REFERRERS} manifests refer to it")
                if size > limits.MANIFESTS.value:
                    raise SourceError(f"{found.where}: what refers to it has more than {limits.MANIFESTS} bytes")
        return others

    def _attached(self, repository: Repository, subject: Digest) -> list[tuple[str, bytes]]:
        tag = f"sha256-{subject.hex}"
        found = []
        digests = repository.referrers(subject)
        if digests and len(digests) > _MOST_REFERRERS:
            raise SourceError(f"{repository.where}@{subject}: more than {_MOST_REFERRERS} manifests refer to it")
        kept = repository.find_manifest(tag)
        if kept is not None and (not digests or _names_all(kept, digests)):
            found.append((tag, kept))
        elif digests:
            contents: dict[Digest, bytes] = {}
            size = 0
            for digest in digests:
                contents[digest] = _require_manifest(repository, digest, subject)
                size += len(contents[digest])
                if size > limits.MANIFESTS.value:
                    raise SourceError(f"{repository.where}: referrers of {subject} have more than {limits.MANIFESTS}")
            descriptors = [
                Descriptor(parse_manifest(content).media_type, digest, len(content))
                for digest, content in contents.items()
            ]
            found.append((tag, referrers_index(descriptors, contents.__getitem__)))
        for suffix in _COSIGN_TAGS:
            if (content := repository.find_manifest(f"{tag}.{suffix}")) is not None:
                found.append((f"{tag}.{suffix}", content))
        return found


def _names_all(content: bytes, digests: Iterable[Digest]) -> bool:
    """Return whether the index `content`, which a tag of the schema keeps, has just the referrers `digests`."""
    try:
        manifest = parse_manifest(content)
    except FormatError:
        return False
    return {child.digest for child in manifest.manifests} == set(digests)


def _require_manifest(repository: Repository, digest: Digest, subject: Digest) -> bytes:
    """Return a manifest that a registry says refers to `subject`. Raises SourceError if it is not there."""
    content = repository.find_manifest(str(digest))
    if content is None:
        raise SourceError(f"{repository.where}@{digest}: is not there, and should refer to {subject}")
    return content


def _below(content: bytes, repository: Repository) -> Manifests:
    """Return the manifest `content` and all below it."""
    top = Digest.of(content)
    return read_manifests(top, lambda digest: content if digest == top else repository.find_manifest(str(digest)))


def _choose(manifest: Manifest, platform: str) -> Descriptor | None:
    """Return the child for `platform`: the same, or the only one with a variant of it."""
    exact = [child for child in manifest.manifests if child.platform == platform]
    variants = [child for child in manifest.manifests if child.platform.startswith(f"{platform}/")]
    return next(iter(exact or variants), None)
