"""Blobs as something that slices are taken of, which are read when they are."""

from __future__ import annotations

from airpatch.blobs.content import BlobReader


class BlobSlices:
    """A blob of `size` bytes; slices end where it does."""

    def __init__(self, reader: BlobReader, size: int) -> None:
        self._reader = reader
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: slice) -> bytes:
        begin, end, _ = where.indices(self._size)
        view = bytearray(max(end - begin, 0))
        if view:
            self._reader.read_into(memoryview(view), begin)
        return bytes(view)
