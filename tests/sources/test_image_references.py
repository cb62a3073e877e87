"""References pick images by name, tag and digest; what is missing or ambiguous is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError, SourceError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.image_references import Reference, pick, read_images_list, select
from airpatch.sources.source import FoundImage, LoadedImage
from tests.support import MemoryContent

A, B = Digest.of(b"a"), Digest.of(b"b")


def entry(name: str, digest: Digest = A) -> FoundImage:
    loaded = LoadedImage(digest, {}, {}, (), MemoryContent({}))
    return FoundImage(ImageName.parse(name), "here", lambda: loaded)


def chosen(references: list[str], *names: str) -> list[str]:
    return [str(e.name) for e in select(map(Reference.parse, references), map(entry, names))]


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest", "full"),
    [
        ("web", "web", "latest", None, "docker.io/library/web"),
        ("web:r1", "web", "r1", None, "docker.io/library/web"),
        ("docker://shop/web:r1", "shop/web", "r1", None, "docker.io/shop/web"),
        ("localhost/web", "localhost/web", "latest", None, "localhost/web"),
        ("localhost:5000/web", "localhost:5000/web", "latest", None, "localhost:5000/web"),
        ("registry.local/shop/web:r1", "registry.local/shop/web", "r1", None, "registry.local/shop/web"),
        (f"web@{A}", "web", None, A, "docker.io/library/web"),
        (f"h:1/web:r1@{A}", "h:1/web", "r1", A, "h:1/web"),
    ],
)
def test_parse(text: str, repository: str, tag: str | None, digest: Digest | None, full: str) -> None:
    reference = Reference.parse(text)
    assert (reference.repository, reference.tag, reference.digest) == (repository, tag, digest)
    assert reference.full == full


@pytest.mark.parametrize(
    "text", ["", ":r1", "Web:r1", "web:", "web:r1:r2", "web@", "web@sha256:1", "a b", "../web", "/web"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(FormatError):
        Reference.parse(text)


@given(
    st.from_regex(r"([a-z]{1,5}\.example(:[0-9]{1,4})?/)?[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,3}", fullmatch=True),
    st.booleans(),
)
def test_parse_and_str_are_inverse(repository: str, with_digest: bool) -> None:
    for tag in ("r1", None) if with_digest else ("r1",):
        reference = Reference(repository, tag, A if with_digest else None)
        assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("references", "names", "expected"),
    [
        (["shop/web:r1"], ["shop/web:r1", "shop/web:r2"], ["shop/web:r1"]),
        (["registry.local/shop/web:r1"], ["shop/web:r1"], ["shop/web:r1"]),
        (["registry.local:5000/shop/web:r1"], ["web:r1"], ["web:r1"]),
        (["alpine:3"], ["docker.io/library/alpine:3"], ["docker.io/library/alpine:3"]),
        (["docker.io/library/alpine:3", "alpine:3"], ["alpine:3"], ["alpine:3"]),
        (["web"], ["web:latest", "web:r1"], ["web:latest"]),
        (["index.docker.io/library/alpine:3"], ["alpine:3"], ["alpine:3"]),
        (["alpine:3"], ["index.docker.io/library/alpine:3"], ["index.docker.io/library/alpine:3"]),
        (["docker.io/shop/web:1"], ["registry-1.docker.io/shop/web:1"], ["registry-1.docker.io/shop/web:1"]),
        (["registry-1.docker.io/alpine:3"], ["docker.io/library/alpine:3"], ["docker.io/library/alpine:3"]),
        (["docker.io/alpine:3"], ["docker.io/alpine:3"], ["docker.io/alpine:3"]),
        (["web:r1"], ["web:r1", "docker.io/library/web:r1"], ["web:r1"]),
        (["b:r1", "a:r1", "b:r1"], ["a:r1", "b:r1"], ["b:r1", "a:r1"]),
        ([f"registry.local/web@{A}"], ["web:r1", "web:r2", "other:r1"], ["web:r1", "web:r2"]),
    ],
)
def test_select(references: list[str], names: list[str], expected: list[str]) -> None:
    assert chosen(references, *names) == expected


@pytest.mark.parametrize(
    ("references", "names", "findings"),
    [
        (["web:r2", "shop/db:r1"], ["web:r1"], ["web:r2: missing; there is web:r1", "shop/db:r1: missing"]),
        (["web"], ["web:r1"], ["web:latest: missing; there is web:r1"]),
        (["shop/web:r1"], ["infra/shop/web:r1"], ["shop/web:r1: missing"]),
        (["h.x/shop/web:r1"], ["web:r1", "shop/web:r1"], ["h.x/shop/web:r1: ambiguous: may be shop/web or web"]),
        (
            ["one.x/web:r1", "two.x/web:r1"],
            ["web:r1"],
            ["two.x/web:r1: ambiguous: web:r1 would be this image and one.x/web:r1"],
        ),
        ([f"web:r1@{B}"], ["web:r1"], [f"web:r1@{B}: web:r1 in the source has another digest"]),
        ([f"web@{B}"], ["web:r1", "web:r2"], [f"web@{B}: web:r1 and web:r2 in the source has another digest"]),
    ],
)
def test_select_names_everything_that_it_cannot_give(
    references: list[str], names: list[str], findings: list[str]
) -> None:
    with pytest.raises(SourceError) as caught:
        chosen(references, *names)
    assert list(caught.value.findings) == findings


def test_a_digest_picks_among_tags() -> None:
    entries = [entry("web:r1", A), entry("web:r2", B)]
    assert select([Reference.parse(f"web@{B}")], entries) == entries[1:]


def test_every_source_that_has_the_image_gives_it() -> None:
    entries = [entry("web:r1"), entry("web:r1")]
    assert select([Reference.parse("web:r1")], entries) == entries


def test_read_images_list(tmp_path: Path) -> None:
    path = tmp_path / "images.txt"
    path.write_bytes(b"\xef\xbb\xbf# release\r\n\r\n  web:r1  \r\ndocker://h.x/db # database\r\n#x\n\tqueue:r1")
    assert [str(reference) for reference in read_images_list(path)] == ["web:r1", "h.x/db:latest", "queue:r1"]


@pytest.mark.parametrize(
    ("content", "message", "findings"),
    [
        (b"", "names no image", 0),
        (b"# nothing\n", "names no image", 0),
        (b"\xff\xfe", "not UTF-8 text", 0),
        (b"web:r1\nWEB\nweb r1\n", "no image references", 2),
        (b"#" * ((16 << 20) + 1), "more than", 0),
    ],
)
def test_bad_images_lists(content: bytes, message: str, findings: int, tmp_path: Path) -> None:
    path = tmp_path / "images.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_images_list(path)
    assert len(caught.value.findings) == findings


def test_an_images_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_images_list(tmp_path / "nowhere")


def test_pick() -> None:
    entries = [entry("shop/web:r1"), entry("shop/web:r2"), entry("db:r1")]
    assert pick(["shop/web"], entries) == entries[:2]
    assert pick(["db:r1", "shop/web:r2"], entries) == [entries[2], entries[1]]
    with pytest.raises(UsageError) as caught:
        pick(["web", "db:r1", "shop/web:r3"], entries)
    assert caught.value.findings == ("web: missing", "shop/web:r3: missing; there is shop/web:r1, shop/web:r2")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docker://registry.local/shop/web:r1", ["shop/web:r1"]),
        (f"shop/web@{A}", ["shop/web:r1", "shop/web:r2"]),
        (f"shop/web:r2@{A}", ["shop/web:r2"]),
        ("alpine:3", ["docker.io/library/alpine:3"]),
        ("index.docker.io/library/alpine", ["docker.io/library/alpine:3"]),
    ],
)
def test_pick_takes_what_an_images_list_takes(name: str, expected: list[str]) -> None:
    entries = [entry("shop/web:r1"), entry("shop/web:r2"), entry("docker.io/library/alpine:3")]
    assert [str(found.name) for found in pick([name], entries)] == expected


def test_pick_names_what_is_no_reference() -> None:
    with pytest.raises(UsageError) as caught:
        pick(["Web", "db:r1"], [entry("db:r1")])
    (finding,) = caught.value.findings
    assert finding.startswith("Web: not a valid repository name")


def test_an_image_without_a_tag_is_picked_by_its_digest() -> None:
    untagged = FoundImage(ImageName.by_digest("shop/web", A), "here", lambda: entry("x:y").load(), A)
    assert select([Reference.parse(f"registry.local/shop/web@{A}")], [entry("shop/web:r1", B), untagged]) == [untagged]


def test_what_is_no_list_at_all_is_told_briefly(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("/\n" * 5000)
    with pytest.raises(UsageError) as caught:
        read_images_list(tmp_path / "list")
    assert len(caught.value.findings) == 1001
    assert caught.value.findings[-1] == "and no further line was looked at"
