"""An empty registry, and images that are pushed to it by plain HTTP: what tests need and no tool makes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX, OCI_MANIFEST
from tests.registry_api.registries import registry


class Pushed:
    """A registry of its own, at `host`. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._sizes: dict[Digest, int] = {}
        self.host = ""

    def __enter__(self) -> Self:
        self.host = self._stack.enter_context(registry(self._folder / "pushed", self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def image(self, repository: str, tag: str | None, layer: bytes, subject: Digest | None = None) -> Digest:
        """An image with one layer; without a tag it is known by its digest."""
        blobs = [self._blob(repository, content) for content in (b"{}", layer)]
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blobs[0]},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blobs[1]}],
        }
        if subject is not None:
            document["subject"] = self._descriptor(subject, OCI_MANIFEST)
        return self._manifest(repository, tag, OCI_MANIFEST, document)

    def index(self, repository: str, tag: str | None, children: Sequence[Digest]) -> Digest:
        entries = [self._descriptor(child, OCI_MANIFEST) for child in children]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return self._manifest(repository, tag, OCI_INDEX, document)

    def _descriptor(self, digest: Digest, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": str(digest), "size": self._sizes[digest]}

    def _manifest(self, repository: str, tag: str | None, media_type: str, document: dict[str, object]) -> Digest:
        content = json.dumps(document).encode()
        digest = Digest.of(content)
        self._sizes[digest] = len(content)
        headers = {"Content-Type": media_type}
        self._request("PUT", f"/v2/{repository}/manifests/{tag or digest}", content, headers, 201)
        return digest

    def _blob(self, repository: str, content: bytes) -> dict[str, object]:
        digest = Digest.of(content)
        place = self._request("POST", f"/v2/{repository}/blobs/uploads/", b"", {}, 202)
        joint = "&" if "?" in place else "?"
        headers = {"Content-Type": "application/octet-stream"}
        self._request("PUT", f"{place}{joint}digest={digest}", content, headers, 201)
        return {"digest": str(digest), "size": len(content)}

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str], status: int) -> str:
        connection = http.client.HTTPConnection(self.host)
        try:
            connection.request(method, path.removeprefix(f"http://{self.host}"), body, headers)
            response = connection.getresponse()
            said = response.read()
            if response.status != status:
                raise RuntimeError(f"{method} {path}: {response.status} {said!r}")
            return response.headers.get("Location", "")
        finally:
            connection.close()
