"""Blobs of registries that are read in a known order, each fetched shortly before it is needed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future

from airpatch.blobs.content import BlobReader, Content
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.registry_api.remote_blobs import RemoteBlobs


class FetchedAhead:
    """A `Content` of the blobs of `base`. Those that are `remote` are fetched in an `order`, some of it at a time.

    They count as progress of `part`. After one could not be fetched, none can be opened. For use by many threads.
    """

    def __init__(
        self,
        base: Content,
        remote: Mapping[Digest, RemoteBlobs],
        order: Iterable[Iterable[Digest]],
        pool: Executor,
        part: ProgressPart,
    ) -> None:
        self.failure: BaseException | None = None
        """Why the first blob that could not be fetched was not."""
        self._base = base
        self._remote = remote
        self._order: Iterator[Iterable[Digest]] = iter(order)
        self._pool = pool
        self._part = part
        self._futures: dict[Digest, Future[None]] = {}
        self._lock = threading.Lock()

    def size(self, digest: Digest) -> int | None:
        return self._base.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        """Wait until the blob is fetched. Raises what fetching raises."""
        if digest in self._remote:
            with self._lock:
                future = self._begin(digest)
            future.result()
        return self._base.open(digest, size)

    def move_on(self, count: int = 1) -> None:
        """Have what the next `count` elements of the order need fetched."""
        with self._lock:
            for _, digests in zip(range(count), self._order, strict=False):
                for digest in digests:
                    if digest in self._remote:
                        self._begin(digest)

    def _begin(self, digest: Digest) -> Future[None]:
        if digest not in self._futures:
            self._futures[digest] = self._pool.submit(self._fetch, digest)
        return self._futures[digest]

    def _fetch(self, digest: Digest) -> None:
        if self.failure is not None:
            raise self.failure
        remote = self._remote[digest]
        try:
            with self._part.share(remote.size(digest) or 0, digest) as share:
                remote.get(digest, share.reach)
        except BaseException as error:
            self.failure = self.failure or error
            raise
