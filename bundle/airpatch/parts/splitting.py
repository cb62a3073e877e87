"""Writes the parts of a file. Headers come last, when all sums are known, and names only after them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from airpatch.blobs.byte_source import ByteSource
from airpatch.blobs.output import write_error
from airpatch.errors import SourceError
from airpatch.format.parts import Header, WholeFile, emit_header, header_size
from airpatch.model.digest import Digest
from airpatch.parts.parity import Parity
from airpatch.progress import ProgressPart
from airpatch.worker_pool import worker_pool

_BLOCK = 8 << 20
"""Bytes read and written at a time, at least one chunk of each part."""
_SUFFIX = ".partial"


@dataclass(slots=True)
class _Sums:
    """The hashes of the parts, by number."""

    chunks: dict[int, bytearray] = field(default_factory=dict)

    def add(self, number: int, block: memoryview, chunk: int) -> None:
        """Hash the chunks of `block`, which begins with one."""
        sums = self.chunks.setdefault(number, bytearray())
        for start in range(0, len(block), chunk):
            sums += hashlib.sha256(block[start : start + chunk]).digest()


def write_parts(source: ByteSource, whole: WholeFile, folder: Path, part: ProgressPart) -> tuple[WholeFile, list[Path]]:
    """Write `source`, split as `whole` says, into `folder`; return the whole with its digest, and the files.

    Raises TargetError if they cannot be written, and what reading raises; nothing is left then. UsageError if there is
    to be parity and the extra is missing.
    """
    parity = Parity(whole.data_parts, whole.parity) if whole.parity else None  # before anything is written
    with _temporaries(whole, folder) as paths:
        sums = _Sums()
        digest = _write_data(source, whole, paths, sums, part)
        if parity is not None:
            _write_parity(source, whole, paths, sums, parity, part)
        complete = replace(whole, digest=digest)
        digests = b"".join(hashlib.sha256(sums.chunks.get(n, b"")).digest() for n in range(1, whole.parts + 1))
        for number, path in paths.items():
            chunks = bytes(sums.chunks.get(number, b""))
            header = emit_header(Header(complete, number, chunks, digests if number == 1 else b""))
            _write(path, header, 0, sync=True)
        return complete, _named(complete, folder, paths)


def _write_data(
    source: ByteSource, whole: WholeFile, paths: dict[int, Path], sums: _Sums, part: ProgressPart
) -> Digest:
    """Write the payloads of the data parts; return the sha256 of all of `source`."""
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    with worker_pool(1) as pool:
        for number in range(1, whole.data_parts + 1):
            start, size = (number - 1) * whole.part_size, whole.payload(number)
            begin = header_size(whole, number)
            for offset in range(0, size, _BLOCK):
                view = buffer[: min(_BLOCK, size - offset)]
                source.read_into(view, start + offset)
                hashed = pool.submit(sha256.update, view)  # while the chunks are hashed here
                sums.add(number, view, whole.chunk)
                _write(paths[number], view, begin + offset)
                hashed.result()
                part.advance(len(view))
    return Digest(sha256.digest())


def _write_parity(
    source: ByteSource, whole: WholeFile, paths: dict[int, Path], sums: _Sums, parity: Parity, part: ProgressPart
) -> None:
    """Write the payloads of the parity parts: of each stretch of chunks, what lies in all data parts at that place."""
    stretch = max(1, _BLOCK // (whole.chunk * whole.data_parts)) * whole.chunk
    length = whole.chunks(1) * whole.chunk
    begin = header_size(whole, whole.data_parts + 1)
    for offset in range(0, length, stretch):
        size = min(stretch, length - offset)
        columns = bytearray(size * whole.data_parts)
        view = memoryview(columns)
        read = 0
        for number in range(1, whole.data_parts + 1):
            there = min(size, max(0, whole.payload(number) - offset))
            column = view[(number - 1) * size : (number - 1) * size + there]
            source.read_into(column, (number - 1) * whole.part_size + offset)
            read += there
        for number, fragment in enumerate(parity.encode(columns, size), whole.data_parts + 1):
            sums.add(number, fragment, whole.chunk)
            _write(paths[number], fragment, begin + offset)
        part.advance(read)


@contextmanager
def _temporaries(whole: WholeFile, folder: Path) -> Iterator[dict[int, Path]]:
    """Where the parts are written until they are complete; whatever is left there is removed."""
    paths = {n: folder / f".{whole.part_name(n)}{_SUFFIX}" for n in range(1, whole.parts + 1)}
    try:
        for number, path in paths.items():
            _create(path, number, whole)
        yield paths
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def _create(path: Path, number: int, whole: WholeFile) -> None:
    """Make the file of a part in its size, so that a full disk is known at once."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            size = header_size(whole, number) + whole.payload(number)
            try:
                os.posix_fallocate(fd, 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
        finally:
            os.close(fd)
    except OSError as error:
        raise write_error(str(path), error) from None


def _write(path: Path, content: bytes | memoryview, position: int, *, sync: bool = False) -> None:
    view = memoryview(content)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            while view:
                count = os.pwrite(fd, view, position)
                view, position = view[count:], position + count
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise write_error(str(path), error) from None


def _named(whole: WholeFile, folder: Path, paths: dict[int, Path]) -> list[Path]:
    """Give the files their names, all of them or none."""
    named: list[Path] = []
    try:
        for number, path in paths.items():
            named.append(folder / whole.part_name(number))
            path.rename(named[-1])
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        for path in named:
            path.unlink(missing_ok=True)
        raise write_error(str(folder), error) from None
    return named


def require_unchanged(source: ByteSource, before: os.stat_result, after: os.stat_result) -> None:
    """Raise SourceError if the file of `source` was written to while it was read."""
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise SourceError(f"{source.name}: changed while it was being split; split it again")
