"""Which encoder wrote each layer, judged by its beginning, and which images use it. Reads only.

A replica is named if it writes what the layer begins with: `RECOGNISED` bytes of it, or all if it is shorter. Another
encoder would have to agree with it over some 3 MiB uncompressed. For a layer that a bundle has as a patch, the patch
names the encoder, and its maker has compared every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from airpatch import limits
from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BlobReader, Content
from airpatch.encoders.flushed import FILE_END, file_ends_flushed
from airpatch.encoders.recognise import recognise
from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.errors import FormatError
from airpatch.execution import Execution
from airpatch.layers.compression import Compression, extract
from airpatch.layers.members import encoders_of_members
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Plain,
    Raw,
    Replay,
    Replica,
    Whole,
)
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.progress import ProgressPart
from airpatch.report.layer_patches import LayerPatch, read_layer_patches
from airpatch.report.usage import usage
from airpatch.worker_pool import worker_pool

RECOGNISED = 1 << 20
"""Bytes of a layer that are looked at to name its encoder."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a layer is compressed: `compression` is None if it is not there or does not decompress.

    `uncompressed_size` is its uncompressed size in bytes. `encoders` are the replicas that write the first `compared`
    bytes of it, the likeliest first.
    """

    compression: Compression | None = None
    uncompressed_size: int | None = None
    encoders: tuple[str, ...] = ()
    compared: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of `size` bytes, and the images that have it."""

    digest: Digest
    size: int
    images: tuple[ImageName, ...]
    encoding: Encoding


def examine_layers(
    images: Iterable[Image], manifests: Mapping[Digest, bytes], content: Content, execution: Execution
) -> list[Layer]:
    """Return the layers of `images`, as far as their manifests are known, the largest first. Raises what `content`
    raises.
    """
    patches = _patches(content)
    used = usage(images, manifests)
    ordered = sorted(used.layers.items(), key=lambda layer: (-layer[1], layer[0]))
    total = sum(size for _, size in ordered)

    def look(layer: tuple[Digest, int], part: ProgressPart) -> Layer:
        digest, size = layer
        encoding = Encoding()
        with part.share(size, digest) as share:
            if digest in patches:
                encoding = encoding_of_patch(patches[digest])
            elif content.size(digest) is not None:
                with closing(content.open(digest, size)) as reader:
                    encoding = examine(reader, size, share.advance)
        return Layer(digest, size, used.images[digest], encoding)

    task = execution.task()
    with (
        task.part(
            "looking at layers", total, lambda: {digest: names[0] for digest, names in used.images.items()}
        ) as part,
        worker_pool(task.threads, task.cancellation) as pool,
    ):
        return list(pool.map(lambda layer: look(layer, part), ordered))


def examine(reader: BlobReader, size: int, advance: Callable[[int], None] = lambda _size: None) -> Encoding:
    """Return how the blob of `size` bytes is written. `advance` receives how many bytes are read."""
    uncompressed_size = 0

    def take(piece: bytes) -> None:
        nonlocal uncompressed_size
        uncompressed_size += len(piece)

    try:
        kind = extract(reader, size, take, limits.unpacked(size), advance)
        if kind is Compression.NONE:
            return Encoding(kind, uncompressed_size)
        start = bytearray(min(RECOGNISED, size))
        reader.read_into(memoryview(start), 0)
        end = bytearray(min(FILE_END, size))
        reader.read_into(memoryview(end), size - len(end))
        names = _encoders(kind, bytes(start), bytes(end))
        return Encoding(kind, uncompressed_size, tuple(names), len(start))
    except FormatError:
        return Encoding()


def _encoders(kind: Compression, start: bytes, end: bytes) -> Sequence[str]:
    """Return the names of the encoders of that `kind` that may have written a blob with that `start` and `end`."""
    if kind is Compression.ZSTD:
        return recognise_frames(start)
    several = encoders_of_members(start)
    return recognise(start, flushed=file_ends_flushed(end)) if several is None else several


def _patches(content: Content) -> dict[Digest, LayerPatch]:
    if not isinstance(content, BundleFile):
        return {}
    return {contents.step.digest: contents for contents in read_layer_patches(content)}


def encoding_of_patch(contents: LayerPatch) -> Encoding:
    """Return how the layer is written that a layer patch makes."""
    step = contents.step
    match contents.recipe.method:
        case Plain():
            return Encoding(Compression.NONE, step.uncompressed_size)
        case Replica(encoder) | GzipMembers(encoder, _):
            return Encoding(Compression.GZIP, step.uncompressed_size, (encoder,), step.size)
        case Replay() | Corrected():
            return Encoding(Compression.GZIP, step.uncompressed_size)
        case Frames(encoder, _):
            return Encoding(Compression.ZSTD, step.uncompressed_size, (encoder,), step.size)
        case FrameReplay() | CorrectedFrames() | Raw():
            return Encoding(Compression.ZSTD, step.uncompressed_size)
        case Whole():
            return Encoding(None, step.uncompressed_size)
