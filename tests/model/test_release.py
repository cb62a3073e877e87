"""Releases out of manifests: the table of blobs, its order, and what is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.model import release as r
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image, ImageSignature, assemble, check_manifests
from airpatch.model.walk import walk
from tests.support import OCI_CONFIG, Builder, descriptor, encode


def findings(builder: Builder) -> str:
    with pytest.raises(FormatError) as caught:
        builder.release  # noqa: B018 - building it is the test
    return str(caught.value)


def test_the_table_is_in_archive_order(sample: Builder) -> None:
    blobs = sample.release.blobs
    data = [blob for blob in blobs if not blob.is_manifest]
    assert data == sorted(data, key=lambda blob: (-blob.size, blob.digest))
    assert [blob.is_manifest for blob in blobs] == [False] * len(data) + [True] * (len(blobs) - len(data))
    assert [blob.media_type for blob in blobs[len(data) :]] == [OCI_MANIFEST] * 4 + [OCI_INDEX]
    assert sample.release.size == sum(blob.size for blob in blobs)
    assert {blob.digest for blob in blobs} == {*sample.manifests, *sample.blobs} - {
        signature.digest for image in sample.release.images for signature in image.signatures
    }


def test_the_order_of_images_does_not_matter(sample: Builder) -> None:
    assert assemble(reversed(sample.images), sample.manifests) == sample.release


def test_the_name_is_the_tag_of_most_images() -> None:
    builder = Builder()
    picture = builder.picture([])
    for name in ("a:r1", "b:r1", "c:r2"):
        builder.tag(name, picture)
    assert builder.release.name == "r1"
    builder.tag("d:r2", picture)
    assert builder.release.name == "r2"
    assert assemble(builder.images, builder.manifests, name="spring", sequence=7).name == "spring"


def test_tags_that_follow_from_digests_do_not_name_a_release() -> None:
    builder = Builder()
    picture = builder.picture([])
    digest = Digest.of(picture)
    for name in ("a:r1", f"a:sha256-{digest.hex}", f"a:sha256-{digest.hex}.sig", f"b:by-digest-{digest.hex}"):
        builder.tag(name, picture)
    assert builder.release.name == "r1"


def test_a_tag_that_says_a_digest_is_right() -> None:
    builder = Builder()
    builder.tag(str(ImageName.by_digest("web", Digest.of(b"other"))), builder.picture([]))
    assert "its tag says another digest than that of its manifest" in findings(builder)


def test_each_tag_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count for each tag of a release whose images all have tags of their own would be quadratic."""
    counted: list[str] = []

    def count(tags: Iterable[str]) -> Counter[str]:
        listed = list(tags)
        counted.extend(listed)
        return Counter(listed)

    monkeypatch.setattr(r, "Counter", count)
    builder = Builder()
    picture = builder.picture([])
    for number in range(50):
        builder.tag(f"a{number}:v{number:02}", picture)
    assert builder.release.name == "v49"
    assert len(counted) == 50


@pytest.mark.parametrize(("name", "sequence"), [("", 0), ("x" * 256, 0), ("\u00e9" * 128, 0), ("a\n", 0), ("a\x1b", 0)])
def test_unusable_names(name: str, sequence: int, sample: Builder) -> None:
    with pytest.raises(FormatError, match="release name"):
        assemble(sample.images, sample.manifests, name=name, sequence=sequence)


def test_adversary_9_sequence_at_its_maximum(sample: Builder) -> None:
    assert assemble(sample.images, sample.manifests, sequence=r.MAX_SEQUENCE).sequence == 2**63 - 1
    for sequence in (-1, r.MAX_SEQUENCE + 1):
        with pytest.raises(FormatError, match="sequence"):
            assemble(sample.images, sample.manifests, sequence=sequence)


def test_a_release_has_an_image() -> None:
    assert "no image" in findings(Builder())


def test_adversary_34_a_tag_twice() -> None:
    builder = Builder()
    builder.tag("a:r1", builder.picture([]))
    builder.tag("a:r1", builder.picture([b"x"]))
    assert "two images of this name" in findings(builder)


def test_a_folder_inside_that_of_another_image() -> None:
    """`a:5000` is an image's folder and a host with a port, too."""
    builder = Builder()
    picture = builder.picture([])
    builder.tag("a:5000", picture)
    builder.tag("a:5000/b:r1", picture)
    assert "inside that of another image" in findings(builder)


def test_adversary_31_a_missing_child() -> None:
    builder = Builder()
    child = builder.picture([])
    builder.tag("a:r1", builder.index([child]))
    del builder.manifests[Digest.of(child)]
    assert re.search(r"a:r1: manifest sha256:\w+ is missing", findings(builder))


@pytest.mark.parametrize(("key", "value"), [("size", 1), ("mediaType", OCI_INDEX)])
def test_adversary_31_an_index_that_is_wrong_about_its_child(key: str, value: object) -> None:
    builder = Builder()
    child = descriptor(builder.picture([]), OCI_MANIFEST) | {key: value}
    index = builder.manifest(encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}))
    builder.tag("a:r1", index)
    assert "where its index claims" in findings(builder)


def test_adversary_31_a_blob_of_two_sizes() -> None:
    builder = Builder()
    first, second = descriptor(b"x", OCI_CONFIG), descriptor(b"x", OCI_CONFIG) | {"size": 2}
    for name, layer in (("a:r1", first), ("b:r1", second)):
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": first, "layers": [layer]}
        builder.tag(name, builder.manifest(encode(manifest)))
    assert "bytes here and" in findings(builder)


def test_adversary_30_a_manifest_that_is_none_is_named_with_its_image() -> None:
    builder = Builder()
    builder.tag("a:r1", builder.manifest(b"{}"))
    assert "a:r1: sha256:" in findings(builder)


def nested(builder: Builder, levels: int) -> list[bytes]:
    """An image manifest, an index over it, an index over that..."""
    chain = [builder.picture([])]
    while len(chain) <= levels:
        chain.append(builder.index(chain[-1:]))
    return chain


def test_adversary_31_nesting_at_the_limit() -> None:
    builder = Builder()
    builder.tag("a:r1", nested(builder, r.MAX_NESTING)[-1])
    assert len(builder.release.blobs) == r.MAX_NESTING + 2


def test_adversary_31_nesting_beyond_the_limit() -> None:
    builder = Builder()
    builder.tag("a:r1", nested(builder, r.MAX_NESTING + 1)[-1])
    assert "nested more than 8 deep" in findings(builder)


def test_adversary_31_nesting_built_up_image_by_image() -> None:
    """Each image reaches a few levels below its own index; together they would exhaust the stack."""
    builder = Builder()
    for number, manifest in enumerate(nested(builder, 3000)[::4]):
        builder.tag(f"a{number:06}:r1", manifest)
    assert "nested more than 8 deep" in findings(builder)


def test_all_findings_are_reported_at_once() -> None:
    builder = Builder()
    builder.tag("a:r1", builder.manifest(b"{}"))
    builder.tag("b:r1", builder.manifest(b"[]"))
    builder.images.append(Image(ImageName("c", "r1"), Digest.of(b"nowhere")))
    assert {line.split(":")[0].strip() for line in findings(builder).splitlines()[1:]} == {"a", "b", "c"}


def test_manifests_over_the_limit_in_all(monkeypatch: pytest.MonkeyPatch, sample: Builder) -> None:
    size = sum(map(len, sample.manifests.values()))
    monkeypatch.setattr(limits.MANIFESTS, "value", size)
    assert sample.release
    monkeypatch.setattr(limits.MANIFESTS, "value", size - 1)
    assert "in all" in findings(sample)


def test_a_blob_with_several_media_types_has_the_manifests_or_the_least() -> None:
    builder = Builder()
    child = builder.picture([])
    builder.tag("a:r1", builder.index([child]))
    builder.tag("b:r1", builder.picture([child, b"x"], layer_type="application/z"))
    builder.tag("c:r1", builder.picture([b"x"], layer_type="application/a"))
    types = {blob.digest: blob.media_type for blob in builder.release.blobs}
    assert types[Digest.of(child)] == OCI_MANIFEST
    assert types[Digest.of(b"x")] == "application/a"


def test_signatures_that_contradict_each_other() -> None:
    builder = Builder()
    picture = builder.picture([])
    builder.tag("a:r1", picture, {picture: [b"one"]})
    builder.tag("a:r2", picture, {picture: [b"two"]})
    assert "other signatures" in findings(builder)


def test_signatures_of_a_manifest_that_the_image_does_not_have() -> None:
    builder = Builder()
    picture, other = builder.picture([]), builder.picture([b"x"])
    builder.tag("a:r1", other)
    stray = ImageSignature(Digest.of(other), Digest.of(b"s"), 1)
    builder.images.append(Image(ImageName("b", "r1"), Digest.of(picture), (stray,)))
    assert "manifests that it does not have" in findings(builder)


def signed_once(tags: int, children: int) -> Builder:
    """Tags of one index, one of which has signatures of all its children."""
    builder = Builder()
    pictures = [builder.picture([str(number).encode()]) for number in range(children)]
    index = builder.index(pictures)
    builder.tag("r:first", index, {picture: [b"s"] for picture in pictures})
    for number in range(tags):
        builder.tag(f"r:t{number}", index)
    return builder


def test_findings_about_signatures_are_counted_and_not_all_made() -> None:
    builder = signed_once(30, 20)
    with pytest.raises(FormatError) as caught:
        builder.release  # noqa: B018 - building it is the test
    assert len(caught.value.findings) == r.SHOWN_FINDINGS + 1
    assert caught.value.findings[-1] == f"and {30 * 20 - r.SHOWN_FINDINGS} more"


def test_findings_of_all_kinds_are_shown_up_to_a_limit() -> None:
    builder = Builder()
    builder.images += [Image(ImageName(f"r{i}", "t"), Digest.of(str(i).encode())) for i in range(r.SHOWN_FINDINGS + 7)]
    assert findings(builder).endswith("and 7 more")


def test_tags_of_one_manifest_are_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[list[Digest]] = []

    def counted(tops: Iterable[Digest], *arguments: Any) -> Iterator[tuple[Digest, Manifest]]:
        walks.append(list(tops))
        return walk(walks[-1], *arguments)

    monkeypatch.setattr(r, "walk", counted)
    builder = signed_once(5, 3)
    findings(builder)
    table = [[image.manifest] for image in builder.images]
    assert walks == [*table, table[0]], "one walk for the table for each tag, and one for the signatures of them all"


def test_walks_for_signatures_at_and_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = signed_once(0, 3)
    monkeypatch.setattr(r, "MAX_SIGNED", 3 + 1 + 3)
    assert builder.release
    monkeypatch.setattr(r, "MAX_SIGNED", 3 + 3)
    assert "repositories with signatures have more than 6" in findings(builder)


def test_check_manifests_wants_exactly_the_table(sample: Builder) -> None:
    release = sample.release
    check_manifests(release, sample.manifests)
    short = r.Release(release.name, release.sequence, release.images, release.blobs[1:])
    with pytest.raises(FormatError, match="table"):
        check_manifests(short, sample.manifests)


def test_a_signature_has_one_size_whoever_has_it() -> None:
    builder = Builder()
    picture, other = builder.picture([]), builder.picture([b"x"])
    for name, signed, size in (("a", picture, 1), ("b", other, 2)):
        row = ImageSignature(Digest.of(signed), Digest.of(b"s"), size)
        builder.images.append(Image(ImageName(name, "r1"), Digest.of(signed), (row,)))
    assert "has two sizes" in findings(builder)


def test_an_image_with_signatures_leaves_room_for_the_name_of_their_folder() -> None:
    for length in (r.MAX_SIGNED_COMPONENT, r.MAX_SIGNED_COMPONENT + 1):
        builder = Builder()
        picture = builder.picture([])
        builder.tag(f"{'a' * length}:r1", picture, {picture: [b"s"]})
        if length > r.MAX_SIGNED_COMPONENT:
            assert "longer than 255 bytes" in findings(builder)
        else:
            assert builder.release.images


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256, "\u00e4" * 128])
def test_unusable_products(name: str) -> None:
    with pytest.raises(FormatError, match="not a usable product name"):
        r.check_product(name)


@pytest.mark.parametrize("seconds", [-1, r.MAX_TIME + 1, True])
def test_moments_that_cannot_be_written_down(seconds: int) -> None:
    with pytest.raises(FormatError, match="not a time"):
        r.check_time(seconds)


def test_a_title_has_the_product_unless_there_is_but_one(sample: Builder) -> None:
    release = replace(sample.release, name="r1")
    assert release.title == "r1"
    assert replace(release, product="shop").title == "r1 of shop"


def test_the_first_image_that_has_a_blob_owns_it(sample: Builder) -> None:
    release = sample.release
    manifests = {digest: parse_manifest(content) for digest, content in sample.manifests.items()}
    owners = r.owners(release.images, manifests)
    assert owners.keys() == {blob.digest for blob in release.blobs}
    assert owners[Digest.of(b"web")] == ImageName.parse("shop/web:r1")
    assert owners[Digest.of(b"base " * 300)] == ImageName.parse("proxy:r1")
    assert r.owners(release.images, {}) == {}


def test_the_shortest_and_the_longest_labels() -> None:
    for name in ("a", "a" * r.MAX_RELEASE_NAME):
        r.check_product(name)
        r.check_label(name, 0)
    with pytest.raises(FormatError, match="not a usable product name"):
        r.check_product("a" * (r.MAX_RELEASE_NAME + 1))


def test_signatures_that_both_tags_have_are_no_finding() -> None:
    builder = Builder()
    pictures = [builder.picture([bytes([number])]) for number in range(3)]
    index = builder.index(pictures)
    builder.tag("r:one", index, {picture: [b"s"] for picture in pictures})
    builder.tag("r:two", index, {picture: [b"s"] for picture in pictures[:2]})
    with pytest.raises(FormatError) as caught:
        builder.release  # noqa: B018 - building it is the test
    assert len(caught.value.findings) == 1
    assert str(Digest.of(pictures[2])) in caught.value.findings[0]
