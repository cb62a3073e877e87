"""Copies of one platform of an image are told from those of all."""

from __future__ import annotations

from collections.abc import Iterable

from airpatch.model.digest import Digest
from airpatch.sources.manifests import read_manifests
from airpatch.sources.platforms import absent_findings, absent_platforms
from airpatch.sources.source import LoadedImage
from tests.support import Builder, MemoryContent

BUILDER = Builder()
CHILDREN = [BUILDER.picture([number.to_bytes(4, "little")], config=b"%d" % number) for number in range(10)]
TOP = BUILDER.index(CHILDREN)


def loaded(manifests: Iterable[bytes], blobs: dict[Digest, bytes]) -> LoadedImage:
    there = {Digest.of(content): content for content in manifests}
    found = read_manifests(Digest.of(TOP), there.get)
    return LoadedImage(found.top, found.content, found.parsed, (), MemoryContent(blobs), frozenset(found.missing))


def findings(image: LoadedImage) -> list[str]:
    return list(absent_findings(image, absent_platforms(image), "images/"))


def test_a_complete_image_lacks_none() -> None:
    assert findings(loaded([TOP, *CHILDREN], BUILDER.blobs)) == []


def test_manifests_that_are_missing() -> None:
    image = loaded([TOP, CHILDREN[0]], BUILDER.blobs)
    assert absent_platforms(image) == set(map(Digest.of, CHILDREN[1:]))
    (finding,) = findings(image)
    assert finding.startswith("9 of 10 platforms are not here: ")
    assert " and 1 more. " in finding


def test_manifests_without_any_of_their_blobs() -> None:
    own = {Digest.of(blob): blob for blob in (b"0", bytes(4))}
    assert absent_platforms(loaded([TOP, *CHILDREN], own)) == set(map(Digest.of, CHILDREN[1:]))


def test_manifests_with_their_configurations_and_without_their_layers() -> None:
    blobs = {Digest.of(blob): blob for blob in [bytes(4), *(b"%d" % number for number in range(10))]}
    assert absent_platforms(loaded([TOP, *CHILDREN], blobs)) == set(map(Digest.of, CHILDREN[1:]))


def test_a_layer_of_several_platforms_makes_none_of_them_complete() -> None:
    builder = Builder()
    children = [builder.picture([b"shared", b"own %d" % number], config=b"%d" % number) for number in range(3)]
    top = builder.index(children)
    kept = {digest: blob for digest, blob in builder.blobs.items() if blob not in (b"own 1", b"own 2")}
    there = {Digest.of(content): content for content in [top, *children]}
    found = read_manifests(Digest.of(top), there.get)
    image = LoadedImage(found.top, found.content, found.parsed, (), MemoryContent(kept), frozenset())
    assert absent_platforms(image) == set(map(Digest.of, children[1:]))


def test_a_platform_that_lacks_a_part_is_damaged_and_not_absent() -> None:
    builder = Builder()
    children = [builder.picture([b"%d, layer %d" % (number, layer) for layer in range(2)]) for number in range(2)]
    top = builder.index(children)
    kept = {digest: blob for digest, blob in builder.blobs.items() if blob != b"1, layer 0"}
    there = {Digest.of(content): content for content in [top, *children]}
    found = read_manifests(Digest.of(top), there.get)
    image = LoadedImage(found.top, found.content, found.parsed, (), MemoryContent(kept), frozenset())
    assert absent_platforms(image) == set()


def test_a_top_manifest_that_is_missing() -> None:
    assert findings(loaded([], {})) == [f"manifest {Digest.of(TOP)}: is missing, though images/ names it"]
