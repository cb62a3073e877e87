"""Looks at blobs on the sender's side: what they hold, and samples of it, within a given memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from airpatch import limits
from airpatch.blobs.content import Content
from airpatch.errors import FormatError
from airpatch.layers.compression import opened
from airpatch.layers.resemblance import MEMORY, Sketch, Sketches, sketch
from airpatch.layers.ways import LayerBlob
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.release import Blob

_LOG = logger(__name__)
_SKETCHES, _SKETCH = 4, 16
"""Sketches may take one part in so many of the memory, and each of them one in so many."""


def look(
    content: Content,
    blob: Blob,
    memory: int,
    advance: Callable[[int], None] = lambda _size: None,
    take: Callable[[bytes], None] = lambda _piece: None,
) -> tuple[LayerBlob, Sketch] | None:
    """Return what the blob holds, and its sketch, as fine as `memory`, in bytes for all work together, allows; None if
    it does not decompress.

    `advance` receives how many bytes of the blob are read, `take` the layer, piece by piece. Raises what `content` and
    `take` raise.
    """
    try:
        with closing(content.open(blob.digest, blob.size)) as reader:
            kind, layer = opened(reader, blob.size, limits.unpacked(blob.size), advance)
            made = sketch(_passed(layer, take), features_within(memory))
    except FormatError as error:
        _LOG.info("blob %s: travels whole, and is no source: %s", blob.digest.short, error.message)
        return None
    return LayerBlob(blob, kind, made.size), made


def _passed(layer: Iterable[bytes], take: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in layer:
        take(piece)
        yield piece


def features_within(memory: int) -> int:
    """Return how many features the sketch of one layer may have."""
    return memory // _SKETCH // MEMORY


def sketches_within(memory: int) -> Sketches[Digest]:
    """Return what keeps the sketches of all layers within `memory`, in bytes for all work together."""
    return Sketches(memory // _SKETCHES // MEMORY)
