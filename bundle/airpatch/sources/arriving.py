"""Blobs of other hosts that arrive while those before them are written, and are given up once they have been read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from airpatch.blobs.content import BlobReader, Content
from airpatch.errors import SourceError
from airpatch.execution import Cancellation
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.registry_api.fetched_ahead import FetchedAhead
from airpatch.registry_api.remote_blobs import RemoteBlobs
from airpatch.worker_pool import worker_pool


class ArrivingBlobs:
    """The blobs of `local`, of which some are `remote`, to be read in an `order` (`Arriving`)."""

    def __init__(self, local: Content, remote: Mapping[Digest, RemoteBlobs], order: Sequence[Digest]) -> None:
        self.size = sum(each.size(digest) or 0 for digest, each in remote.items())
        self.verified: AbstractSet[Digest] = remote.keys()
        self._local = local
        self._remote = remote
        self._order = order

    @contextmanager
    def content(self, part: ProgressPart, cancellation: Cancellation) -> Iterator[Content]:
        """Give the content for the block. Raises SourceError, IntegrityError."""
        sources = set(self._remote.values())
        with ExitStack() as stack:
            for source in sources:
                stack.enter_context(source.ending_with(cancellation))
            connections = max(source.connections for source in sources)
            pool = stack.enter_context(worker_pool(connections, cancellation))
            order = ([digest] for digest in self._order if digest in self._remote)
            ahead = FetchedAhead(self._local, self._remote, order, pool, part)
            ahead.move_on(connections)
            try:
                yield _ReadOnce(ahead, self._remote)
            except SourceError:
                if ahead.failure is not None:
                    raise ahead.failure from None
                raise


class _ReadOnce:
    """Gives up each remote blob when its reader is closed, and has another one fetched."""

    def __init__(self, ahead: FetchedAhead, remote: Mapping[Digest, RemoteBlobs]) -> None:
        self._ahead = ahead
        self._remote = remote

    def size(self, digest: Digest) -> int | None:
        return self._ahead.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        reader = self._ahead.open(digest, size)
        if digest not in self._remote:
            return reader

        def closed() -> None:
            self._remote[digest].give_up(digest)
            self._ahead.move_on()

        return _ReadOnceBlob(reader, closed)


@dataclass(frozen=True, slots=True)
class _ReadOnceBlob:
    reader: BlobReader
    closed: Callable[[], None]

    def read_into(self, view: memoryview, offset: int) -> None:
        self.reader.read_into(view, offset)

    def close(self) -> None:
        self.reader.close()
        self.closed()
