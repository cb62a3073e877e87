"""Reading that ends soon when others have failed."""

from __future__ import annotations

from concurrent.futures import CancelledError
from contextlib import closing

import pytest

from airpatch.blobs.stopping import Stoppable
from airpatch.execution import Cancellation
from airpatch.model.digest import Digest
from tests.support import MemoryContent

BLOB = b"content"
DIGEST = Digest.of(BLOB)


def test_readers_that_are_open_and_new_ones_end_after_a_cancellation() -> None:
    cancellation = Cancellation()
    content = Stoppable(MemoryContent({DIGEST: BLOB}), cancellation)
    buffer = bytearray(4)
    with closing(content.open(DIGEST, len(BLOB))) as reader:
        reader.read_into(memoryview(buffer), 1)
        assert buffer == BLOB[1:5]
        cancellation.cancel()
        for each in (reader, content.open(DIGEST, len(BLOB))):
            with pytest.raises(CancelledError):
                each.read_into(memoryview(buffer), 0)
    assert buffer == BLOB[1:5]
    assert content.size(DIGEST) == len(BLOB), "sizes can still be asked for"
