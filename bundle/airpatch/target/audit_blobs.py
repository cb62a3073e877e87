"""The blobs of a root: each has the digest that it is named after, and manifests are read once for all who ask."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future

from airpatch.errors import AirpatchError, FormatError
from airpatch.format import registry
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Release
from airpatch.model.walk import complete
from airpatch.progress import ProgressPart
from airpatch.target.audit_report import AuditReport
from airpatch.target.check import hash_file
from airpatch.target.storage import MANIFEST_LIMIT

_HASHING_AT_ONCE = 16


class AuditedBlobs:
    """`sizes` has the blobs that are there, `wrong` those of them with other content.

    `unknown` are revisions that were asked for as manifests, and are of no type that airpatch knows.
    """

    def __init__(self, report: AuditReport) -> None:
        self.sizes: dict[Digest, int] = {}
        self.wrong: set[Digest] = set()
        self.unknown: set[Digest] = set()
        self._report = report
        self._root = report.root
        self._manifests: dict[Digest, Manifest | None] = {}

    def list_blobs(self) -> None:
        """Find the blobs that are there."""
        for algorithm in self._report.folders(registry.BLOBS, ("sha256",)):
            for prefix in self._report.folders(f"{registry.BLOBS}/{algorithm}"):
                folder = f"{registry.BLOBS}/{algorithm}/{prefix}"
                for name in self._report.folders(folder):
                    self._list_blob(f"{folder}/{name}")

    def _list_blob(self, folder: str) -> None:
        path = f"{folder}/data"
        match = registry.BLOB_PATH.fullmatch(path)
        if match is None:
            self._report.misplaced(folder)
            return
        self._report.names(folder, ("data",))
        with self._report.noting():
            size = self._root.size(path)
            if size is None:
                self._report.remark(path, "is missing; a garbage collection may have left this folder behind")
            else:
                self.sizes[Digest.from_hex(match[2])] = size

    def hash_blobs(self, pool: Executor, part: ProgressPart) -> None:
        """Hash what was found."""
        under_way: deque[tuple[Digest, Future[bytes]]] = deque()

        def hash_one(digest: Digest, fd: int, path: str) -> bytes:
            with part.share(self.sizes[digest], digest) as share:
                return hash_file(fd, str(self._root.path / path), share.advance)

        for digest in self.sizes:
            path = registry.blob_path(digest)
            try:
                fd = self._root.open(path)
            except FileNotFoundError:
                self._report.remark(path, "was removed during the check")
                part.advance(self.sizes[digest], digest)
                continue
            except AirpatchError as error:
                self._report.obstacles.append(str(error))
                part.advance(self.sizes[digest], digest)
                continue
            under_way.append((digest, pool.submit(hash_one, digest, fd, path)))
            if len(under_way) >= _HASHING_AT_ONCE:
                self._finish_blob(*under_way.popleft())
        while under_way:
            self._finish_blob(*under_way.popleft())

    def _finish_blob(self, digest: Digest, future: Future[bytes]) -> None:
        with self._report.noting():
            actual = future.result()
            if actual != digest.raw:
                self.wrong.add(digest)
                self._report.find(registry.blob_path(digest), f"content has the digest sha256:{actual.hex()}")

    def manifest(self, digest: Digest) -> Manifest | None:
        """Return the manifest of a revision; None if there is none of a type that airpatch knows."""
        if digest not in self._manifests:
            self._manifests[digest] = None
            path = registry.blob_path(digest)
            with self._report.noting():
                content = self._root.read(path, MANIFEST_LIMIT)
                if content is None:
                    self._report.remark(path, "is missing, and is a revision")
                elif digest not in self.wrong:
                    try:
                        self._manifests[digest] = parse_manifest(content)
                    except FormatError:
                        self.unknown.add(digest)
        return self._manifests[digest]

    def manifests_of(self, release: Release) -> dict[Digest, Manifest]:
        """Return the manifests of `release` that are right, with all below them."""

        def read(digest: Digest) -> Manifest | None:
            return self.manifest(digest) if digest in self.sizes and digest not in self.wrong else None

        return complete((blob.digest for blob in release.blobs if blob.is_manifest), read)
