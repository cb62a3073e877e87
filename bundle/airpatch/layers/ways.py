"""Ways to rebuild a blob, which are tried one after the other, and what they are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from airpatch.blobs.content import Content
from airpatch.blobs.scratch import ScratchFile
from airpatch.layers.compression import Compression
from airpatch.layers.recipe import Method
from airpatch.model.release import Blob

RECOGNISED = 1 << 20
"""Bytes of a blob by which its encoder is recognised."""

Way = tuple[Method, Sequence[ScratchFile]]
"""How to rebuild a blob, and the decisions that this takes."""


@dataclass(frozen=True, slots=True)
class LayerBlob:
    """A blob on the sender's side, and how many bytes of a layer it holds."""

    blob: Blob
    compression: Compression
    uncompressed_size: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the blob, and of what it holds."""
        return self.blob.size, self.uncompressed_size


def way_size(way: Way) -> int:
    """Return the bytes of a way's decisions."""
    return sum(file.size for file in way[1])


def start_of(content: Content, target: LayerBlob, size: int) -> bytes:
    """Return the first `size` bytes of the blob of `target`, or all of it."""
    return _part(content, target, 0, min(size, target.blob.size))


def end_of(content: Content, target: LayerBlob, size: int) -> bytes:
    """Return the last `size` bytes of the blob of `target`, or all of it."""
    size = min(size, target.blob.size)
    return _part(content, target, target.blob.size - size, size)


def _part(content: Content, target: LayerBlob, begin: int, size: int) -> bytes:
    part = bytearray(size)
    with closing(content.open(target.blob.digest, target.blob.size)) as reader:
        reader.read_into(memoryview(part), begin)
    return bytes(part)
