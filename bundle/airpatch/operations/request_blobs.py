"""Asks for the blobs that a patch needs and that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airpatch.blobs.output import output_file
from airpatch.format.index import Index
from airpatch.format.inventories import emit
from airpatch.model.release import Blob
from airpatch.operations.arguments import StrPath
from airpatch.target.stocktaking import make_request
from airpatch.units import count


def request_blobs(output: StrPath, index: Index, missing: Sequence[Blob]) -> str:
    """Write a request for the blobs that are `missing` for the bundle of `index`; return what to tell the user.

    Raises TargetError if it cannot be written.
    """
    with output_file(Path(output)) as sink:
        sink.write([emit(make_request(index, missing))])
    return f"{output}: request for {count(len(missing), 'blob')} of release {index.release.name}"
