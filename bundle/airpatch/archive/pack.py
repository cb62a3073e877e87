"""Writes a bundle to its destination, a file or standard output, and reads back what was written."""

from __future__ import annotations

import os
from contextlib import closing

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.reader import BundleStream
from airpatch.archive.writer import write_bundle
from airpatch.blobs.byte_source import FileBytes
from airpatch.blobs.output import DescriptorSink
from airpatch.blobs.room import room_at
from airpatch.errors import TargetError
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.worker_pool import worker_pool

_COMPRESSED = ("gzip", "zstd")
"""How media types of compressed layers end (image-spec `layer.md`; Docker's `tar.gzip`)."""


def pack(bundle: PreparedBundle, sink: DescriptorSink, execution: Execution) -> int:
    """Write `bundle` to `sink`, a `destination`; return its size in bytes.

    Index and seek table are read back where that can be done. Raises what `write_bundle` raises, and TargetError if
    they are not what was written.
    """
    if sink.is_file:
        room_at(sink.fd).require(sink.name, _least_size(bundle.index))
    frames = write_bundle(bundle, sink, execution)
    if sink.is_file:
        with closing(FileFrameReader(FileBytes(sink.name, os.dup(sink.fd)))) as reader, worker_pool(1) as pool:
            if reader.table != frames or BundleStream(reader, pool).index != bundle.index:
                raise TargetError(f"{sink.name}: what was read back is not what was written; check the disk")
    return sink.size


def _least_size(index: Index) -> int:
    """Return how many bytes a bundle takes at least: of its layer patches, and of layers that are compressed
    already.
    """
    layers = sum(blob.size for blob in index.stored if blob.media_type.endswith(_COMPRESSED))
    return layers + sum(step.patch_size for step in index.steps)
