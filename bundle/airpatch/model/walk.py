"""The walk over manifests: from images down to everything below them.

Digests cannot form a circle, so that indexes within indexes are a directed acyclic graph. It may be as deep as its
maker likes: nothing here recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest


def walk(
    tops: Iterable[Digest], read: Callable[[Digest], Manifest | None], seen: set[Digest] | None = None
) -> Iterator[tuple[Digest, Manifest]]:
    """Yield the manifests at and below `tops`, each once, children before the indexes that name them.

    `read` is called once for each digest, an index before its children; where it returns None the walk goes on without
    that manifest and what only it names. What it raises ends the walk. `seen` collects the digests that were visited,
    and those in it are skipped: pass one set to several walks to have each manifest once in all of them.
    """
    seen = set() if seen is None else seen
    pending: list[tuple[Digest, Manifest | None]] = [(top, None) for top in reversed(list(tops))]
    while pending:
        digest, manifest = pending.pop()
        if manifest is not None:  # everything below it has been yielded
            yield digest, manifest
        elif digest not in seen:
            seen.add(digest)
            manifest = read(digest)
            if manifest is not None:
                pending.append((digest, manifest))
                pending.extend((child.digest, None) for child in reversed(manifest.manifests))


def complete(digests: Iterable[Digest], read: Callable[[Digest], Manifest | None]) -> dict[Digest, Manifest]:
    """Return those of the manifests `digests` that `read` gives together with everything below them.

    `digests` come children before the indexes that name them, as in the table of a release.
    """
    found: dict[Digest, Manifest] = {}
    for digest in digests:
        manifest = read(digest)
        if manifest is not None and all(child.digest in found for child in manifest.manifests):
            found[digest] = manifest
    return found
