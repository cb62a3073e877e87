"""Blobs of a store, fetched into scratch files and verified there: a layer patch reads them several times."""

from __future__ import annotations

import hashlib
import threading
from contextlib import closing

from airpatch.blobs.content import BlobReader, Content, check_digest, pieces, require
from airpatch.blobs.scratch import ScratchFile, ScratchRange, ScratchStore
from airpatch.execution import Execution
from airpatch.model.digest import Digest


class SpooledBlobs:
    """A `Content` of those blobs of `content` that were fetched. For use by many threads."""

    def __init__(self, content: Content, execution: Execution) -> None:
        self._content = content
        self._new_file = execution.scratch
        self._store = ScratchStore(execution.scratch)
        self._blobs: dict[Digest, ScratchRange] = {}
        self._lock = threading.Lock()

    def fetch(self, digest: Digest, size: int) -> None:
        """Fetch a blob of `size` bytes, unless it is here. Raises IntegrityError if it is damaged, SourceError if it is
        missing, TargetError.
        """
        with self._lock:
            if digest in self._blobs:
                return
        file = ScratchFile(self._new_file, str(digest))
        try:
            hasher = hashlib.sha256()
            with closing(self._content.open(digest, size)) as reader:
                for piece in pieces(reader, size):
                    hasher.update(piece)
                    file.append(bytes(piece))
            check_digest(hasher.digest(), digest)
        except BaseException:
            file.close()
            raise
        kept = self._store.keep(file)
        with self._lock:
            self._blobs[digest] = kept

    def size(self, digest: Digest) -> int | None:
        return self._blobs[digest].size if digest in self._blobs else None

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, "what was fetched")
        return self._blobs[digest]

    def close(self) -> None:
        """Give up all blobs."""
        self._store.close()
