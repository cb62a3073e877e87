"""What a registry serves: tags, manifests and blobs by repository, as an immutable value."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airpatch.blobs.content import Content
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import is_servable
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.sources.referrers import referrer_entry


@dataclass(frozen=True, slots=True)
class ServedManifest:
    """A manifest as it is sent."""

    content: bytes
    media_type: str


@dataclass(slots=True)
class ServedRepository:
    """What can be had by the name of a repository; `referrers` has entries of an index for each subject."""

    tags: dict[str, Digest] = field(default_factory=dict)
    manifests: set[Digest] = field(default_factory=set)
    blobs: dict[Digest, int] = field(default_factory=dict)
    referrers: dict[Digest, dict[Digest, Mapping[str, object]]] = field(default_factory=lambda: defaultdict(dict))


class Catalog:
    """All repositories, and `content`, where their blobs are read."""

    def __init__(self, images: Iterable[Image], manifests: Mapping[Digest, bytes], content: Content) -> None:
        """Later `images` win where names are the same. Names that no registry serves are left out, into `left_out`."""
        self.content = content
        self.left_out: list[str] = []
        self.repositories: dict[str, ServedRepository] = {}
        parsed: dict[Digest, Manifest] = {digest: parse_manifest(data) for digest, data in manifests.items()}
        self.manifests = {d: ServedManifest(manifests[d], manifest.media_type) for d, manifest in parsed.items()}
        for image in images:
            if not is_servable(image.name.repository):
                self.left_out.append(str(image.name))
                continue
            repository = self.repositories.setdefault(image.name.repository, ServedRepository())
            repository.tags[image.name.tag] = image.manifest
            for digest, manifest in walk([image.manifest], parsed.get):
                repository.manifests.add(digest)
                repository.blobs.update({blob.digest: blob.size for blob in manifest.blobs})
                if manifest.subject is not None:
                    entry = referrer_entry(digest, manifest.media_type, manifests[digest])
                    repository.referrers[manifest.subject][digest] = entry
        self.names = sorted(self.repositories)

    def manifest(self, name: str, reference: str | Digest) -> Digest | None:
        """Return the digest of the manifest that a tag or a digest means in a repository, None if it means none."""
        repository = self.repositories.get(name)
        if repository is None:
            return None
        if isinstance(reference, str):
            return repository.tags.get(reference)
        return reference if reference in repository.manifests else None


def page(names: Sequence[str], last: str, count: int | None) -> tuple[list[str], bool]:
    """Return the first `count` of the sorted `names` after `last`, and whether there are more (Listing Tags)."""
    start = bisect_right(names, last) if last else 0
    found = list(names[start:] if count is None else names[start : start + count])
    return found, start + len(found) < len(names)
