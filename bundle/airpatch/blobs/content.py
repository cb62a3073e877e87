"""Where bytes come from: blobs by digest, read in pieces at any offset.

Sources, bundles and registry roots all give a `Content`; writer, restorer and verifier take one. The
reader of a blob hashes it: a `Content` promises the right size, never the right bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from airpatch.errors import AirpatchError, IntegrityError, SourceError
from airpatch.linux import close_read
from airpatch.model.digest import Digest

PIECE = 1 << 20
"""Bytes read at a time where nothing else asks for a size."""


class BlobReader(Protocol):
    """An open blob. Not for use by two threads at once."""

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the blob's bytes from `offset`. Raises an AirpatchError if they cannot be read."""

    def close(self) -> None: ...


class Content(Protocol):
    """A set of blobs. May be used by many threads."""

    def size(self, digest: Digest) -> int | None:
        """Return the blob's size in bytes, None if it is not there."""

    def open(self, digest: Digest, size: int) -> BlobReader:
        """Return a reader of the blob of `size` bytes. Raises SourceError if it is not there in that size."""


def missing(digest: Digest, where: str) -> SourceError:
    """Return the error for a blob that `where` does not have."""
    return SourceError(f"{digest} is not in {where}")


def require(found: int | None, digest: Digest, size: int, where: str) -> None:
    """Raise SourceError unless a blob that `where` has in `found` bytes (None: not at all) is of `size` bytes."""
    if found is None:
        raise missing(digest, where)
    if found != size:
        raise SourceError(f"{digest} has {found} bytes in {where}, not {size}")


class ChainedContent:
    """Several contents as one: each blob comes from the first that has it in the requested size."""

    def __init__(self, contents: Sequence[Content]) -> None:
        self._contents = contents

    def size(self, digest: Digest) -> int | None:
        return next((size for each in self._contents if (size := each.size(digest)) is not None), None)

    def open(self, digest: Digest, size: int) -> BlobReader:
        for content in self._contents:
            if content.size(digest) == size:
                return content.open(digest, size)
        require(self.size(digest), digest, size, "any source")
        raise missing(digest, "any source")  # since it changed meanwhile


class FileBlob:
    """The open regular file `fd`, which it owns, as a blob of `size` bytes.

    `name` is for errors. Raises SourceError unless the file is regular and of that size; a failure to read it later is
    an `error`, which says whose file it is.
    """

    def __init__(self, fd: int, name: str, size: int, error: type[AirpatchError]) -> None:
        self.fd = fd
        self._name = name
        self._error = error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            close_read(fd)
            kind = f"has {status.st_size} bytes, not {size}" if stat.S_ISREG(status.st_mode) else "is not a file"
            raise SourceError(f"{name}: {kind}")

    def read_into(self, view: memoryview, offset: int) -> None:
        while view:
            try:
                count = os.preadv(self.fd, [view], offset)
            except OSError as cause:
                raise self._error(f"{self._name}: cannot be read: {cause.strerror}") from None
            if not count:
                raise self._error(f"{self._name}: shrank while it was being read")
            view, offset = view[count:], offset + count

    def close(self) -> None:
        close_read(self.fd)


class BytesBlob:
    """A blob in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read_into(self, view: memoryview, offset: int) -> None:
        view[:] = self._content[offset : offset + len(view)]

    def close(self) -> None:
        """Do nothing: nothing is held open."""


class BytesContent:
    """Blobs in memory: `known` by digest."""

    def __init__(self, known: Mapping[Digest, bytes]) -> None:
        self._known = known

    def size(self, digest: Digest) -> int | None:
        content = self._known.get(digest)
        return None if content is None else len(content)

    def open(self, digest: Digest, size: int) -> BlobReader:
        require(self.size(digest), digest, size, "what is in memory")
        return BytesBlob(self._known[digest])


class SectionReader:
    """Reads `size` bytes of an open blob from `start` on, from front to back."""

    def __init__(self, blob: BlobReader, start: int, size: int) -> None:
        self._blob = blob
        self._position = start
        self._left = size

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none only at the end. Raises what the blob raises."""
        buffer = bytearray(min(size, self._left))
        if buffer:
            self._blob.read_into(memoryview(buffer), self._position)
        self._position += len(buffer)
        self._left -= len(buffer)
        return bytes(buffer)


def pieces(reader: BlobReader, size: int) -> Iterator[memoryview]:
    """Yield the blob's `size` bytes in order; each piece is valid until the next is asked for."""
    buffer = memoryview(bytearray(min(PIECE, size)))
    for offset in range(0, size, PIECE):
        view = buffer[: min(PIECE, size - offset)]
        reader.read_into(view, offset)
        yield view


def read_blob(content: Content, digest: Digest, size: int) -> bytes:
    """Return a small blob, whole and verified. Raises IntegrityError if its bytes do not have the digest."""
    with closing(content.open(digest, size)) as reader:
        buffer = bytearray(size)
        reader.read_into(memoryview(buffer), 0)
    check_digest(hashlib.sha256(buffer).digest(), digest)
    return bytes(buffer)


def check_blob(
    content: Content, digest: Digest, size: int, advance: Callable[[int], None] = lambda _size: None
) -> None:
    """Read a blob and raise an AirpatchError unless its bytes have the digest; `advance` receives how many are read."""
    hash_ = hashlib.sha256()
    with closing(content.open(digest, size)) as reader:
        for piece in pieces(reader, size):
            hash_.update(piece)
            advance(len(piece))
    check_digest(hash_.digest(), digest)


def check_digest(actual: bytes, expected: Digest) -> None:
    """Raise IntegrityError unless the sha256 `actual` is `expected`."""
    if actual != expected.raw:
        raise IntegrityError(f"content of {expected} has the digest sha256:{actual.hex()}")
