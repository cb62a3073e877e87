"""Names for the entries of an OCI layout that have none of their own, and for what refers to images.

Registries with a referrers API find what refers to an image by the `subject` of its manifest; all others find it by
tags, and a release consists of tags. So signatures, SBOMs and attestations travel under the tags that the latter use:

- `sha256-<hex>.sig`, `.att`, `.sbom` for those of cosign, which `cosign save` and hauler mark by a kind;
- `sha256-<hex>`, an index of all manifests whose `subject` is the image (distribution-spec 1.1, Referrers Tag Schema).

An entry that a named one already holds, such as a platform of an index, needs no name.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from airpatch.errors import AirpatchError, SourceError
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX, Descriptor, Manifest, parse_document, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.walk import walk
from airpatch.sources.manifests import ReadManifest
from airpatch.sources.source import GivenNames, UnnamedImage

_COSIGN_SUFFIXES = {"sigs": "sig", "atts": "att", "sboms": "sbom"}
"""Kinds of what cosign attaches to an image, and the ends of their tags (cosign `SignatureTagSuffix` and others)."""
_MOST_NAMES = 100_000
"""Most names that what refers to images gets: as many as repositories times referrers of an image that all have."""


@dataclass(frozen=True, slots=True)
class LayoutEntry:
    """An entry of an index. `unnamed` says why, where `name` is None; `kind` is one of cosign's, or anything."""

    where: str
    descriptor: Descriptor
    name: ImageName | None
    unnamed: str = ""
    kind: str = ""

    @property
    def digest(self) -> Digest:
        return self.descriptor.digest


@dataclass(frozen=True, slots=True)
class NamedManifest:
    """An image of a layout: what its entry claims, or `made`, a manifest that is not in the layout."""

    name: ImageName
    digest: Digest
    descriptor: Descriptor | None = None
    made: bytes | None = None


def name_entries(
    entries: Iterable[LayoutEntry], names: GivenNames, read: ReadManifest
) -> tuple[list[NamedManifest], list[UnnamedImage]]:
    """Return all images of a layout with `entries`, and those without a name. `names` are given to images that have no
    tag.

    Manifests are read only where an entry has no name.
    """
    entries = [named for entry in entries for named in _with_given_names(entry, names)]
    attached = [entry for entry in entries if entry.kind in _COSIGN_SUFFIXES]
    images = [entry for entry in entries if entry.kind not in _COSIGN_SUFFIXES]
    named = [NamedManifest(entry.name, entry.digest, entry.descriptor) for entry in images if entry.name is not None]
    unnamed: list[UnnamedImage] = []
    owners = _Owners(images)
    for entry in attached:
        tags = owners.tags(entry)
        named += [NamedManifest(name, entry.digest, entry.descriptor) for name in tags]
        if len(named) > len(entries) + _MOST_NAMES:
            raise SourceError(f"{entry.where}: gets more than {_MOST_NAMES} names with those before it")
        if not tags:
            reason = f"holds {entry.kind} of an image that is not here or has no name"
            unnamed.append(UnnamedImage(entry.where, reason))
    others = [entry for entry in images if entry.name is None]
    if others:
        referrers = _Referrers(_ManifestReader(read))
        for image in named:
            referrers.add_image(image)
        unnamed += referrers.add_referrers(others)
        made, contradictions = referrers.indexes({image.name for image in named})
        named += made
        unnamed += contradictions
    return named, unnamed


def _with_given_names(entry: LayoutEntry, names: GivenNames) -> list[LayoutEntry]:
    has_tag = entry.name is not None and entry.name.digest is None
    given = names.get(entry.digest, ()) if not has_tag and entry.kind not in _COSIGN_SUFFIXES else ()
    return [replace(entry, name=name) for name in given] or [entry]


class _Owners:
    """The `images` of a layout that cosign may have attached something to."""

    def __init__(self, images: Sequence[LayoutEntry]) -> None:
        self._by_name: defaultdict[ImageName | None, set[tuple[str, Digest]]] = defaultdict(set)
        for image in images:
            if image.name is not None:
                self._by_name[image.name].add((image.name.repository, image.digest))
        if len({image.digest for image in images}) == 1:  # which is meant where no name is said
            self._by_name[None] = set().union(*self._by_name.values())

    def tags(self, entry: LayoutEntry) -> list[ImageName]:
        """Return the tags of what cosign attached to the image of the same name, or to the only image."""
        owners = self._by_name.get(entry.name, ())
        suffix = _COSIGN_SUFFIXES[entry.kind]
        return sorted(ImageName(repository, f"sha256-{digest.hex}.{suffix}") for repository, digest in owners)


class _ManifestReader:
    """Reads each manifest once; what cannot be read is None here, and reported when the image is loaded."""

    def __init__(self, read: ReadManifest) -> None:
        self._read = read
        self._found: dict[Digest, tuple[bytes, Manifest] | None] = {}

    def manifest(self, digest: Digest) -> Manifest | None:
        found = self._get(digest)
        return None if found is None else found[1]

    def content(self, digest: Digest) -> bytes:
        found = self._get(digest)
        return b"" if found is None else found[0]

    def _get(self, digest: Digest) -> tuple[bytes, Manifest] | None:
        if digest not in self._found:
            self._found[digest] = None
            try:
                content = self._read(digest)
                if content is not None and Digest.of(content) == digest:
                    self._found[digest] = content, parse_manifest(content)
            except AirpatchError:
                self._found[digest] = None
        return self._found[digest]


class _Referrers:
    """What refers to the images of a layout, in each repository that holds what it refers to."""

    def __init__(self, reader: _ManifestReader) -> None:
        self._reader = reader
        self._repositories: dict[Digest, set[str]] = {}
        self._referrers: dict[tuple[str, Digest], dict[Digest, LayoutEntry]] = {}
        self._count = 0

    def add_image(self, image: NamedManifest) -> None:
        self._add(image.digest, image.name.repository)

    def _add(self, top: Digest, repository: str) -> list[Digest]:
        """Note that a repository has what is at and below `top`, and return that."""
        found = [digest for digest, _ in walk([top], self._reader.manifest)]
        for digest in found:
            self._repositories.setdefault(digest, set()).add(repository)
        return found

    def add_referrers(self, entries: Iterable[LayoutEntry]) -> list[UnnamedImage]:
        """Add those of `entries` that refer to what is here; return the others, except parts of images."""
        pending = [entry for entry in entries if entry.digest not in self._repositories]
        waiting: defaultdict[Digest, list[LayoutEntry]] = defaultdict(list)
        for entry in pending:
            if (subject := self._subject(entry)) is not None:
                waiting[subject].append(entry)
        ready = [subject for subject in waiting if subject in self._repositories]
        while ready:  # what refers to a referrer may come before it
            there = ready.pop()
            for entry in waiting.pop(there, ()):
                for repository in sorted(self._repositories[there]):
                    self._refer(repository, there, entry)
                    ready += (digest for digest in self._add(entry.digest, repository) if digest in waiting)
        left = (each for each in pending if (subject := self._subject(each)) is None or subject in waiting)
        return [self._unnamed(entry) for entry in left]

    def _subject(self, entry: LayoutEntry) -> Digest | None:
        manifest = self._reader.manifest(entry.digest)
        return None if manifest is None else manifest.subject

    def _refer(self, repository: str, subject: Digest, entry: LayoutEntry) -> None:
        self._referrers.setdefault((repository, subject), {})[entry.digest] = entry
        self._count += 1
        if self._count > _MOST_NAMES:
            raise SourceError(
                f"{entry.where}: more than {_MOST_NAMES} manifests refer to others, over all repositories"
            )

    def _unnamed(self, entry: LayoutEntry) -> UnnamedImage:
        subject = self._subject(entry)
        if subject is None:
            return UnnamedImage(entry.where, entry.unnamed, entry.digest)
        return UnnamedImage(entry.where, f"refers to {subject}, which is not here or has no name")

    def indexes(self, taken: AbstractSet[ImageName]) -> tuple[list[NamedManifest], list[UnnamedImage]]:
        """Return an index for each manifest that others refer to; where its tag is `taken`, the referrers get
        no name.
        """
        made: list[NamedManifest] = []
        unnamed: list[UnnamedImage] = []
        for (repository, subject), entries in sorted(self._referrers.items()):
            name = ImageName(repository, f"sha256-{subject.hex}")
            if name in taken:
                reason = f"refers to {subject}, but is missing from its referrers index, {name}"
                unnamed += [UnnamedImage(entry.where, reason) for entry in entries.values()]
            else:
                content = referrers_index([entry.descriptor for entry in entries.values()], self._reader.content)
                made.append(NamedManifest(name, Digest.of(content), made=content))
        return made, unnamed


def referrers_index(descriptors: Iterable[Descriptor], read: Callable[[Digest], bytes]) -> bytes:
    """Return the index that the referrers tag of an image points to: its referrers in the order of their digests."""
    ordered = sorted(descriptors, key=lambda descriptor: descriptor.digest)
    return emit_index_of([referrer_entry(each.digest, each.media_type, read(each.digest)) for each in ordered])


def emit_index_of(entries: Sequence[Mapping[str, object]]) -> bytes:
    """Return an OCI index of these entries."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def referrer_entry(digest: Digest, media_type: str, content: bytes) -> Mapping[str, object]:
    """Return the entry of the manifest `content` in a list of referrers.

    `artifactType` and `annotations` come from the manifest (distribution-spec 1.1, Pushing Manifests with Subject).
    """
    document = parse_document(content)
    config = document.get("config")
    kind = document.get("artifactType") or (config.get("mediaType") if isinstance(config, Mapping) else None)
    entry: dict[str, object] = {"mediaType": media_type, "digest": str(digest), "size": len(content)}
    if kind:
        entry["artifactType"] = kind
    if document.get("annotations"):
        entry["annotations"] = document["annotations"]
    return entry
