"""UncompressedLayers are unpacked once, by whoever comes first, and gone after their last use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airpatch.blobs.content import BytesBlob
from airpatch.blobs.scratch import MemoryScratch, ScratchFile
from airpatch.errors import BaseMismatch, FormatError
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.model.digest import Digest
from tests.layers.support import Blobs, by_digest, deflated, descriptors, layer, left_open
from tests.support import scratch

UNCOMPRESSED = layer(1)
BLOB = deflated()(UNCOMPRESSED)
DIGEST = Digest.of(BLOB)


def no_file() -> int:
    raise AssertionError("a scratch file")


class Counting(Blobs):
    opened = 0

    def open(self, digest: Digest, size: int) -> BytesBlob:
        self.opened += 1
        return super().open(digest, size)


def taken(layers: UncompressedLayers) -> bytes:
    return bytes(layers.take(DIGEST, len(BLOB), len(UNCOMPRESSED)).view())


def test_unpacked_once_for_all_users_and_given_up_after_the_last() -> None:
    before = descriptors()
    content = Counting(by_digest(BLOB))
    layers = UncompressedLayers(content, scratch, {DIGEST: 20})
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: taken(layers), range(20))) == {UNCOMPRESSED}
    assert content.opened == 1
    for _ in range(19):
        layers.give_back(DIGEST)
    assert taken(layers) == UNCOMPRESSED
    assert content.opened == 1
    layers.give_back(DIGEST)
    assert left_open(before) == 0


def streamed(layers: UncompressedLayers) -> bytes:
    return b"".join(layers.stream(DIGEST, len(BLOB), len(UNCOMPRESSED)))


def test_a_stream_is_kept_only_for_others() -> None:
    before = descriptors()
    content = Counting(by_digest(BLOB))
    layers = UncompressedLayers(content, scratch, {DIGEST: 2})
    assert streamed(layers) == taken(layers) == UNCOMPRESSED
    assert content.opened == 1
    layers.close()
    alone = UncompressedLayers(content, no_file, {DIGEST: 1})
    assert streamed(alone) == UNCOMPRESSED
    assert left_open(before) == 0


def test_given_back_by_one_that_did_not_come_to_take_it() -> None:
    before = descriptors()
    layers = UncompressedLayers(Blobs({}), scratch, {DIGEST: 1})
    layers.give_back(DIGEST)
    assert layers.wanted(DIGEST)
    layers.close()
    assert left_open(before) == 0


def test_one_that_is_there_is_neither_unpacked_nor_wanted() -> None:
    before = descriptors()
    layers = UncompressedLayers(Blobs({}), scratch, {DIGEST: 1})
    assert layers.wanted(DIGEST)
    assert not layers.wanted(Digest.of(b"of no use"))
    file: ScratchFile = layers.new(DIGEST)
    file.append(UNCOMPRESSED)
    layers.put(DIGEST, file)
    assert not layers.wanted(DIGEST)
    assert taken(layers) == UNCOMPRESSED
    layers.close()
    assert left_open(before) == 0


@pytest.mark.parametrize("size", [0, len(UNCOMPRESSED) - 1, len(UNCOMPRESSED) + 1])
def test_another_size_than_the_index_says(size: int) -> None:
    before = descriptors()
    layers = UncompressedLayers(Blobs(by_digest(BLOB)), scratch, {DIGEST: 1})
    with pytest.raises(FormatError, match="uncompressed bytes"):
        layers.take(DIGEST, len(BLOB), size)
    with pytest.raises(FormatError, match="uncompressed bytes"):
        list(layers.stream(DIGEST, len(BLOB), size))
    assert left_open(before) == 0


def test_one_that_is_not_there_and_one_that_does_not_decompress() -> None:
    before = descriptors()
    for content, error in ((Blobs({}), BaseMismatch), (Blobs({DIGEST: BLOB[:-9] + bytes(9)}), FormatError)):
        with pytest.raises(error):
            taken(UncompressedLayers(content, scratch, {DIGEST: 1}))
    assert left_open(before) == 0


def test_what_fits_lies_in_memory_until_it_is_given_back() -> None:
    before = descriptors()
    other = deflated()(layer(2))
    sizes = {DIGEST: (len(BLOB), len(UNCOMPRESSED)), Digest.of(other): (len(other), len(layer(2)))}
    room = max(size for _, size in sizes.values())
    layers = UncompressedLayers(
        Blobs(by_digest(BLOB, other)), no_file, dict.fromkeys(sizes, 1), memory=MemoryScratch(room)
    )
    for digest, size in sizes.items():
        assert Digest.of(deflated()(bytes(layers.take(digest, *size).view()))) == digest
        kept = layers.take(digest, *size)
        assert isinstance(kept, ScratchFile)
        assert kept.read(5, 7) == kept.view()[5:12]
        layers.give_back(digest)
    assert left_open(before) == 0


def test_what_does_not_fit_into_memory_lies_in_scratch_files() -> None:
    files = []

    def counted() -> int:
        files.append(scratch())
        return files[-1]

    layers = UncompressedLayers(
        Blobs(by_digest(BLOB)), counted, {DIGEST: 1}, memory=MemoryScratch(len(UNCOMPRESSED) - 1)
    )
    assert taken(layers) == UNCOMPRESSED
    assert len(files) == 1
    layers.close()
