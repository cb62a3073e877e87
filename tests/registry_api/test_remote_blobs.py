"""Blobs of registries in scratch files and in a cache: fetched once, verified, given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from airpatch.blobs.content import read_blob
from airpatch.errors import SourceError, TargetError
from airpatch.model.digest import Digest
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from tests.layers.support import Blobs, by_digest
from tests.registry_api.store import Store
from tests.support import Recorder, execution, scratch

CONTENTS = [b"a blob", b"another blob", b""]
DIGESTS = [Digest.of(content) for content in CONTENTS]


def blobs(store: Store, cache: Path | None = None) -> RemoteBlobs:
    made = RemoteBlobs(scratch, cache, "registry.example", 4)
    made.known = {digest: RemoteBlob(store, len(content)) for digest, content in zip(DIGESTS, CONTENTS, strict=True)}
    return made


@pytest.fixture
def store() -> Store:
    return Store(Blobs(by_digest(*CONTENTS)))


def test_a_blob_is_fetched_once_for_all_who_read_it(store: Store) -> None:
    together = threading.Barrier(4)

    def read(made: RemoteBlobs) -> bytes:
        together.wait()
        return read_blob(made, DIGESTS[0], len(CONTENTS[0]))

    with closing(blobs(store)) as made, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, [made] * 4)) == [CONTENTS[0]] * 4
    assert store.given == {DIGESTS[0]: 1}


def test_those_that_are_known_are_fetched_with_progress(store: Store) -> None:
    progress = Recorder()
    with closing(blobs(store)) as made:
        made.fetch([*DIGESTS, *DIGESTS, Digest.of(b"unknown")], execution(2, progress))
        made.fetch(DIGESTS, execution(2, progress))
        assert made.size(Digest.of(b"unknown")) is None
        with pytest.raises(SourceError, match=r"is not in registry\.example"):
            made.open(Digest.of(b"unknown"), 7)
    assert store.given == dict.fromkeys(DIGESTS, 1)
    assert progress.labels == ["fetching from registry.example"]
    assert progress.adds_up


def test_what_is_given_up_is_fetched_again(store: Store) -> None:
    with closing(blobs(store)) as made:
        made.get(DIGESTS[0])
        made.give_up(DIGESTS[0])
        made.give_up(DIGESTS[1])  # which nobody has read
        assert read_blob(made, DIGESTS[0], len(CONTENTS[0])) == CONTENTS[0]
    assert store.given[DIGESTS[0]] == 2


def longer(path: Path) -> None:
    path.with_name(f"{path.name}.partial").write_bytes(bytes(100))


def damaged(path: Path) -> None:
    path.write_bytes(b"A" * len(CONTENTS[0]))


@pytest.mark.parametrize("left", [longer, damaged])
def test_a_cache_heals_itself(store: Store, tmp_path: Path, left: Callable[[Path], None]) -> None:
    path = tmp_path / "sha256" / DIGESTS[0].hex
    path.parent.mkdir()
    left(path)
    made = blobs(store, tmp_path)
    assert read_blob(made, DIGESTS[0], len(CONTENTS[0])) == CONTENTS[0]
    made.give_up(DIGESTS[0])
    assert path.read_bytes() == CONTENTS[0]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert read_blob(blobs(store, tmp_path), DIGESTS[0], len(CONTENTS[0])) == CONTENTS[0]
    assert store.given == {DIGESTS[0]: 1}


def test_a_cache_that_cannot_be_used_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match="file"):
        blobs(store, tmp_path / "file")
    made = blobs(store, tmp_path / "cache")
    (tmp_path / "cache/sha256" / f"{DIGESTS[0].hex}.partial").mkdir()
    with pytest.raises(TargetError, match=r"\.partial"):
        made.get(DIGESTS[0])
    made.get(DIGESTS[1])
    (tmp_path / "cache/sha256" / DIGESTS[1].hex).unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        made.get(DIGESTS[1])
