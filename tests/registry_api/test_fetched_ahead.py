"""Blobs of a registry that are fetched in the order in which they will be read."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from airpatch.blobs.content import read_blob
from airpatch.errors import TargetError
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from airpatch.registry_api.fetched_ahead import FetchedAhead
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from tests.layers.support import Blobs, by_digest
from tests.registry_api.store import Store

CONTENTS = [b"blob %d" % number for number in range(6)]
ORDER = [Digest.of(content) for content in CONTENTS]


def ahead(store: Store, pool: ThreadPoolExecutor) -> FetchedAhead:
    """All but the last two, which are here."""
    blobs = RemoteBlobs(lambda: os.memfd_create("ahead"), None, "registry", 1)
    blobs.known = {digest: RemoteBlob(store, len(CONTENTS[0])) for digest in ORDER}
    return FetchedAhead(blobs, dict.fromkeys(ORDER[:4], blobs), ([digest] for digest in ORDER), pool, ProgressPart())


def test_some_of_the_order_is_fetched_at_a_time() -> None:
    store = Store(Blobs(by_digest(*CONTENTS)))
    with ThreadPoolExecutor(1) as pool:
        content = ahead(store, pool)
        content.move_on(2)
        assert read_blob(content, ORDER[1], 6) == CONTENTS[1]
        assert list(store.given) == ORDER[:2]
        content.move_on()
        assert read_blob(content, ORDER[3], 6) == CONTENTS[3]  # out of turn
        assert list(store.given) == ORDER[:4]
        content.move_on(100)
        assert [content.size(digest) for digest in ORDER] == [6] * 6
    assert store.given == dict.fromkeys(ORDER[:4], 1)


def test_after_a_failure_nothing_more_is_fetched() -> None:
    store = Store(Blobs(by_digest(*CONTENTS)), lost=ORDER[1])
    with ThreadPoolExecutor(1) as pool:
        content = ahead(store, pool)
        content.move_on(4)
        for digest in ORDER[1:4]:
            with pytest.raises(TargetError, match="the line is dead"):
                content.open(digest, 6)
        assert isinstance(content.failure, TargetError)
    assert list(store.given) == ORDER[:1]
