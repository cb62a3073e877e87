"""Blobs of a registry that come while a bundle is written."""

from __future__ import annotations

import os

import pytest

import airpatch
from airpatch.blobs.content import BlobReader, Content, read_blob
from airpatch.errors import SourceError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from airpatch.sources.arriving import ArrivingBlobs
from tests.layers.support import Blobs, by_digest
from tests.registry_api.store import Store
from tests.support import Recorder

CONTENTS = [os.urandom(100 + number) for number in range(20)]
ORDER = [Digest.of(content) for content in CONTENTS]


def remote(store: Store, digests: list[Digest], held: Content) -> RemoteBlobs:
    blobs = RemoteBlobs(lambda: os.memfd_create("arriving"), None, "registry", 3)
    blobs.known = {digest: RemoteBlob(store, held.size(digest) or 0) for digest in digests}
    return blobs


def test_blobs_are_read_in_order_and_given_up() -> None:
    """Some of them are here."""
    held = Blobs(by_digest(*CONTENTS))
    store = Store(held)
    blobs = remote(store, ORDER[::2], held)
    arriving = ArrivingBlobs(_Both(blobs, held), dict.fromkeys(ORDER[::2], blobs), ORDER)
    assert arriving.size == sum(map(len, CONTENTS[::2]))
    progress = Recorder()
    execution = Execution(progress=progress)
    with execution.part("reading", arriving.size) as part, arriving.content(part, execution.cancellation) as content:
        for digest, expected in zip(ORDER, CONTENTS, strict=True):
            assert content.size(digest) == len(expected)
            assert read_blob(content, digest, len(expected)) == expected
            assert digest not in blobs._fetched
    assert store.given == dict.fromkeys(ORDER[::2], 1)
    assert progress.adds_up


class _Both:
    def __init__(self, blobs: RemoteBlobs, held: Content) -> None:
        self._blobs = blobs
        self._held = held

    def size(self, digest: Digest) -> int | None:
        return self._held.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        return (self._blobs if digest in self._blobs.known else self._held).open(digest, size)


def test_what_cannot_be_fetched_is_what_is_said() -> None:
    held = Blobs(by_digest(*CONTENTS))
    blobs = remote(Store(held, lost=ORDER[5]), ORDER, held)
    arriving = ArrivingBlobs(blobs, dict.fromkeys(ORDER, blobs), ORDER)

    def read_all() -> None:
        with arriving.content(ProgressPart(), Execution().cancellation) as content:
            for digest, expected in zip(ORDER, CONTENTS, strict=True):
                try:
                    read_blob(content, digest, len(expected))
                except airpatch.TargetError:
                    raise SourceError("something is missing") from None

    with pytest.raises(airpatch.TargetError, match="the line is dead"):
        read_all()
