"""Weights of images are right, whatever they share, and hostile references are not followed for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report import weight
from airpatch.report.weight import Weight, weigh
from tests.report.support import image_index, image_manifest

LAYERS = [b"x" * size for size in (10, 200, 3000, 40000)]


def name(number: int) -> ImageName:
    return ImageName("image", f"t{number}")


def test_shared_and_own() -> None:
    one = image_manifest(b"config one", [LAYERS[0], LAYERS[1]])
    two = image_manifest(b"config two", [LAYERS[0], LAYERS[2]])
    contents = {Digest.of(content): content for content in (one, two)}
    weights = weigh([(name(1), Digest.of(one)), (name(2), Digest.of(two))], contents)
    assert weights == {
        name(1): Weight(1, 2, len(one) + 10 + 10 + 200, len(one) + 10 + 200),
        name(2): Weight(1, 2, len(two) + 10 + 10 + 3000, len(two) + 10 + 3000),
    }


def test_platforms_of_an_index() -> None:
    children = [image_manifest(config, LAYERS[:2]) for config in (b"amd64", b"arm64")]
    top = image_index(children)
    contents = {Digest.of(content): content for content in (*children, top)}
    weights = weigh([(name(1), Digest.of(top))], contents)
    size = sum(map(len, contents.values())) + 5 + 5 + 10 + 200
    assert weights == {name(1): Weight(2, 2, size, size)}


def test_two_tags_of_one_image_own_nothing() -> None:
    content = image_manifest(b"config", LAYERS)
    weights = weigh([(name(1), Digest.of(content)), (name(2), Digest.of(content))], {Digest.of(content): content})
    assert [found.own for found in weights.values()] == [0, 0]


@pytest.mark.parametrize("there", [b"", b"not a manifest"])
def test_what_cannot_be_weighed_is_left_out(there: bytes) -> None:
    """And then nobody knows what is another image's own."""
    content = image_manifest(b"config", LAYERS)
    contents = {Digest.of(content): content}
    if there:
        contents[Digest.of(b"missing")] = there
    weights = weigh([(name(1), Digest.of(content)), (name(2), Digest.of(b"missing"))], contents)
    assert set(weights) == {name(1)}
    assert weights[name(1)].own is None


@given(st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=6))
def test_own_is_what_goes_with_an_image(images: list[set[int]]) -> None:
    """All images together weigh the distinct blobs; what one owns is what is saved by leaving it out."""
    manifests = [image_manifest(b"%d" % number, [LAYERS[i] for i in layers]) for number, layers in enumerate(images)]
    contents = {Digest.of(content): content for content in manifests}
    weights = weigh([(name(n), Digest.of(content)) for n, content in enumerate(manifests)], contents)

    def distinct(numbers: set[int]) -> int:
        layers = {layer for n in numbers for layer in images[n]}
        return sum(len(LAYERS[i]) for i in layers) + sum(len(manifests[n]) + len(b"%d" % n) for n in numbers)

    everything = set(range(len(images)))
    for number in everything:
        assert weights[name(number)].size == distinct({number})
        assert weights[name(number)].own == distinct(everything) - distinct(everything - {number})


def test_too_many_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight, "MAX_REFERENCES", 20)
    child = image_manifest(b"config", LAYERS)
    tops = [image_index([child], note=str(number)) for number in range(10)]
    contents = {Digest.of(content): content for content in (child, *tops)}
    with pytest.raises(FormatError, match="more than 20 references"):
        weigh([(name(n), Digest.of(content)) for n, content in enumerate(tops)], contents)
