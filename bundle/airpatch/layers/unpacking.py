"""Unpacks blobs on the sender's side, and takes samples of what they hold, within a given memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

from airpatch import limits
from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile, ScratchStore, release_pages
from airpatch.errors import FormatError
from airpatch.execution import NewFile
from airpatch.layers.compression import extract
from airpatch.layers.resemblance import MEMORY, Sketch, Sketches, sketch
from airpatch.layers.ways import Unpacked
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.release import Blob

_LOG = logger(__name__)
_SKETCHES, _SKETCH = 4, 16
"""Sketches may take one part in so many of the memory, and each of them one in so many."""


def unpack(
    content: Content, blob: Blob, new_file: NewFile, store: ScratchStore, advance: Callable[[int], None]
) -> Unpacked | None:
    """Return the blob with its uncompressed content in the `store`; None if it does not decompress.

    `advance` receives how many bytes of the blob are read. Raises what `content` raises, TargetError.
    """
    with ExitStack() as stack:
        file = ScratchFile(new_file, str(blob.digest))
        stack.callback(file.close)
        try:
            with closing(content.open(blob.digest, blob.size)) as reader:
                kind = extract(reader, blob.size, file.append, limits.unpacked(blob.size), advance)
        except FormatError as error:
            _LOG.info("blob %s: travels whole, and is no source: %s", blob.digest.short, error.message)
            return None
        stack.pop_all()
    return Unpacked(blob, kind, store.keep(file))


def sketch_within(memory: int, unpacked: Unpacked) -> Sketch:
    """Return the sketch of a layer, as fine as `memory`, in bytes for all work together, allows."""
    view = unpacked.uncompressed.view()
    return sketch(memoryview(view), features_within(memory), lambda: release_pages((view,)))


def features_within(memory: int) -> int:
    """Return how many features the sketch of one layer may have."""
    return memory // _SKETCH // MEMORY


def sketches_within(memory: int) -> Sketches[Digest]:
    """Return what keeps the sketches of all layers within `memory`, in bytes for all work together."""
    return Sketches(memory // _SKETCHES // MEMORY)
