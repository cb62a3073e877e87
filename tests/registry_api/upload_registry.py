"""What of a registry takes uploads, as the distribution-spec has it (Pushing a blob in chunks), in memory.

Unlike distribution it can tell what it has after an acknowledgement was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from airpatch.model.digest import Digest
from tests.registry_api.http_server import Reply, Request


def _nothing(_request: Request) -> Reply | None:
    return None


@dataclass
class UploadRegistry:
    """`before` and `after` it acts upon a request, a hook may give another reply, or raise `Cut`."""

    before: Callable[[Request], Reply | None] = _nothing
    after: Callable[[Request], Reply | None] = _nothing
    least_chunk: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: list[bytearray] = field(default_factory=list)
    sent: int = 0
    log: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        self.log.append(f"{request.method} {len(request.body)}")
        self.sent += len(request.body)
        return self.before(request) or self._forward(request)

    def _forward(self, request: Request) -> Reply:
        reply = self._answer(request)
        return self.after(request) or reply

    def _answer(self, request: Request) -> Reply:
        path, _, query = request.path.partition("?")
        if "/uploads/" not in path:
            blob = self.blobs.get(path.rpartition("/")[2])
            return Reply(404) if blob is None else Reply(200, {"Content-Length": str(len(blob))})
        if request.method == "POST":
            self.uploads.append(bytearray())
            return Reply(202, {"OCI-Chunk-Min-Length": str(self.least_chunk), **self._place(len(self.uploads) - 1)})
        number = int(path.rpartition("/")[2])
        upload = self.uploads[number]
        start = request.headers.get("Content-Range", f"{len(upload)}-").partition("-")[0]
        if request.method in ("PATCH", "PUT") and int(start) != len(upload):
            return Reply(416)
        upload += request.body
        if request.method == "PUT":
            digest = query.partition("digest=")[2]
            if digest != str(Digest.of(bytes(upload))):
                return Reply(400)
            self.blobs[digest] = bytes(upload)
            return Reply(201)
        status = 204 if request.method == "GET" else 202
        return Reply(status, {"Range": f"0-{max(0, len(upload) - 1)}", **self._place(number)})

    def _place(self, number: int) -> dict[str, str]:
        return {"Location": f"/v2/big/blobs/uploads/{number}"}
