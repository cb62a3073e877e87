"""Objects by name, in a folder or in object storage: written whole or not at all, and created at most once.

The client is obstore, which repeats what fails on the way: an answer of 5xx, a lost connection. Nothing else here talks
to storage.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from airpatch.blobs.content import BlobReader
from airpatch.errors import AirpatchError, SourceError, TargetError, UsageError
from airpatch.extras import require_extra
from airpatch.linux import is_folder
from airpatch.store.native_calls import Pieces, answer_of
from airpatch.store.store_address import StoreAddress

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_Answer = TypeVar("_Answer")
_CHUNK = 8 << 20
"""Bytes of a part of a large object."""
_CONCURRENT = 4
"""Parts under way at once."""
_OPTIONS = {"allow_http": True, "timeout": timedelta(minutes=2), "connect_timeout": timedelta(seconds=10)}
"""The address of a test server or of one's own may be http://; a request carries at most 16 MiB."""
_RETRIES = {"max_retries": 5, "retry_timeout": timedelta(minutes=3)}
_METADATA = ("169.254.169.254", 80)
"""Where the client looks for credentials that the environment does not give: the metadata service of AWS's machines."""
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
)
"""Variables of the environment, any of which says how to get credentials, or that none are needed."""
_NO_CREDENTIALS = "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
_LEFT = re.compile(r"[0-9a-f]{64}#[0-9]+", re.ASCII)
"""Names of what a writer that was killed has left of an object."""
_INNARDS = re.compile(r"^Generic LocalFileSystem error: | \(os error [0-9]+\)$", re.ASCII)
_LEAST_AHEAD, _MOST_AHEAD = 64 << 10, 8 << 20
"""Bytes that are read at once: few where somebody jumps, many where somebody reads on."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of `size` bytes, which was written at `time`."""

    name: str
    size: int
    time: datetime


class Objects:
    """The objects at `address`. For use by many threads. Methods raise TargetError where the storage fails.

    Raises UsageError if the library is missing or a folder is not there.
    """

    def __init__(self, address: StoreAddress) -> None:
        self._obstore = require_extra("store", "obstore")
        self._errors = require_extra("store", "obstore.exceptions")
        stores = require_extra("store", "obstore.store")
        self.where = address.url or str(address.path)
        self._folder = address.path
        with self._told():
            if address.path is not None:
                if not is_folder(address.path):
                    raise UsageError(f"{address.spec}: no such folder")
                self._store: ObjectStore = stores.LocalStore(str(address.path))
            else:
                _require_credentials(self.where)
                self._store = stores.from_url(address.url, client_options=_OPTIONS, retry_config=_RETRIES)

    def get(self, name: str, limit: int) -> bytes | None:
        """Return an object of at most `limit` bytes, None if it is not there. Raises SourceError for a larger one."""
        self._require_file(name)
        with self._told():
            try:
                return self._ask(lambda: self._get(name, limit))
            except FileNotFoundError:
                return None

    def _get(self, name: str, limit: int) -> bytes:
        found = self._obstore.get(self._store, name)
        size = found.meta["size"]
        if size > limit:
            raise SourceError(f"{self.where}/{name}: has {size} bytes, more than {limit}")
        return bytes(found.bytes())

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes, None if it is not there."""
        found = self.look(name)
        return None if found is None else found.size

    def look(self, name: str) -> StoredObject | None:
        """Return what is known of an object, None if it is not there."""
        self._require_file(name)
        with self._told():
            try:
                return _stored(self._ask(lambda: self._obstore.head(self._store, name)))
            except FileNotFoundError:
                return None

    def open(self, name: str, size: int) -> BlobReader:
        """Return a reader of the object of `size` bytes."""
        return _ObjectReader(self, name, size)

    def range(self, name: str, start: int, length: int) -> memoryview:
        """Return `length` bytes of an object. Raises SourceError if it is not there or shorter."""
        self._require_file(name)
        with self._told():
            try:
                call = partial(self._obstore.get_range, self._store, name, start=start, length=length)
                found = memoryview(self._ask(call))
            except FileNotFoundError:
                raise SourceError(f"{self.where}/{name}: is missing") from None
        if len(found) != length:
            raise SourceError(f"{self.where}/{name}: ends within the {length} bytes from {start}")
        return found

    def put(self, name: str, pieces: Iterable[bytes] | bytes) -> None:
        """Write an object, whatever was there. If `pieces` raises an error, nothing is written."""
        given = pieces if isinstance(pieces, bytes) else Pieces(pieces)
        sizes = {"chunk_size": _CHUNK, "max_concurrency": _CONCURRENT}
        with self._told():
            try:
                self._ask(lambda: self._obstore.put(self._store, name, given, **sizes))
            except BaseException:
                if isinstance(given, Pieces):
                    given.stop()
                raise

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless one of that name is there already; return whether it was not."""
        with self._told():
            try:
                self._ask(lambda: self._obstore.put(self._store, name, content, mode="create"))
            except (self._errors.AlreadyExistsError, self._errors.PreconditionError):
                return False
        return True

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield all objects below the folder `prefix`, in no order."""
        with self._told():
            chunks = iter(self._obstore.list(self._store, f"{prefix}/"))
            while (chunk := self._ask(lambda: next(chunks, None))) is not None:
                yield from map(_stored, chunk)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._told():
            try:
                self._ask(lambda: self._obstore.delete(self._store, name))
            except FileNotFoundError:
                return

    def clear(self, before: datetime) -> None:
        """Remove what writers that were killed have left in a folder before a moment: obstore names it `NAME#N`."""
        folder = self._folder
        for path in folder.rglob("*#*") if folder is not None else ():
            with suppress(FileNotFoundError):
                if _LEFT.fullmatch(path.name) and path.is_file() and moment_of(path.stat().st_mtime) < before:
                    path.unlink()

    def require_conditions(self) -> None:
        """Raise TargetError unless an object can be created only where none is: workers rely on that alone."""
        name = f"probe-{uuid4().hex}"
        created = self.create(name, b"first")
        is_honoured = created and not self.create(name, b"second") and self.get(name, 16) == b"first"
        self.delete(name)
        if not is_honoured:
            raise TargetError(
                f"{self.where}: this storage ignores the condition of a write (If-None-Match), by which workers avoid "
                "overwriting each other: use storage that honours it, such as AWS S3, MinIO or a folder"
            )

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Return what a `call` of the client returns, which waits for as long as the storage is silent."""
        return call() if self._folder is not None else answer_of(call)

    def _require_file(self, name: str) -> None:
        """Raise SourceError for what lies in a folder and is neither file nor folder: the client would wait for a pipe
        for ever.
        """
        with suppress(OSError):
            if self._folder is not None:
                mode = (self._folder / name).stat().st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise SourceError(f"{self.where}/{name}: is not a file: remove it")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say what the storage failed at."""
        try:
            yield
        except AirpatchError:
            raise
        except (self._errors.PermissionDeniedError, self._errors.UnauthenticatedError) as error:
            raise TargetError(f"{self.where}: the storage denies access: {_brief(error)}") from None
        except FileNotFoundError:
            raise TargetError(f"{self.where}: there is no such bucket or folder; make it first") from None
        except (self._errors.BaseError, OSError, ValueError) as error:
            raise TargetError(f"{self.where}: the storage cannot be used: {_brief(error)}") from None


class _ObjectReader:
    """Reads an object, and ahead where it is read from front to back."""

    def __init__(self, objects: Objects, name: str, size: int) -> None:
        self._objects = objects
        self._name = name
        self._size = size
        self._start = 0
        self._kept = memoryview(b"")
        self._ahead = _LEAST_AHEAD

    def read_into(self, view: memoryview, offset: int) -> None:
        while view:
            if not self._start <= offset < self._start + len(self._kept):
                follows = offset == self._start + len(self._kept)
                self._ahead = min(2 * self._ahead, _MOST_AHEAD) if follows else _LEAST_AHEAD
                length = min(max(len(view), self._ahead), self._size - offset)
                self._kept = self._objects.range(self._name, offset, length)
                self._start = offset
            part = self._kept[offset - self._start :][: len(view)]
            view[: len(part)] = part
            view, offset = view[len(part) :], offset + len(part)

    def close(self) -> None:
        self._kept = memoryview(b"")


def moment_of(seconds: float) -> datetime:
    """Return the moment so many seconds after 1970; the first or last one there is, where a file's time is beyond."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)


def _stored(meta: Mapping[str, object]) -> StoredObject:
    name, size, time = meta["path"], meta["size"], meta["last_modified"]
    if not isinstance(name, str) or not isinstance(size, int) or not isinstance(time, datetime):
        raise TypeError("obstore describes an object in a way that is not its own")
    return StoredObject(name, size, time)


def _require_credentials(where: str) -> None:
    """Raise TargetError if nothing can give credentials: the client would go on asking for minutes."""
    if not any(name in os.environ for name in _CREDENTIALS):
        try:
            socket.create_connection(_METADATA, timeout=1).close()
        except OSError:
            raise TargetError(f"{where}: {_NO_CREDENTIALS}") from None


def _brief(error: Exception) -> str:
    """Return the first line of what a client says, whose others are its innards, without those in it."""
    if _METADATA[0] in str(error):
        return _NO_CREDENTIALS
    return _INNARDS.sub("", (str(error).splitlines() or [type(error).__name__])[0])[:300]
