"""What a root has of a bundle's blobs, and whether the bundle may be applied to it. Reads only.

A blob that the bundle brings and the root has already is hashed: right, it need not be written; wrong, it will be
healed. A blob that the bundle leaves out must be there in its size; `deep` hashes those, too.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from bundle.archive.writer import Progress, no_progress
from bundle.errors import BaseMismatch, IntegrityError, TargetError, TrustError
from bundle.format import registry
from bundle.format.index import Index
from bundle.model.digest import Digest
from bundle.model.manifest import MAX_MANIFEST
from bundle.model.release import Blob, Release
from bundle.target.root import Root

_PIECE = 1 << 20
_HASHING_AT_ONCE = 16
_FILE_COST = 4096
"""Bytes that a small file takes on common file systems."""


@dataclass(slots=True)
class Holdings:
    """What a root has of the blobs of the bundle that `index` describes."""

    index: Index
    present: set[Digest] = field(default_factory=set)
    """There, in size and, where it was asked for, in content."""
    wrong: set[Digest] = field(default_factory=set)
    """There with other bytes or another size."""
    missing: list[Blob] = field(default_factory=list)
    """Left out of the bundle and not there, or not right, and not coming with another one either."""

    @property
    def to_write(self) -> tuple[Blob, ...]:
        return tuple(blob for blob in self.index.stored if blob.digest not in self.present)


def examine(
    root: Root | None,
    index: Index,
    coming: Iterable[Digest],
    pool: Executor,
    *,
    deep: bool = False,
    progress: Progress = no_progress,
) -> Holdings:
    """What `root` has (None: it does not exist yet). The blobs of `coming` will be in staging."""
    holdings = Holdings(index)
    coming = frozenset(coming)
    to_hash: list[Blob] = []
    for blob, is_left_out in [*((b, False) for b in index.stored), *((b, True) for b in index.left_out)]:
        size = root.size(registry.blob_path(blob.digest)) if root is not None else None
        if size is not None and size != blob.size:
            holdings.wrong.add(blob.digest)
        elif size is not None and (deep or not is_left_out or blob.is_manifest):
            to_hash.append(blob)
        elif size is not None:
            holdings.present.add(blob.digest)
    if root is not None:
        for blob, right in hash_blobs(root, to_hash, pool, progress):
            (holdings.present if right else holdings.wrong).add(blob.digest)
    holdings.missing = [b for b in index.left_out if b.digest not in holdings.present | coming]
    return holdings


def hash_blobs(
    root: Root, blobs: Iterable[Blob], pool: Executor, progress: Progress = no_progress
) -> Iterator[tuple[Blob, bool]]:
    """For each blob of `root`, whether its file has its digest."""
    under_way: deque[tuple[Blob, Future[bytes]]] = deque()

    def finish() -> tuple[Blob, bool]:
        blob, future = under_way.popleft()
        right = future.result() == blob.digest.raw
        progress(blob.size)
        return blob, right

    for blob in blobs:
        path = registry.blob_path(blob.digest)
        try:
            fd = root.open(path)
        except FileNotFoundError:  # a garbage collection was faster
            yield blob, False
            continue
        under_way.append((blob, pool.submit(hash_file, fd, str(root.path / path))))
        if len(under_way) >= _HASHING_AT_ONCE:
            yield finish()
    while under_way:
        yield finish()


def hash_file(fd: int, name: str) -> bytes:
    """The sha256 of the file behind `fd`, which is closed."""
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    try:
        while count := os.readv(fd, [buffer]):
            hasher.update(buffer[:count])
    except OSError as error:
        raise TargetError(f"{name}: cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    return hasher.digest()


def read_manifest(root: Root, digest: Digest) -> bytes:
    """A manifest that `root` has, verified. Raises BaseMismatch if it is not there, IntegrityError if it is wrong."""
    content = root.read(registry.blob_path(digest), MAX_MANIFEST)
    if content is None:
        raise BaseMismatch(f"{root.path}: manifest {digest} is not there")
    if Digest.of(content) != digest:
        raise IntegrityError(f"{root.path / registry.blob_path(digest)}: content does not have its digest")
    return content


def require_base(plans: Iterable[Holdings], root: Root) -> None:
    """Raise BaseMismatch, listing them, if blobs are missing that bundles leave out."""
    missing = {blob: plan for plan in plans for blob in plan.missing}
    if not missing:
        return
    size = sum(blob.size for blob in missing)
    bases = " or ".join(sorted({base.name for plan in missing.values() for base in plan.index.bases}))
    raise BaseMismatch(
        f"{root.path} lacks {len(missing)} blobs ({size} bytes) that the patch needs; it was made for {bases}. Write a "
        "request with --request FILE, have the sender make a top-up with diff --base FILE, and apply the patch and the "
        "top-up together; or bring a full bundle",
        [
            f"{blob.digest} {blob.size} bytes{' (there, but wrong)' if blob.digest in plan.wrong else ''}"
            for blob, plan in missing.items()
        ],
    )


def require_sequence(index: Index, installed: Iterable[Release], *, allow_downgrade: bool) -> None:
    """Raise TrustError if a newer release of the same repositories is `installed`.

    Only releases that share a repository are compared: a root may hold several products, each with its own numbers.
    """
    repositories = {image.name.repository for image in index.release.images}
    for release in installed:
        newer = release.sequence > index.release.sequence
        if newer and not allow_downgrade and any(image.name.repository in repositories for image in release.images):
            raise TrustError(
                f"release {index.release.name} has sequence number {index.release.sequence}, older than "
                f"{release.sequence} of the installed {release.name}; use --allow-downgrade if that is wanted"
            )


def require_space(root: Root, size: int, files: int) -> None:
    """Raise TargetError if `files` files of `size` bytes together do not fit."""
    free, free_files = root.free_space()
    needed = size + files * _FILE_COST
    if needed > free:
        raise TargetError(f"{root.path}: {needed} bytes are needed and {free} are free; make room and run again")
    if free_files is not None and files > free_files:
        raise TargetError(f"{root.path}: {files} files are needed and the file system has room for {free_files}")
