"""A bundle in a file, with random access: its index, its manifests, and its blobs as a `Content`.

Opening reads the footer, the seek table and the index, whatever the size of the bundle. The index says where each blob
lies (`format.layout`); frames are read when their bytes are asked for. Frames of raw blocks are read in
place; of others an open blob holds one of at most 8 MiB, and those of small blobs that were used last are kept, 8 MiB
of them.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.open_bundles import open_file_frames
from airpatch.archive.opening import Opening, read_opening
from airpatch.blobs.content import read_blob, require
from airpatch.errors import FormatError
from airpatch.format import layout, zstd
from airpatch.format.index import Index
from airpatch.model.digest import Digest

_KEPT_FRAMES = 8
"""Each holds `layout.GROUP` bytes at most."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Content of `size` bytes begins in `frame`, `offset` bytes into what that and the following frames hold."""

    frame: int
    offset: int
    size: int


class BundleFile:
    """The bundle in the file `source`, or in parts, as a `Content` of its layers, configs, manifests and signatures.

    `source` is a name, or a reader that has not been read and is closed with the bundle. Raises UsageError if there is
    no such file or it has no random access, FormatError if it is not a bundle.
    """

    def __init__(self, source: str | FileFrameReader) -> None:
        reader = open_file_frames(source) if isinstance(source, str) else source
        try:
            self.opening: Opening = read_opening(reader)
        except BaseException:
            reader.close()
            raise
        self.name = reader.name
        self.file_size = reader.size
        self._reader = reader
        self._finalizer = weakref.finalize(self, reader.close)
        self._first = reader.passed
        self._starts = list(itertools.accumulate((frame.compressed for frame in reader.table), initial=0))
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. This also happens when the object is no longer used."""
        self._finalizer()

    @property
    def index(self) -> Index:
        """Raises FormatError if it is none: see `Opening`."""
        return self.opening.index

    def manifests(self) -> dict[Digest, bytes]:
        """Return the manifests that are stored in the bundle, verified. Raises FormatError, IntegrityError."""
        return {b.digest: read_blob(self, b.digest, b.size) for b in self.index.stored if b.is_manifest}

    def size(self, digest: Digest) -> int | None:
        place = self._places.get(digest)
        return None if place is None else place.size

    def open(self, digest: Digest, size: int) -> _BundleBlob:
        require(self.size(digest), digest, size, self.name)
        return _BundleBlob(self, self._places[digest])

    def frame(self, number: int) -> bytes:
        """Return the content of a frame. Raises FormatError."""
        entry = self._reader.table[number]
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        content = zstd.decompress(self._reader.read_at(self._starts[number], entry.compressed), entry.content)
        if entry.content <= layout.GROUP:
            with self._lock:
                self._kept[number] = content
                if len(self._kept) > _KEPT_FRAMES:
                    self._kept.popitem(last=False)
        return content

    def is_raw(self, number: int) -> bool:
        """Return whether the frame has nothing but raw blocks, as `zstd.raw_frame` makes it."""
        entry, start = self._reader.table[number], self._starts[number]
        return entry.compressed == zstd.raw_size(entry.content) and all(
            self._reader.read_at(start + offset, len(header)) == header
            for offset, header in zstd.raw_headers(entry.content)
        )

    def read_raw(self, number: int, view: memoryview, position: int) -> None:
        """Fill `view` with content of a frame that is raw, from `position` on. Its checksum is not checked."""
        while view:
            part = view[: zstd.BLOCK - position % zstd.BLOCK]
            self._reader.read_into(part, self._starts[number] + zstd.raw_offset(position))
            view, position = view[len(part) :], position + len(part)

    @cached_property
    def _places(self) -> dict[Digest, _Place]:
        """Where everything lies. Raises FormatError unless the seek table has the frames of the layout."""
        places: dict[Digest, _Place] = {}
        plans = itertools.chain(layout.data_section(self.index), layout.manifests_section(self.index))
        for number, plan in enumerate(plans, self._first):
            if number >= len(self._reader.table) or self._reader.table[number].content != plan.content:
                raise FormatError(f"{self.name}: its seek table does not match its index, from frame {number} on")
            offset = 0
            for piece in plan.pieces:
                member = piece.member
                if piece.start == 0 and member.digest is not None:
                    places[member.digest] = _Place(number, offset + len(member.header), member.size)
                offset += piece.stop - piece.start
        return places


class _BundleBlob:
    """An open blob; of a frame that is not raw it keeps the content, which has been read last."""

    def __init__(self, bundle: BundleFile, place: _Place) -> None:
        self._bundle = bundle
        self._place = place
        self._number = -1
        self._content: memoryview | None = None

    def read_into(self, view: memoryview, offset: int) -> None:
        while view:
            ahead, start = divmod(self._place.offset + offset, layout.FRAME)
            self._turn_to(self._place.frame + ahead)
            part = view[: layout.FRAME - start]
            if self._content is None:
                self._bundle.read_raw(self._number, part, start)
            else:
                part[:] = self._content[start : start + len(part)]
            view, offset = view[len(part) :], offset + len(part)

    def close(self) -> None:
        self._content = None
        self._number = -1

    def _turn_to(self, number: int) -> None:
        if number != self._number:
            self.close()
            self._content = None if self._bundle.is_raw(number) else memoryview(self._bundle.frame(number))
            self._number = number
