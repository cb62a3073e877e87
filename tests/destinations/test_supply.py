"""Blobs of sources on their way into a registry."""

from __future__ import annotations

import pytest

from airpatch.blobs.content import Content, read_blob
from airpatch.destinations.supply import GatheredSupply
from airpatch.model.digest import Digest
from airpatch.sources.gather import Gathered, gather
from tests.sources.sample_sources import IMAGES
from tests.support import execution


def test_sources_give_the_largest_blobs_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Digest] = []
    monkeypatch.setattr(Gathered, "fetch", lambda _self, digests, _execution: fetched.extend(digests))
    gathered = gather([str(IMAGES)])
    wanted = {blob.digest: blob.size for blob in gathered.release.blobs if not blob.is_manifest}
    supply = GatheredSupply(gathered)
    assert supply.prepare(wanted, execution()) == 0
    assert set(fetched) == wanted.keys()
    given: list[Digest] = []

    def take(digest: Digest, content: Content, taken: object) -> None:
        read_blob(content, digest, wanted[digest])
        given.append(digest)
        assert callable(taken)
        taken()

    supply.give(take, execution())
    assert set(given) == wanted.keys()
    assert [wanted[digest] for digest in given] == sorted(wanted.values(), reverse=True)
