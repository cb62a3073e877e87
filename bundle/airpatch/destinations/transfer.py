"""Brings blobs into the files that need them: each is read once, hashed, and then written, cloned or linked."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from enum import Enum

from airpatch.blobs.content import BlobReader, Content, FileBlob, check_digest, pieces
from airpatch.blobs.output import DescriptorSink, write_error
from airpatch.destinations.destination import Destination
from airpatch.destinations.forms import Wanted
from airpatch.errors import TargetError, UsageError
from airpatch.log import logger
from airpatch.progress import ProgressPart

_LOG = logger(__name__)
_FICLONE = 0x40049409
"""ioctl_ficlone(2)."""
_NO_CLONES = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)


class LinkMode(Enum):
    """How files come out of a root."""

    COPY = "copy"
    """Bytes of their own: people edit these folders."""
    HARD = "hard"
    """The root's own files under a second name; whoever edits one edits the registry."""
    REFLINK = "reflink"
    """Files that share the root's extents until one is changed (Btrfs, XFS)."""


class Transfer:
    """Fetches from `content` into `destination`, telling `part` the bytes. For use by many threads."""

    def __init__(self, content: Content, destination: Destination, link: LinkMode, part: ProgressPart) -> None:
        self._content = content
        self._destination = destination
        self._link = link
        self._part = part

    def fetch(self, blob: Wanted, paths: Sequence[str]) -> None:
        """Make the files `paths` of `blob`.

        Raises IntegrityError if its bytes are wrong, what `content` raises if it cannot be read, TargetError, and
        UsageError where there are no files to link to.
        """
        _LOG.debug("blob %s: fetched, %d bytes; files: %d", blob.digest.short, blob.size, len(paths))
        with closing(self._content.open(blob.digest, blob.size)) as reader:
            if self._link is LinkMode.HARD:
                self._link_all(reader, blob, paths)
                return
            first, *others = paths
            with self._new(first) as file:
                if self._link is LinkMode.REFLINK and isinstance(reader, FileBlob):
                    _clone(reader.fd, file)
                    with closing(FileBlob(os.dup(file.fd), first, blob.size, TargetError)) as clone:
                        self._verify(clone, blob)
                else:
                    self._verify(reader, blob, file)
                for path in others:
                    with self._new(path) as other:
                        if self._link is LinkMode.REFLINK:
                            _clone(file.fd, other)
                        else:
                            _copy(file.fd, other, blob.size)

    def _link_all(self, reader: BlobReader, blob: Wanted, paths: Sequence[str]) -> None:
        if not isinstance(reader, FileBlob):
            raise UsageError("hard links need files to link to, and a bundle has none: restore from a root, or copy")
        self._verify(reader, blob)
        for path in paths:
            self._destination.link(reader.fd, path)

    def _verify(self, reader: BlobReader, blob: Wanted, file: DescriptorSink | None = None) -> None:
        """Hash the blob, and write it to `file` meanwhile."""
        hash_ = hashlib.sha256()
        for piece in pieces(reader, blob.size):
            hash_.update(piece)
            if file is not None:
                file.write([piece])
            self._part.advance(len(piece), blob.digest)
        check_digest(hash_.digest(), blob.digest)

    @contextmanager
    def _new(self, path: str) -> Iterator[DescriptorSink]:
        with self._destination.create(path) as fd:
            yield DescriptorSink(fd, path)


def _clone(source: int, target: DescriptorSink) -> None:
    try:
        fcntl.ioctl(target.fd, _FICLONE, source)
    except OSError as cause:
        if cause.errno in _NO_CLONES:
            raise TargetError(
                "reflinks need source and destination on one file system that knows them, such as Btrfs or "
                "XFS; use --link copy"
            ) from None
        raise write_error(target.name, cause) from None


def _copy(source: int, target: DescriptorSink, size: int) -> None:
    """Copy within the kernel, sharing extents where the file system does."""
    done = 0
    while done < size:
        try:
            count = _copy_some(source, target.fd, size - done, done)
        except OSError as cause:
            raise write_error(target.name, cause) from None
        if not count:
            raise TargetError(f"{target.name}: a file beside it became shorter while it was copied")
        done += count


def _copy_some(source: int, target: int, size: int, offset: int) -> int:
    try:
        if count := os.copy_file_range(source, target, size, offset):
            return count
    except OSError as cause:
        if cause.errno not in (*_NO_CLONES, errno.EPERM):
            raise
    return os.sendfile(target, source, offset, size)
