"""The part of the distribution API that writes: blobs, mounts, manifests (distribution-spec, Push).

A blob goes up in chunks, each of which is acknowledged. Where a connection breaks, the registry is asked what it has,
so that no more than one chunk is sent twice. Whatever the registry answers, a blob is there only once it says so by its
digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing

from airpatch.blobs.content import BlobReader
from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.registry_api.answer import Answer, Interrupted, decimal
from airpatch.registry_api.pulling import Repository
from airpatch.registry_api.transport import Patience, Transport
from airpatch.zeroed_memory import lazy_zeros

_CHUNK = 8 << 20
"""Bytes sent at a time: more than object stores demand of a part (5 MiB), little enough to send twice."""
_MOST_CHUNK = 256 << 20
"""Bytes that a registry may demand of a chunk (`OCI-Chunk-Min-Length`)."""
_OCTETS = {"Content-Type": "application/octet-stream"}
_DIGEST_HEADER = "Docker-Content-Digest"


class _Lost(Exception):
    """The registry no longer knows the upload."""


class WritableRepository(Repository):
    """The repository `path` of a registry, to be written. Raises what the transport does."""

    def __init__(self, transport: Transport, path: str) -> None:
        super().__init__(transport, path)
        self.scope = f"repository:{path}:pull,push"

    def mount(self, digest: Digest, size: int, source: str) -> bool:
        """Mount the blob from the repository `source` of the same registry; return whether that worked."""
        scope = f"{self.scope} repository:{source}:pull"

        def attempt() -> bool:
            path = f"blobs/uploads/?mount={digest}&from={source}"
            with self.write("POST", path, scope=scope) as answer:
                if answer.status == 201:
                    return True
                session = answer.headers.get("Location") if answer.status == 202 else None
                place = self.transport.place_of(answer, session) if session else None
            if place is not None:
                with self.write("DELETE", place):  # the upload that was begun in its place
                    pass
            return False

        try:
            mounted = self.transport.repeat(attempt, f"{self.where}@{digest}")
        except self.transport.error:  # who may push here need not be allowed to pull there
            mounted = False
        return mounted or self.blob_size(digest, size) is not None

    def upload(
        self, digest: Digest, size: int, open_blob: Callable[[], BlobReader], reached: Callable[[int], None]
    ) -> None:
        """Send a blob; `reached` receives how far that is.

        Raises SourceError if what `open_blob` reads does not have the digest.
        """
        with closing(open_blob()) as reader:
            _Upload(self, digest, size, reader, reached).run()

    def put_manifest(self, reference: str, content: bytes, media_type: str) -> None:
        """Put a manifest under a tag or its digest."""
        digest = Digest.of(content)
        name = f"{self.where}{'@' if ':' in reference else ':'}{reference}"

        def attempt() -> None:
            with self.write("PUT", f"manifests/{reference}", {"Content-Type": media_type}, content) as answer:
                self.require(answer, 201, name)
                said = answer.headers.get(_DIGEST_HEADER)
                if said is not None and said != str(digest):
                    found = self.find_manifest(reference)
                    if found != content:
                        raise self.transport.error(f"{name}: the registry keeps it as {said:.80}, not as {digest}")

        self.transport.repeat(attempt, name)

    def write(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | memoryview | None = None,
        scope: str | None = None,
    ) -> Answer:
        url = path if path.startswith(("/", "http")) else f"/v2/{self.path}/{path}"
        return self.transport.request(method, url, self.path, scope or self.scope, headers=headers, body=body)


class _Upload:
    """One blob on its way into `repository`."""

    def __init__(
        self,
        repository: WritableRepository,
        digest: Digest,
        size: int,
        reader: BlobReader,
        reached: Callable[[int], None],
    ) -> None:
        self._repository = repository
        self._digest = digest
        self._size = size
        self._reader = reader
        self._reached = reached
        self._name = f"{repository.where}@{digest}"
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._place: str | None = None
        self._chunk = _CHUNK
        self._buffer = memoryview(b"")

    def run(self) -> None:
        """Send it. Raises what the transport raises."""
        patience = Patience(self._repository.transport, self._name)
        offset = 0
        unsure = False
        while True:
            try:
                if unsure:
                    if self._repository.blob_size(self._digest, self._size) is not None:
                        break  # the answer was lost, and nothing else
                    offset = self._resume(offset)
                    unsure = False
                if self._place is None:
                    self._begin()
                    offset = 0
                while self._size - offset > self._chunk:
                    offset = self._send_chunk(offset)
                    patience.renew()
                    self._reached(offset)
                self._finish(offset)
                break
            except _Lost:
                self._place = None
                patience.wait(Interrupted("the registry has forgotten the upload"))
            except Interrupted as interruption:
                patience.wait(interruption)
                unsure = True
        self._reached(self._size)

    def _begin(self) -> None:
        with self._repository.write("POST", "blobs/uploads/", {"Content-Length": "0"}) as answer:
            self._repository.require(answer, 202, self._name)
            least = decimal(answer.headers.get("OCI-Chunk-Min-Length")) or 0
            self._chunk = max(_CHUNK, min(least, _MOST_CHUNK))
            self._move(answer)

    def _send_chunk(self, offset: int) -> int:
        end = offset + self._chunk
        headers = {**_OCTETS, "Content-Range": f"{offset}-{end - 1}"}
        with self._repository.write("PATCH", self._where(), headers, self._read(offset, end)) as answer:
            if answer.status == 404:
                raise _Lost
            if answer.status == 416:  # it has more or less than we think
                raise Interrupted("the registry expects another part")
            self._repository.require(answer, 202, self._name)
            self._move(answer)
            return end

    def _finish(self, offset: int) -> None:
        """Send the rest, and say what digest the whole has."""
        body = self._read(offset, self._size)
        if self._hashed == self._size and self._hash.digest() != self._digest.raw:
            raise SourceError(f"content of {self._digest} has the digest sha256:{self._hash.hexdigest()}")
        place = self._where()
        place = f"{place}{'&' if '?' in place else '?'}digest={self._digest}"
        headers = {**_OCTETS, "Content-Range": f"{offset}-{self._size - 1}"} if offset and body else _OCTETS
        with self._repository.write("PUT", place, headers, body) as answer:
            if answer.status in (404, 416):
                raise _Lost
            self._repository.require(answer, 201, self._name)

    def _resume(self, offset: int) -> int:
        """Return how many bytes the registry has of the upload (distribution-spec, Pushing a blob in chunks)."""
        if self._place is None:
            return 0
        with self._repository.write("GET", self._place) as answer:
            if answer.status == 204:
                self._move(answer)
                last = decimal(answer.headers.get("Range", "").rpartition("-")[2])
                there = last + 1 if last else 0  # `0-0` is what registries say of an empty upload
                return there if there <= self._size else 0
        self._place = None
        return 0

    def _where(self) -> str:
        if self._place is None:
            raise _Lost
        return self._place

    def _move(self, answer: Answer) -> None:
        """Go on where the registry says."""
        location = answer.headers.get("Location")
        if location:
            self._place = self._repository.transport.place_of(answer, location)
        if self._place is None:
            raise self._repository.transport.error(f"{self._name}: the registry gives no location to upload to")

    def _read(self, start: int, end: int) -> memoryview:
        """Return a part of the blob, in memory that the next one takes, too, and that is gone with the upload."""
        if len(self._buffer) < end - start:
            self._buffer = memoryview(lazy_zeros(end - start))
        body = self._buffer[: end - start]
        if body:
            self._reader.read_into(body, start)
        if start <= self._hashed < end:
            self._hash.update(body[self._hashed - start :])
            self._hashed = end
        return body
