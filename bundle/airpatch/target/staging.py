"""What bundles bring, in files in staging; and the blobs that layer patches make there out of them and of the root's.

Files are made on the calling thread and on those that rebuild blobs; a lock keeps them apart, since a root is not for
use by two threads at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from airpatch import limits
from airpatch.blobs.content import FileBlob, missing
from airpatch.blobs.output import write_error
from airpatch.blobs.receiver import Discard, Receiver
from airpatch.errors import TargetError
from airpatch.execution import Execution
from airpatch.format import registry
from airpatch.format.index import Index, Step
from airpatch.format.layout import Member
from airpatch.linux import start_writeback
from airpatch.model.digest import Digest
from airpatch.target import check
from airpatch.target.state import State


class Staging:
    """`paths` has the files of blobs, signatures and layer patches by digest; `present` is what the root has."""

    def __init__(self, state: State, present: Iterable[Digest]) -> None:
        self.paths: dict[Digest, str] = {}
        self._state = state
        self._root = state.root
        self._present = frozenset(present)
        self._open: set[_StagedFile] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        for file in list(self._open):
            file.close()

    def accept(self, member: Member) -> Receiver | None:
        """Return a file for a member that the root does not have, or whose blob it does not have; all others are
        hashed.
        """
        digest = member.digest
        makes = member.step.digest if member.step is not None else digest
        if digest is None:
            return None
        if digest in self.paths or makes in self._present:
            return Discard()
        file = self._create()
        self.paths[digest] = file.path
        return file

    def rebuild(self, index: Index, steps: list[Step], execution: Execution) -> None:
        """Carry out `steps` of `index`. Raises as `rebuild_blobs` does."""
        from airpatch.layers.rebuild import rebuild_blobs  # full bundles have no steps, and this loads every encoder

        def output(step: Step) -> _StagedFile:
            file = self._create()
            file.completed = lambda: self.paths.__setitem__(step.digest, file.path)
            return file

        rebuild_blobs(index, steps, self, output, replace(execution.task(), scratch=self.new_file))

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest of a release: out of staging, where it was verified, or from the root."""
        if digest in self.paths:
            content = self._root.read(self.paths[digest], limits.MANIFEST.value)
            if content is not None:
                return content
        return check.read_manifest(self._root, digest)

    # As a `Content`, for rebuilding

    def size(self, digest: Digest) -> int | None:
        with self._lock:
            return self._root.size(self._path(digest))

    def open(self, digest: Digest, size: int) -> FileBlob:
        path = self._path(digest)
        with self._lock:
            try:
                fd = self._root.open(path)
            except FileNotFoundError:
                raise missing(digest, str(self._root.path)) from None
        return FileBlob(fd, str(self._root.path / path), size, TargetError)

    def new_file(self) -> int:
        """Return an empty file without a name, for uncompressed layers."""
        with self._lock:
            path = self._state.staged()
            fd = self._root.create(path)
            self._root.unlink(path)
        return fd

    def _path(self, digest: Digest) -> str:
        return self.paths.get(digest) or registry.blob_path(digest)

    def _create(self) -> _StagedFile:
        with self._lock:
            path = self._state.staged()
            file = _StagedFile(self._root.create(path), path, str(self._root.path / path), self._open.discard)
            self._open.add(file)
        return file


class _StagedFile:
    """A receiver that writes a file. Whoever feeds it takes care that it gets no more than its member's size."""

    def __init__(self, fd: int, path: str, name: str, closed: Callable[[_StagedFile], None]) -> None:
        self.path = path
        self.completed: Callable[[], None] = lambda: None
        self._fd = fd
        self._name = name
        self._closed = closed
        self._size = 0

    def write(self, piece: memoryview) -> None:
        try:
            while piece:
                written = os.write(self._fd, piece)
                start_writeback(self._fd, self._size, written)
                self._size += written
                piece = piece[written:]
        except OSError as error:
            raise write_error(self._name, error) from None

    def complete(self) -> None:
        self.close()
        self.completed()

    def close(self) -> None:
        self._closed(self)
        try:
            os.close(self._fd)
        except OSError as error:
            raise write_error(self._name, error) from None
