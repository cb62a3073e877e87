"""Replaces blobs of a bundle by layer patches where that makes it smaller.

In a patch, new blobs that resemble what every base has are sent as differences. In a full bundle, layers are sent
uncompressed, each as a difference to those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.content import ChainedContent, Content
from airpatch.delta.effort import Effort
from airpatch.execution import Execution
from airpatch.format.index import UNKNOWN_TYPE, Disposition, Feature, Index, SourceBlob, Step
from airpatch.layers.differ import Differ
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.resemblance import LayerPlace
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.patches.bases import BaseState, readable
from airpatch.patches.places import manifests_in, places
from airpatch.sources.gather import Gathered

_LOG = logger(__name__)


def patch_layers(
    index: Index,
    gathered: Gathered,
    bases: Sequence[BaseState],
    execution: Execution,
    effort: Effort = Effort.DEFAULT,
    contents: Sequence[BaseState] = (),
    reader: ReaderFeatures | None = None,
) -> PreparedBundle:
    """Return the bundle of `index` and `gathered`, with layer patches in place of stored blobs where that is smaller.

    Sources are blobs that every one of the `bases` has and that can be read from one of them or of `contents`, and new
    blobs of the release itself. The patches use what `reader` knows.

    Raises what reading the bases and scratch files raises.
    """
    givers = [*bases, *contents]
    available = available_sources(bases, givers)
    content = ChainedContent([gathered.content, *_contents(givers, available, gathered.content, execution)])
    _LOG.info("sources of layer patches: %d blobs that every base has, and new blobs", len(available))
    targets = [blob for blob in index.stored if not blob.is_manifest]
    patches = Differ(content, execution, effort, gathered.owners, reader).make(
        targets, available, _places(gathered, givers)
    )
    planned = with_layer_patches(index, patches.steps, patches.sources, patches.features)
    everything = ChainedContent([gathered.content, patches])
    return PreparedBundle(planned, gathered.manifests, everything, content, patches.chosen, resources=(patches,))


def with_layer_patches(
    index: Index, steps: Sequence[Step], sources: Sequence[SourceBlob], features: Iterable[Feature]
) -> Index:
    """Return `index` with layer patches, by `steps`, in place of stored blobs."""
    made = {step.digest for step in steps}
    dispositions = tuple(
        Disposition.PATCHED if blob.digest in made else disposition
        for blob, disposition in zip(index.release.blobs, index.dispositions, strict=True)
    )
    return replace(
        index,
        dispositions=dispositions,
        sources=tuple(sources),
        steps=tuple(steps),
        features=tuple(sorted(set(features))),
    )


def _places(gathered: Gathered, bases: Sequence[BaseState]) -> dict[Digest, LayerPlace]:
    """Return where the layers are in the images of the bases and of the release."""
    found: dict[Digest, LayerPlace] = {}
    known = [
        *(places(b.images, manifests_in(b.content, b.blobs), b.content) for b in bases if b.content is not None),
        places(gathered.release.images, gathered.manifests.get, gathered.content),
    ]
    for digest, place in chain.from_iterable(each.items() for each in known):
        found[digest] = found.get(digest, LayerPlace()) | place
    return found


def _contents(
    bases: Sequence[BaseState], available: Sequence[Blob], known: Content, execution: Execution
) -> list[Content]:
    """Return where `available` blobs can be read that are not `known`."""
    wanted = [blob.digest for blob in available if known.size(blob.digest) is None]
    return [content for base in bases if (content := readable(base, wanted, execution)) is not None]


def available_sources(bases: Sequence[BaseState], givers: Sequence[BaseState]) -> list[Blob]:
    """Return the blobs that every base has and one of `givers` can provide, the largest first."""
    found: dict[Digest, int] = {}
    for giver in givers:
        for digest in giver.layers:
            size = giver.blobs[digest]
            if all(other.blobs.get(digest) == size for other in bases):
                found[digest] = size
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Blob(digest, size, UNKNOWN_TYPE) for digest, size in ordered]
