"""What is fetched from a store is verified."""

from __future__ import annotations

from contextlib import closing

import pytest

from airpatch.blobs.content import read_blob
from airpatch.errors import IntegrityError, SourceError
from airpatch.model.digest import Digest
from airpatch.product_line.spooled_blobs import SpooledBlobs
from tests.support import MemoryContent, execution

BLOB = bytes(range(256)) * 9000


def test_blobs_are_fetched_once_and_verified() -> None:
    digest, wrong = Digest.of(BLOB), Digest.of(b"wrong")
    content = MemoryContent({digest: BLOB, wrong: b"other"})
    with closing(SpooledBlobs(content, execution())) as spooled:
        assert spooled.size(digest) is None
        spooled.fetch(digest, len(BLOB))
        spooled.fetch(digest, len(BLOB))
        assert read_blob(spooled, digest, len(BLOB)) == BLOB
    with closing(SpooledBlobs(MemoryContent({wrong: b"other"}), execution())) as spooled:
        with pytest.raises(IntegrityError):
            spooled.fetch(wrong, 5)
        with pytest.raises(SourceError):
            spooled.fetch(digest, len(BLOB))
        assert spooled.size(wrong) is None
