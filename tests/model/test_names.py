"""The grammar of repositories and tags, and folders of `dir:` trees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName, is_servable

_component = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
_tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
NAMES = st.builds(
    lambda parts, tag: ImageName("/".join(parts), tag), st.lists(_component, min_size=1, max_size=4), _tag
)

GOOD_REPOSITORIES = [
    "a",
    "0",
    "shop/web",
    "infra/extra/deep/x",
    "a--b/c__d/e.f_g-h",
    "registry.example:5000/shop/web",
    "localhost:5000/x",
    "Registry.Example/x",
    "192.0.2.1:5000/x",
    "a" * 255,
]
BAD_REPOSITORIES = [
    "",
    "/shop",
    "shop/",
    "shop//web",
    "..",
    ".",
    "../x",
    "shop/../x",
    "shop/./x",
    "_manifests",
    "shop/_manifests",
    "shop/_layers/x",
    ".airpatch",
    "Shop",
    "shop/Web",
    "shop web",
    "shop\0web",
    "shop\n",
    "shop\n/web",
    "shop\\web",
    "shop:5000",
    "a:5000/b:5000/c",
    "shop@sha256",
    "a___b",
    "a._b",
    "-a",
    "a-",
    "caf\u00e9",
    "\uff41",
    "\u0131x",
    "a" * 256,
]
BAD_TAGS = ["", ".", "..", ".hidden", "-x", "a/b", "a b", "a:b", "a\0", "a\n", "\u00e9", "\u0661", "x" * 129]


@pytest.mark.parametrize("repository", GOOD_REPOSITORIES)
def test_good_repositories(repository: str) -> None:
    assert ImageName(repository, "r1").repository == repository


@pytest.mark.parametrize("repository", BAD_REPOSITORIES, ids=lambda text: repr(text)[:30])
def test_adversary_15_bad_repositories(repository: str) -> None:
    with pytest.raises(FormatError, match="repository"):
        ImageName(repository, "r1")


@pytest.mark.parametrize("tag", ["r1", "_", "1.2.3-rc_4", "R1", "x" * 128, "current", "index", "_manifests"])
def test_good_tags(tag: str) -> None:
    assert ImageName("x", tag).tag == tag


@pytest.mark.parametrize("tag", BAD_TAGS, ids=lambda text: repr(text)[:30])
def test_adversary_16_bad_tags(tag: str) -> None:
    with pytest.raises(FormatError, match="tag"):
        ImageName("x", tag)


def test_adversary_26_names_equal_but_for_case_are_two() -> None:
    assert ImageName("x", "R1") != ImageName("x", "r1")


def test_time_stays_small_for_names_that_nearly_match() -> None:
    """Each form that could make a backtracking pattern slow, at the length limit."""
    for repository in ("a" * 254 + "!", "a-" * 127 + "!", "a." * 127, "a_" * 127, "a/" * 127, "A" * 254 + "!"):
        with pytest.raises(FormatError):
            ImageName(repository, "r1")


@given(NAMES)
def test_text_and_folder_are_inverse_to_parsing(name: ImageName) -> None:
    assert ImageName.parse(str(name)) == name
    assert ImageName.from_folder(str(name)) == (name, None)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop/web:r1", ("shop/web", "r1")),
        ("alpine:3.10.4/alpine:3.10.4", ("alpine", "3.10.4")),
        ("a/alpine:1/alpine:1", ("a/alpine", "1")),
        ("registry.example:5000/shop/web:r1", ("registry.example:5000/shop/web", "r1")),
        ("web:5000", ("web", "5000")),
    ],
)
def test_folders(folder: str, name: tuple[str, str]) -> None:
    assert ImageName.from_folder(folder) == (ImageName(*name), None)


def test_06_a_name_may_have_a_digest_behind_or_instead_of_its_tag() -> None:
    digest = Digest.of(b"manifest")
    assert ImageName.from_folder(f"shop/web:1@{digest}") == (ImageName("shop/web", "1"), digest)
    assert ImageName.from_folder(f"h:5000/web@{digest}") == (ImageName.by_digest("h:5000/web", digest), digest)
    assert ImageName("web", "1").digest is None
    assert ImageName("web", "by-digest-1").digest is None


def test_an_image_by_digest_is_written_as_other_tools_do() -> None:
    digest = Digest.of(b"manifest")
    name = ImageName.by_digest("shop/web", digest)
    assert (name.tag, name.digest) == (f"by-digest-{digest.hex}", digest)
    assert name.reference == f"shop/web@{digest}"
    assert ImageName.parse_reference(name.reference) == (name, digest)
    assert ImageName.parse(str(name)) == name
    assert ImageName("shop/web", "1").reference == "shop/web:1"


@pytest.mark.parametrize("text", ["web@", "web@sha256:1", "@sha256:" + "a" * 64, "web:1@x", f"web@sha256:{'A' * 64}"])
def test_references_without_a_good_digest(text: str) -> None:
    with pytest.raises(FormatError):
        ImageName.parse_reference(text)


@pytest.mark.parametrize("folder", ["", "web", "shop/web", "web:r1/sub", ":r1", "shop/:r1", "host:5000/web", "../x:r1"])
def test_folders_without_a_good_name(folder: str) -> None:
    with pytest.raises(FormatError):
        ImageName.from_folder(folder)


@pytest.mark.parametrize(("repository", "servable"), [("shop/web", True), ("r.example:5000/shop/web", False)])
def test_a_registry_serves_no_name_with_a_port(repository: str, servable: bool) -> None:
    assert is_servable(repository) is servable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web", "write repository:tag"),
        ("shop/web", "write repository:tag"),
        ("r.example:5000/web", "write repository:tag"),
        ("shop/web:", "not a valid tag"),
    ],
)
def test_a_name_without_a_tag_is_told(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        ImageName.parse(text)
