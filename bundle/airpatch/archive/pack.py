"""Writes a bundle to its destination, a file or standard output, and reads back what was written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.open_bundles import STDIN
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.reader import BundleStream
from airpatch.archive.writer import write_bundle
from airpatch.blobs.byte_source import FileBytes
from airpatch.blobs.output import DescriptorSink, output_file
from airpatch.blobs.room import room_at
from airpatch.errors import TargetError, UsageError
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.worker_pool import worker_pool

STDOUT = STDIN
"""The name of the standard stream on either side."""
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


@contextmanager
def destination(output: str) -> Iterator[DescriptorSink]:
    """Yield a sink for the file `output`, named once the block has succeeded; `-` is standard output.

    Enter it before the work, so that a destination that cannot be written to is reported at once. Raises TargetError,
    UsageError if standard output is a terminal.
    """
    if output != STDOUT:
        with output_file(Path(output)) as sink:
            yield sink
    elif sys.stdout.isatty():
        raise UsageError("standard output is a terminal; redirect it, or name a file with -o")
    else:
        yield DescriptorSink(sys.stdout.fileno(), "standard output", is_file=False)  # never ours to read back
