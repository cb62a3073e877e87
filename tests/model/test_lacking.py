"""What is missing is told by image, in a few lines."""

from __future__ import annotations

from airpatch.model.digest import Digest
from airpatch.model.lacking import SCREEN, lacking_by_image
from airpatch.model.manifest import parse_manifest
from tests.support import Builder


def lines(
    builder: Builder, *lacking: bytes, damaged: frozenset[bytes] = frozenset(), without: bytes = b""
) -> list[str]:
    manifests = {digest: parse_manifest(content) for digest, content in builder.manifests.items() if content != without}
    sizes = {Digest.of(content): len(content) for content in lacking}
    return lacking_by_image(builder.images, manifests, sizes, {Digest.of(content) for content in damaged})


def shop() -> Builder:
    builder = Builder()
    builder.tag("shop/web:r1", builder.picture([b"base" * 1000, b"web" * 1000]))
    builder.tag("shop/api:r1", builder.picture([b"base" * 1000, b"api"]))
    builder.tag("proxy:r1", builder.index([builder.picture([b"amd64"]), builder.picture([b"arm64"])]))
    return builder


def test_blobs_are_told_by_the_images_that_need_them() -> None:
    base, web = b"base" * 1000, b"web" * 1000
    assert lines(shop(), b"api", web, base, b"arm64") == [
        f"shop/web:r1 and 1 more image: {Digest.of(base)} of 4.0 kB",
        f"shop/web:r1: {Digest.of(web)} of 3.0 kB",
        f"proxy:r1: {Digest.of(b'arm64')} of 5 B",
        f"shop/api:r1: {Digest.of(b'api')} of 3 B",
    ]
    assert lines(shop(), b"amd64", b"arm64") == ["proxy:r1: 2 blobs of 10 B"]


def test_damaged_ones_are_told_from_those_that_are_gone() -> None:
    assert lines(shop(), b"amd64", b"arm64", damaged=frozenset([b"arm64"])) == [
        "proxy:r1: 2 blobs of 10 B (1 of them there, but damaged)"
    ]
    assert lines(shop(), b"api", damaged=frozenset([b"api"]))[0].endswith("of 3 B (there, but damaged)")


def test_a_manifest_that_cannot_be_had_hides_what_is_below_it() -> None:
    builder = shop()
    child = next(content for content in builder.manifests.values() if Digest.of(b"arm64").hex.encode() in content)
    assert lines(builder, child, b"arm64", without=child) == [
        f"proxy:r1: {Digest.of(child)} of {len(child)} B",
        f"images whose manifests are not here: {Digest.of(b'arm64')} of 5 B",
    ]


def test_what_a_blob_is_made_of_counts_for_its_images() -> None:
    builder = shop()
    manifests = {digest: parse_manifest(content) for digest, content in builder.manifests.items()}
    old, older = Digest.of(b"old"), Digest.of(b"older")
    made_of = {Digest.of(b"api"): [old], old: [older]}
    assert lacking_by_image(builder.images, manifests, {older: 9}, made_of=made_of) == [f"shop/api:r1: {older} of 9 B"]


def test_no_more_than_a_screen() -> None:
    builder = Builder()
    contents = [b"%030d" % number for number in range(100)]
    for number, content in enumerate(contents):
        builder.tag(f"image-{number:03}:1", builder.picture([content]))
    found = lines(builder, *contents)
    assert len(found) == SCREEN
    assert found[-1] == "and other images: 81 blobs of 2.4 kB"
    assert lines(builder) == []
