"""Puts layer patches into the plan of a patch: new blobs that resemble what every base has are sent as differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bundle.archive.content import BlobReader, Content
from bundle.errors import SourceError
from bundle.format.index import UNKNOWN_TYPE, Index, Plan
from bundle.layers.differ import Differ, LayerPatches, Options
from bundle.layers.scratch import NewFile
from bundle.model.digest import Digest
from bundle.model.release import Blob
from bundle.patches.bases import BaseState
from bundle.sources.gather import Gathered


class Union:
    """Several contents as one: each blob out of the first that has it."""

    def __init__(self, contents: Sequence[Content]) -> None:
        self._contents = contents

    def size(self, digest: Digest) -> int | None:
        return next((size for each in self._contents if (size := each.size(digest)) is not None), None)

    def open(self, digest: Digest, size: int) -> BlobReader:
        for content in self._contents:
            if content.size(digest) is not None:
                return content.open(digest, size)
        raise SourceError(f"{digest} is nowhere")


@dataclass(frozen=True, slots=True)
class Patched:
    """A plan with layer patches, and what the bundle is made of; `patches` must be closed when it is written."""

    index: Index
    gathered: Gathered
    patches: LayerPatches


def patch_layers(
    index: Index, gathered: Gathered, bases: Sequence[BaseState], new_file: NewFile, options: Options
) -> Patched:
    """Replace stored blobs of `index` by layer patches where that is smaller.

    Sources are blobs that every one of the `bases` has and that can be read from one of them, and new blobs of the
    release itself. Raises what reading the bases and scratch files raises.
    """
    content = Union([gathered.content, *(base.content for base in bases if base.content is not None)])
    targets = [blob for blob in index.stored if not blob.is_manifest]
    patches = Differ(content, new_file, options).make(targets, _available(bases))
    made = {step.digest for step in patches.steps}
    plans = tuple(
        Plan.PATCHED if blob.digest in made else plan
        for blob, plan in zip(index.release.blobs, index.plans, strict=True)
    )
    planned = replace(index, plans=plans, sources=tuple(patches.sources), steps=tuple(patches.steps))
    return Patched(planned, replace(gathered, content=Union([gathered.content, patches])), patches)


def _available(bases: Sequence[BaseState]) -> list[Blob]:
    """The blobs that every base has and one can give, the largest first."""
    found: dict[Digest, int] = {}
    for base in bases:
        for digest in base.layers:
            size = base.blobs[digest]
            if all(other.blobs.get(digest) == size for other in bases):
                found[digest] = size
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Blob(digest, size, UNKNOWN_TYPE) for digest, size in ordered]
