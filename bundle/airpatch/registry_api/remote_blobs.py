"""Blobs of registries as a `Content`: fetched once each, in parallel, into a cache or into scratch files.

`fetch` gets many at a time and shows its progress; a blob that was not fetched is downloaded when it is first read.
Every blob is verified before it can be read. The cache is a folder of files `sha256/<hex>`, which several processes may
use at the same time, and from which anything may be removed; an interrupted download is kept there as `<hex>.partial`,
and resumes where it ended.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.content import BlobReader, FileBlob, pieces, require
from airpatch.blobs.output import write_error
from airpatch.blobs.scratch import MemoryScratch, ScratchRange, ScratchStore
from airpatch.errors import SourceError
from airpatch.execution import Cancellation, Execution, NewFile
from airpatch.linux import make_folders
from airpatch.model.digest import Digest
from airpatch.registry_api.pulling import Repository
from airpatch.worker_pool import worker_pool

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteBlob:
    """A blob of `size` bytes in `repository`."""

    repository: Repository
    size: int


class RemoteBlobs:
    """A `Content` of the blobs that are `known`, by digest. For use by many threads."""

    def __init__(
        self,
        new_file: NewFile,
        cache: Path | None,
        where: str,
        connections: int,
        memory: MemoryScratch | None = None,
    ) -> None:
        self.known: dict[Digest, RemoteBlob] = {}
        self._cache = None if cache is None else _Cache(cache)
        self._where = where
        self.connections = connections
        self._store = ScratchStore(new_file, memory)
        self._fetched: dict[Digest, ScratchRange | Path] = {}
        self._locks: dict[Digest, threading.Lock] = {}
        self._lock = threading.Lock()

    def size(self, digest: Digest) -> int | None:
        blob = self.known.get(digest)
        return None if blob is None else blob.size

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, self._where)
        return _LazyBlob(self, digest, size)

    def fetch(self, digests: Iterable[Digest], execution: Execution) -> None:
        """Get those of the blobs that are known here and not yet fetched. Raises SourceError, IntegrityError."""
        wanted = [digest for digest in dict.fromkeys(digests) if digest in self.known and digest not in self._fetched]
        wanted.sort(key=lambda digest: (-self.known[digest].size, digest))
        if not wanted:
            return
        task = execution.task()
        total = sum(self.known[digest].size for digest in wanted)
        with (
            task.part(f"fetching from {self._where}", total) as part,
            self.ending_with(task.cancellation),
            worker_pool(self.connections, task.cancellation) as pool,
        ):

            def get(digest: Digest) -> None:
                with part.share(self.known[digest].size, digest) as share:
                    self.get(digest, share.reach)

            for future in [pool.submit(get, digest) for digest in wanted]:
                future.result()

    def ending_with(self, cancellation: Cancellation) -> AbstractContextManager[None]:
        """Have all downloads end within the block when `cancellation` is cancelled, and none begin any more."""
        return cancellation.calling(self._cancel)

    def _cancel(self) -> None:
        for transport in {blob.repository.transport for blob in tuple(self.known.values())}:
            transport.cancel()

    def get(self, digest: Digest, reached: Callable[[int], None] = lambda _position: None) -> BlobReader:
        """Return a reader of the blob, which is fetched if it is not here; `reached` receives how far that is."""
        with self._lock:
            lock = self._locks.setdefault(digest, threading.Lock())
        with lock:
            if digest not in self._fetched:
                self._fetched[digest] = self._download(digest, reached)
        place = self._fetched[digest]
        return place if isinstance(place, ScratchRange) else _open(place, self.known[digest].size)

    def _download(self, digest: Digest, reached: Callable[[int], None]) -> ScratchRange | Path:
        blob = self.known[digest]
        if self._cache is not None:
            return self._cache.get(digest, blob, reached)
        with ExitStack() as stack:
            file = self._store.new(blob.size, str(digest))
            stack.callback(file.close)
            blob.repository.download(digest, blob.size, _Incoming(file.append, file.clear, reached))
            stack.pop_all()
        return self._store.keep(file)

    def give_up(self, digest: Digest) -> None:
        """Release a blob that nobody reads any more; whoever asks for it again fetches it again."""
        with self._lock:
            place = self._fetched.pop(digest, None)
        if isinstance(place, ScratchRange):
            self._store.give_up(place)

    def close(self) -> None:
        """Give up what lies in scratch files."""
        self._store.close()


class _LazyBlob:
    """An open blob, which is fetched at the first read."""

    def __init__(self, blobs: RemoteBlobs, digest: Digest, size: int) -> None:
        self._blobs = blobs
        self._digest = digest
        self._reader: BlobReader | None = None

    def read_into(self, view: memoryview, offset: int) -> None:
        if self._reader is None:
            self._reader = self._blobs.get(self._digest)
        self._reader.read_into(view, offset)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


class _Incoming:
    """Bytes on their way to a file, hashed as they come."""

    def __init__(
        self, append: Callable[[bytes], None], clear: Callable[[], object], reached: Callable[[int], None]
    ) -> None:
        self.size = 0
        self._append = append
        self._clear = clear
        self._reached = reached
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        self._append(piece)
        self.note(piece)

    def note(self, piece: bytes | memoryview) -> None:
        """Take in bytes that are in the file already."""
        self._hash.update(piece)
        self.size += len(piece)
        self._reached(self.size)

    def resume(self) -> None:
        self._reached(self.size)

    def restart(self) -> None:
        self._clear()
        self._hash = hashlib.sha256()
        self.size = 0

    def digest(self) -> Digest:
        return Digest(self._hash.digest())


class _Cache:
    """The folder of a cache. Raises TargetError where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "sha256"
        try:
            make_folders(self._folder)
        except OSError as error:
            raise write_error(str(self._folder), error) from None

    def get(self, digest: Digest, blob: RemoteBlob, reached: Callable[[int], None]) -> Path:
        """Return the verified file of the blob, which is downloaded if it is not there whole."""
        path = self._folder / digest.hex
        if _is_sound(path, digest, blob.size, reached):
            return path
        partial = path.with_name(f"{digest.hex}.partial")
        try:
            with partial.open("ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # another process may be at it: then it is there now
                if _is_sound(path, digest, blob.size, reached):
                    return path
                incoming = _Incoming(lambda piece: _write_all(file.fileno(), piece), lambda: file.truncate(0), reached)
                file.seek(0)
                while piece := file.read(_PIECE):
                    incoming.note(piece)
                if incoming.size > blob.size:
                    incoming.restart()
                blob.repository.download(digest, blob.size, incoming)
                os.fsync(file.fileno())
                partial.replace(path)
        except OSError as error:
            raise write_error(str(partial), error) from None
        return path


def _write_all(fd: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(fd, view) :]


def _open(path: Path, size: int) -> FileBlob:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    return FileBlob(fd, str(path), size, SourceError)


def _is_sound(path: Path, digest: Digest, size: int, reached: Callable[[int], None]) -> bool:
    """Return whether the file has the blob's content."""
    hash_, position = hashlib.sha256(), 0
    with suppress(SourceError), closing(_open(path, size)) as file:
        for piece in pieces(file, size):
            hash_.update(piece)
            position += len(piece)
            reached(position)
        return hash_.digest() == digest.raw
    return False
