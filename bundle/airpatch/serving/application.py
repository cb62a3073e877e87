"""The registry as an ASGI application: GET and HEAD of the distribution API; requests that write are answered with 405.

Blobs are sent in pieces, as stored; clients verify their digests. Ranges and conditions are those of RFC
9110 (13.1, 14): one range, and entity tags, which are digests.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, quote

from airpatch.blobs.content import BlobReader
from airpatch.errors import AirpatchError, FormatError
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB, OCI_INDEX
from airpatch.serving.catalog import Catalog, ServedRepository, page
from airpatch.sources.referrers import emit_index_of

_LOG = logger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PIECE = 1 << 20
_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+)")
_TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_MOST_DIGITS = 18
_JSON = "application/json"
_OCTETS = "application/octet-stream"


class Problem(Exception):
    """An error of the API (distribution-spec, Error Codes)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers: dict[str, str] = {}


class RegistryApplication:
    """Answers requests out of `catalog`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = _Answer(scope, send)
        try:
            await self._answer(answer)
        except Problem as problem:
            document = {"errors": [{"code": problem.code, "message": str(problem)}]}
            await answer.whole(
                problem.status, json.dumps(document).encode(), {"content-type": _JSON, **problem.headers}
            )
        _LOG.debug("%s %s: %d", answer.method, answer.path, answer.status)

    async def _answer(self, answer: _Answer) -> None:
        path = answer.path
        if answer.method not in ("GET", "HEAD"):
            if not path.startswith("/v2/"):
                raise Problem(404, "NOT_FOUND", "this server has only /v2/")
            problem = Problem(405, "UNSUPPORTED", "this registry is read-only")
            problem.headers["allow"] = "GET, HEAD"
            raise problem
        if path in ("/v2/", "/v2"):
            await answer.whole(200, b"{}", {"content-type": _JSON})
        elif path == "/v2/_catalog":
            await self._list(answer, "repositories", self._catalog.names, {})
        elif (match := _TAGS.fullmatch(path)) is not None:
            name = match["name"]
            await self._list(answer, "tags", sorted(self._repository(name).tags), {"name": name})
        elif (match := _ROUTE.fullmatch(path)) is not None:
            name, reference = match["name"], match["reference"]
            match match["kind"]:
                case "manifests":
                    await self._manifest(answer, name, reference)
                case "blobs":
                    await self._blob(answer, name, reference)
                case _:
                    await self._referrers(answer, name, reference)
        else:
            raise Problem(404, "NOT_FOUND", "no such place in the API")

    def _repository(self, name: str) -> ServedRepository:
        repository = self._catalog.repositories.get(name)
        if repository is None:
            raise Problem(404, "NAME_UNKNOWN", "no such repository")
        return repository

    async def _manifest(self, answer: _Answer, name: str, reference: str) -> None:
        self._repository(name)
        digest = self._catalog.manifest(name, _digest(reference) if ":" in reference else reference)
        if digest is None:
            raise Problem(404, "MANIFEST_UNKNOWN", "no such manifest")
        manifest = self._catalog.manifests[digest]
        headers = {"content-type": manifest.media_type, "docker-content-digest": str(digest), "etag": f'"{digest}"'}
        if answer.has(f'"{digest}"'):
            await answer.whole(304, b"", headers)
        else:
            await answer.whole(200, manifest.content, headers)

    async def _blob(self, answer: _Answer, name: str, reference: str) -> None:
        digest = _digest(reference)
        size = self._repository(name).blobs.get(digest)
        if size is None:
            raise Problem(404, "BLOB_UNKNOWN", "no such blob")
        tag = f'"{digest}"'
        headers = {
            "content-type": _OCTETS,
            "docker-content-digest": str(digest),
            "etag": tag,
            "accept-ranges": "bytes",
            "cache-control": "max-age=31536000, immutable",
        }
        if answer.has(tag):
            await answer.whole(304, b"", headers)
            return
        start, end = 0, size
        status = 200
        if (chosen := answer.range(size, tag)) is not None:
            if chosen == (0, 0):
                problem = Problem(416, "RANGE_INVALID", f"the blob has {size} bytes")
                problem.headers["content-range"] = f"bytes */{size}"
                raise problem
            start, end = chosen
            status = 206
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        if answer.method == "HEAD":
            await answer.begin(status, headers, end - start)
            await answer.end()
            return
        try:
            reader = await asyncio.to_thread(self._catalog.content.open, digest, size)
        except AirpatchError as error:
            _LOG.warning("blob %s: %s", digest, error)
            raise Problem(500, "UNKNOWN", "the server cannot read the blob") from None
        with closing(reader):
            await answer.begin(status, headers, end - start)
            await answer.pieces(reader, start, end)

    async def _referrers(self, answer: _Answer, name: str, reference: str) -> None:
        subject = _digest(reference)
        found = self._repository(name).referrers.get(subject, {})
        entries = [entry for _, entry in sorted(found.items())]
        headers = {"content-type": OCI_INDEX}
        kinds = answer.query.get("artifactType")
        if kinds:
            entries = [entry for entry in entries if entry.get("artifactType") == kinds[0]]
            headers["oci-filters-applied"] = "artifactType"
        await answer.whole(200, emit_index_of(entries), headers)

    async def _list(self, answer: _Answer, key: str, names: Sequence[str], more: Mapping[str, object]) -> None:
        count = _count(answer.query.get("n"))
        found, is_more = page(names, answer.query.get("last", [""])[0], count)
        headers = {"content-type": _JSON}
        if is_more and found:
            headers["link"] = f'<{quote(answer.path)}?n={count}&last={quote(found[-1])}>; rel="next"'
        await answer.whole(200, json.dumps({**more, key: found}).encode(), headers)


class _Answer:
    """One request, and what is sent for it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        self.status = 0
        self._headers = {name.lower(): value for name, value in scope.get("headers", ())}
        self._send = send

    def header(self, name: str) -> str:
        value: bytes = self._headers.get(name.encode(), b"")
        return value.decode("latin-1")

    def has(self, tag: str) -> bool:
        """Return whether the client has what is asked for (RFC 9110, 13.1.2)."""
        known = self.header("if-none-match")
        return known.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in known.split(",")}

    def range(self, size: int, tag: str) -> tuple[int, int] | None:
        """Return the bytes that are asked for, from the first to one past the last; None for all, (0, 0) for none that
        exist.
        """
        condition = self.header("if-range")
        match = _RANGE.fullmatch(self.header("range").replace(" ", ""))
        if match is None or match[0] == "bytes=-" or (condition and condition != tag):
            return None
        if not match[1]:
            length = _position(match[2])
            return (max(0, size - length), size) if length and size else (0, 0)
        start, end = _position(match[1]), min(_position(match[2]) + 1, size) if match[2] else size
        if match[2] and _position(match[2]) < start:
            return None  # no range at all (14.1.1)
        return (start, end) if start < end else (0, 0)

    async def begin(self, status: int, headers: Mapping[str, str], length: int) -> None:
        self.status = status
        known = {"docker-distribution-api-version": "registry/2.0", **headers}
        if status != 304:
            known["content-length"] = str(length)
        lines = [(name.encode(), value.encode("latin-1")) for name, value in known.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def whole(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        await self.begin(status, headers, len(body))
        await self._send(
            {"type": "http.response.body", "body": b"" if self.method == "HEAD" else body, "more_body": False}
        )

    async def pieces(self, reader: BlobReader, start: int, end: int) -> None:
        """Send bytes of a blob; if that fails, cut the connection, so that nobody takes it for complete."""
        while start < end:
            piece = bytearray(min(_PIECE, end - start))
            try:
                await asyncio.to_thread(reader.read_into, memoryview(piece), start)
            except AirpatchError as error:
                _LOG.warning("%s: %s", self.path, error)
                raise
            start += len(piece)
            await self._send({"type": "http.response.body", "body": bytes(piece), "more_body": start < end})
        if not end:
            await self.end()


def _position(digits: str) -> int:
    """Return the number of a range; of any length, since no blob has more bytes than 18 digits tell."""
    return int(digits) if len(digits) <= _MOST_DIGITS else MAX_BLOB


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except FormatError:
        raise Problem(404 if text.startswith("sha") else 400, "DIGEST_INVALID", "no sha256 digest") from None


def _count(values: Sequence[str] | None) -> int | None:
    if not values:
        return None
    if not values[0].isdecimal() or len(values[0]) > 9:
        raise Problem(400, "PAGINATION_NUMBER_INVALID", "n must be a number")
    return int(values[0])
