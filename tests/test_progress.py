"""Parts of work, and the shares of single blobs in them: they reach their size, and never move back."""

from __future__ import annotations

import pytest

from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from tests.support import Recorder

DIGEST = Digest.of(b"blob")


class Watcher(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[tuple[int, str]] = []

    def advance(self, size: int, item: str) -> None:
        self.moves.append((size, item))


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def test_the_item_is_the_blob_with_its_image(watcher: Watcher) -> None:
    asked: list[None] = []

    def owners() -> dict[Digest, object]:
        asked.append(None)
        return {DIGEST: "web:r1"}

    part = ProgressPart(watcher, owners=owners)
    part.advance(1)
    part.advance(2, DIGEST)
    part.advance(3, Digest.of(b"other"))
    assert watcher.moves == [(1, ""), (2, f"web:r1 {DIGEST.short}"), (3, Digest.of(b"other").short)]
    assert len(asked) == 1


def test_nothing_done_is_no_move(watcher: Watcher) -> None:
    ProgressPart(watcher).advance(0)
    assert watcher.moves == []


def test_a_share_that_ends_well_counts_what_is_left(watcher: Watcher) -> None:
    with ProgressPart(watcher).share(10, DIGEST) as share:
        share.advance(3)
        share.reach(7)
        share.reach(5)
    assert [size for size, _ in watcher.moves] == [3, 4, 3]


def test_a_share_that_fails_counts_no_more(watcher: Watcher) -> None:
    share = ProgressPart(watcher).share(10, DIGEST)
    share.advance(3)
    share.__exit__(ValueError)
    assert [size for size, _ in watcher.moves] == [3]
