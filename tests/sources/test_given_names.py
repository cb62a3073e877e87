"""Names that a user gives to images without a tag."""

from __future__ import annotations

import pytest

from airpatch.errors import UsageError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.given_names import resolve_names
from airpatch.sources.source import FoundImage, Listing, LoadedImage, UnnamedImage
from tests.support import MemoryContent

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))


def listing(*digests: Digest) -> Listing:
    """A listing of a tagged image, and images without a tag: the first unnamed, the others known by digest."""

    def load() -> LoadedImage:
        return LoadedImage(A, {}, {}, (), MemoryContent({}))

    images = [FoundImage(ImageName("tagged", "1"), "here", load, C)]
    images += [FoundImage(ImageName.by_digest("web", digest), "here", load, digest) for digest in digests[1:]]
    return Listing(tuple(images), tuple(UnnamedImage("there", "no name", digest) for digest in digests[:1]))


def test_the_digest_may_be_left_out_where_one_image_alone_has_no_tag() -> None:
    assert resolve_names(["shop/web:1"], [listing(A)]) == {A: [ImageName("shop/web", "1")]}


def test_a_digest_says_which_image_is_meant() -> None:
    names = resolve_names([f"{B}=shop/web:1", f"{A}=localhost:5000/x:2", f"{A}=y:3"], [listing(A, B)])
    assert names == {B: [ImageName("shop/web", "1")], A: [ImageName("localhost:5000/x", "2"), ImageName("y", "3")]}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "shop/web:1",
            f"2 images have no tag: say which one you mean with DIGEST=NAME:TAG ({A} is there; {B} is ",
        ),
        (f"{C}=shop/web:1", "no image without a tag has this digest"),
        ("sha256:12=shop/web:1", "not a sha256 digest"),
        (f"{A}=shop/web", "no tag in the image name"),
        (f"{A}=Shop:1", "not a valid repository name"),
        ("", "no tag in the image name"),
    ],
)
def test_what_cannot_be_named_is_refused(option: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_names([option], [listing(A, B)])
    (finding,) = caught.value.findings
    assert finding.startswith(f"--tag {option}: {message}")
