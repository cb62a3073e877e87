"""A repository that is no registry."""

from __future__ import annotations

from collections import Counter

from airpatch.blobs.content import Content, read_blob
from airpatch.errors import TargetError
from airpatch.model.digest import Digest
from airpatch.registry_api.access import RegistryAccess
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.pulling import BlobSink, Repository
from airpatch.registry_api.transport import Transport


class Store(Repository):
    """A repository that gives what `content` has, and counts how often; what is `lost` cannot be had."""

    def __init__(self, content: Content, lost: Digest | None = None) -> None:
        self.transport = Transport(RegistryPlace("127.0.0.1", ""), RegistryAccess(), TargetError)
        self.given: Counter[Digest] = Counter()
        self._content = content
        self._lost = lost

    def download(self, digest: Digest, size: int, sink: BlobSink) -> None:
        if digest == self._lost:
            raise TargetError("the line is dead")
        self.given[digest] += 1
        sink.write(read_blob(self._content, digest, size))
