"""Blobs rebuilt from layer patches on request, and kept while there is room for them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BlobReader, Content, require
from airpatch.errors import SourceError
from airpatch.execution import Execution
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.model.digest import Digest
from airpatch.patches.chains import chain_steps, rebuild_chain


@dataclass(slots=True)
class _KeptBlob:
    """A blob that was made, with its `readers`; it is given up when nobody reads it and it is `dropped`."""

    content: RebuiltContent
    size: int
    """Bytes in scratch files, with what was made on the way."""
    readers: int = 0
    dropped: bool = False


class RebuiltOnDemand:
    """A `Content` of the blobs that steps of `bundles` make, out of these and `base`. For use by many threads.

    At most `room` bytes of blobs are kept in scratch files, those that were read last; each is made once, however many
    ask for it at the same time.
    """

    def __init__(
        self, bundles: Sequence[BundleFile], base: Content, there: AbstractSet[Digest], room: int, execution: Execution
    ) -> None:
        self._bundles = bundles
        self._base = base
        self._there = there
        self._room = room
        self._execution = execution
        self._sizes = {s.digest: s.size for bundle in bundles for s in bundle.index.steps if s.digest not in there}
        self._kept: OrderedDict[Digest, _KeptBlob] = OrderedDict()
        self._locks: dict[Digest, threading.Lock] = {}
        self._lock = threading.Lock()

    def size(self, digest: Digest) -> int | None:
        return self._sizes.get(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, "what layer patches make")
        with self._lock:
            lock = self._locks.setdefault(digest, threading.Lock())
        with lock:
            kept = self._take(digest) or self._make(digest, size)
        return _KeptReader(self, kept, kept.content.open(digest, size))

    def _take(self, digest: Digest) -> _KeptBlob | None:
        with self._lock:
            kept = self._kept.get(digest)
            if kept is not None:
                self._kept.move_to_end(digest)
                kept.readers += 1
            return kept

    def _make(self, digest: Digest, size: int) -> _KeptBlob:
        work = chain_steps(self._bundles, [digest], self._there)
        content = rebuild_chain(work, [*self._bundles, self._base], self._execution)
        if content.size(digest) != size:
            content.close()
            raise SourceError(f"{digest} cannot be rebuilt from the bundles and the base given")
        kept = _KeptBlob(content, sum(step.size for _, steps in work for step in steps), readers=1)
        with self._lock:
            self._kept[digest] = kept
            while sum(each.size for each in self._kept.values()) > self._room and len(self._kept) > 1:
                self._drop(self._kept.popitem(last=False)[1])
        return kept

    def _drop(self, kept: _KeptBlob) -> None:
        kept.dropped = True
        if not kept.readers:
            kept.content.close()

    def give_back(self, kept: _KeptBlob) -> None:
        """Note that a reader is done."""
        with self._lock:
            kept.readers -= 1
            if kept.dropped and not kept.readers:
                kept.content.close()

    def close(self) -> None:
        """Give up all blobs, those that are being read when that ends."""
        with self._lock:
            while self._kept:
                self._drop(self._kept.popitem()[1])


class _KeptReader:
    """An open blob that was made."""

    def __init__(self, owner: RebuiltOnDemand, kept: _KeptBlob, reader: BlobReader) -> None:
        self._owner = owner
        self._kept = kept
        self._reader: BlobReader | None = reader

    def read_into(self, view: memoryview, offset: int) -> None:
        assert self._reader is not None  # noqa: S101 - a contract of readers
        self._reader.read_into(view, offset)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
            self._owner.give_back(self._kept)
