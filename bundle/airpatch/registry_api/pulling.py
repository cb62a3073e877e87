"""The part of the distribution API that reads: manifests, blobs, tags, referrers (distribution-spec, Pull, Content
Discovery).

Every digest is checked here, whatever the registry claims in its headers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol, TypeVar
from urllib.parse import quote

from airpatch import limits
from airpatch.errors import FormatError, IntegrityError
from airpatch.model.digest import Digest
from airpatch.model.manifest import MANIFEST_TYPES
from airpatch.model.names import is_tag
from airpatch.registry_api.answer import Answer, Interrupted, decimal
from airpatch.registry_api.transport import Patience, Transport

_ACCEPT = {"Accept": ", ".join(sorted(MANIFEST_TYPES))}
_PIECE = 1 << 20
_MOST_WRONG = 3
"""How often content is asked for again that came whole and with other bytes than it should have."""
_MAX_LIST = 16 << 20
"""Bytes of a page of a list."""
_MOST_PAGES = 10_000
_T = TypeVar("_T")
_NOT_THERE = (400, 404, 405, 501)
"""How registries answer to what they do not have, or do not know of."""
_DIGEST_HEADER = "Docker-Content-Digest"


class BlobSink(Protocol):
    """Receives the bytes of a blob, in order; some may already be there."""

    @property
    def size(self) -> int:
        """Bytes that are there."""

    def write(self, piece: bytes) -> None: ...

    def resume(self) -> None:
        """Note that what is not there is asked for. May raise CancelledError."""

    def restart(self) -> None:
        """Discard all bytes: they are wrong."""

    def digest(self) -> Digest:
        """Return the digest of the bytes that are there."""


class Wrong(Exception):
    """Content arrived that is not what was asked for; it may have been damaged in transit."""


class Repository:
    """The repository `path` of a registry. Raises what the transport does, naming the place."""

    def __init__(self, transport: Transport, path: str) -> None:
        self.transport = transport
        self.path = path
        self.where = f"{transport.place.host}/{path}"
        self.scope = f"repository:{path}:pull"

    def find_manifest(self, reference: str) -> bytes | None:
        """Return the manifest that `reference`, a tag or a digest, means; None if there is none of that name.

        Raises IntegrityError if its bytes do not have the digest.
        """
        name = f"{self.where}{'@' if ':' in reference else ':'}{reference}"
        expected = Digest.parse(reference) if ":" in reference else None

        def attempt() -> bytes | None:
            with self._get(f"manifests/{reference}", _ACCEPT) as answer:
                if answer.status == 404:
                    return None
                self.require(answer, 200, name)
                try:
                    content = answer.read(limits.MANIFEST.value)
                except ValueError as error:
                    raise self.transport.error(f"{name}: its manifest is {error}") from None
                check = expected or _digest_or_none(answer.headers.get(_DIGEST_HEADER))
                if check is not None and Digest.of(content) != check:
                    raise Wrong(f"the content of manifest {check} has the digest {Digest.of(content)}")
                return content

        return self._checked(attempt, name)

    def head_manifest(self, reference: str) -> Digest | None:
        """Return the digest that the registry says a tag means, or has a manifest of; None if there is none."""
        name = f"{self.where}:{reference}"

        def attempt() -> Digest | None:
            with self._request("HEAD", f"manifests/{reference}", _ACCEPT) as answer:
                if answer.status == 404:
                    return None
                self.require(answer, 200, name)
                return _digest_or_none(answer.headers.get(_DIGEST_HEADER))

        return self.transport.repeat(attempt, name)

    def blob_size(self, digest: Digest, size: int) -> int | None:
        """Return the size of a blob in bytes, None if the repository does not have it; `size` where the
        registry does not say.
        """
        name = f"{self.where}@{digest}"

        def attempt() -> int | None:
            with self._request("HEAD", f"blobs/{digest}", {}, follow=False) as answer:
                if answer.status == 404:
                    return None
                if 300 <= answer.status < 400:  # to where the content is: many stores answer no HEAD
                    return size
                self.require(answer, 200, name)
                length = decimal(answer.headers.get("Content-Length"))
                return size if length is None else length

        return self.transport.repeat(attempt, name)

    def download(self, digest: Digest, size: int, sink: BlobSink) -> None:
        """Download the blob into `sink`. If the connection breaks, the next one fetches the rest.

        Raises IntegrityError if it does not have the digest.
        """
        name = f"{self.where}@{digest}"
        patience = Patience(self.transport, name)
        wrong = 0
        while True:
            try:
                sink.resume()
                self._download_rest(digest, size, sink, name, patience)
                if sink.digest() != digest:
                    raise Wrong(f"content of {digest} has the digest {sink.digest()}")
                return
            except Interrupted as interruption:
                patience.wait(interruption)
            except Wrong as error:
                wrong += 1
                if wrong == _MOST_WRONG:
                    raise IntegrityError(f"{name}: {error}, each of {wrong} times") from None
                sink.restart()

    def _download_rest(self, digest: Digest, size: int, sink: BlobSink, name: str, patience: Patience) -> None:
        if sink.size == size and size:
            return
        headers = {"Range": f"bytes={sink.size}-"} if sink.size else {}
        with self._get(f"blobs/{digest}", headers) as answer:
            if answer.status == 416:
                raise Wrong("the registry has fewer bytes of it than expected")
            if answer.status == 206:
                skipped = 0
                if not answer.headers.get("Content-Range", "").startswith(f"bytes {sink.size}-"):
                    raise Wrong("it sent another range than was requested")
            else:
                self.require(answer, 200, name)
                skipped = sink.size  # by a registry that knows no ranges
            while piece := answer.read_piece(_PIECE):
                if skipped:
                    piece, skipped = piece[skipped:], max(0, skipped - len(piece))
                if sink.size + len(piece) > size:
                    raise Wrong(f"it sent more than its {size} bytes")
                if piece:
                    sink.write(piece)
                    patience.renew()
            if sink.size < size:
                raise Interrupted("the connection ended early")

    def tags(self) -> list[str]:
        """Return all tags (distribution-spec, Listing Tags); none of a repository that is not there."""
        return self._pages("tags/list?n=1000", "tags", _tag_or_none) or []

    def referrers(self, subject: Digest) -> list[Digest] | None:
        """Return the manifests that say they refer to `subject`; None if the registry has no referrers API."""
        return self._pages(f"referrers/{subject}", "manifests", _entry_or_none)

    def _pages(self, path: str, key: str, read: Callable[[object], _T | None]) -> list[_T] | None:
        """Return what `read` makes of the list `key` of all pages of an answer, but None; None if there is nothing at
        `path`.
        """
        entries: list[_T] = []
        following = path
        asked: set[str] = set()
        while following not in asked:
            asked.add(following)
            page = self._page(following, key)
            if page is None:
                return None
            entries += (entry for each in page[0] if (entry := read(each)) is not None)
            if page[1] is None:
                return entries
            if len(entries) > limits.VALUES.value:
                raise self.transport.error(f"{self.where}: has more {key} than {limits.VALUES}")
            if len(asked) >= _MOST_PAGES:
                raise self.transport.error(f"{self.where}: has more than {_MOST_PAGES} pages of {key}")
            following = page[1]
        raise self.transport.error(f"{self.where}: its pages of {key} go round in a circle")

    def _page(self, path: str, key: str) -> tuple[list[object], str | None] | None:
        def attempt() -> tuple[list[object], str | None] | None:
            with self._get(path, {}) as answer:
                if answer.status in _NOT_THERE:
                    return None
                self.require(answer, 200, self.where)
                found = self._json(answer).get(key)
                link = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]
                following = self.transport.place_of(answer, link) if link else None
                return (found if isinstance(found, list) else []), following

        return self.transport.repeat(attempt, f"the {key} of {self.where}")

    def _json(self, answer: Answer) -> dict[str, object]:
        try:
            data = json.loads(answer.read(_MAX_LIST))
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise self.transport.error(f"{self.where}: is not a registry: its answer is not JSON")
        return data

    def _get(self, path: str, headers: dict[str, str]) -> Answer:
        return self._request("GET", path, headers)

    def _request(self, method: str, path: str, headers: dict[str, str], *, follow: bool = True) -> Answer:
        url = path if path.startswith(("/", "http")) else f"/v2/{quote(self.path)}/{path}"
        return self.transport.request(method, url, self.path, self.scope, headers=headers, follow=follow)

    def require(self, answer: Answer, status: int, name: str) -> None:
        if answer.status != status:
            raise self.transport.error(f"{name}: {_meaning(answer)}")

    def _checked(self, attempt: Callable[[], bytes | None], name: str) -> bytes | None:
        for _ in range(_MOST_WRONG):
            try:
                return self.transport.repeat(attempt, name)
            except Wrong as error:
                problem = str(error)
        raise IntegrityError(f"{name}: {problem}, each of {_MOST_WRONG} times")


def _digest_or_none(text: object) -> Digest | None:
    try:
        return Digest.parse(text)
    except FormatError:
        return None


def _tag_or_none(text: object) -> str | None:
    return text if isinstance(text, str) and is_tag(text) else None


def _entry_or_none(entry: object) -> Digest | None:
    return _digest_or_none(entry.get("digest")) if isinstance(entry, dict) else None


def _meaning(answer: Answer) -> str:
    """Return what an error means to a user."""
    message = answer.message()
    if answer.status == 404:
        return f"is not there ({message})"
    if answer.status in (401, 403):
        return f"access is denied ({message}); log in as a user who is allowed to"
    return f"the registry answers {message}"
