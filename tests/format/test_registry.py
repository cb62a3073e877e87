"""Paths and links of a registry's storage."""

from __future__ import annotations

import pytest

from airpatch.errors import FormatError
from airpatch.format import registry
from airpatch.format.registry import Stage
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.names import ImageName
from tests.support import Builder

HEX = "ab" * 32
DIGEST = Digest.from_hex(HEX)


def test_paths_are_those_of_distribution() -> None:
    """The layout in distribution's `registry/storage/paths.go`."""
    repository = "docker/registry/v2/repositories/shop/web"
    name = ImageName("shop/web", "r1")
    assert registry.blob_path(DIGEST) == f"docker/registry/v2/blobs/sha256/ab/{HEX}/data"
    assert [
        link.path
        for link in (
            registry.layer_link("shop/web", DIGEST),
            registry.revision_link("shop/web", DIGEST),
            registry.tag_index_link(name, DIGEST),
            registry.tag_link(name, DIGEST),
        )
    ] == [
        f"{repository}/_layers/sha256/{HEX}/link",
        f"{repository}/_manifests/revisions/sha256/{HEX}/link",
        f"{repository}/_manifests/tags/r1/index/sha256/{HEX}/link",
        f"{repository}/_manifests/tags/r1/current/link",
    ]
    assert registry.tag_link(name, DIGEST).content == b"sha256:" + HEX.encode()


def test_blob_paths_are_recognised() -> None:
    match = registry.BLOB_PATH.fullmatch(registry.blob_path(DIGEST))
    assert match is not None
    assert match[2] == HEX
    for path in (f"docker/registry/v2/blobs/sha256/ac/{HEX}/data", registry.blob_path(DIGEST) + "x"):
        assert registry.BLOB_PATH.fullmatch(path) is None


def links_of(builder: Builder) -> list[registry.Link]:
    manifests = {digest: parse_manifest(content) for digest, content in builder.manifests.items()}
    return registry.links(builder.release, manifests)


def test_links_of_a_release(sample: Builder) -> None:
    found = links_of(sample)
    assert found == sorted(found)
    count = {stage: sum(link.stage is stage for link in found) for stage in Stage}
    # shop/web: config, two layers, one revision, two tags; proxy: three configs, base and three layers, four revisions
    assert count == {Stage.LAYER: 3 + 7, Stage.REVISION: 1 + 4, Stage.TAG_INDEX: 3, Stage.TAG: 3}
    revisions = {link.digest for link in found if link.stage is Stage.REVISION}
    assert revisions == set(sample.manifests)


def test_each_repository_has_its_own_links() -> None:
    builder = Builder()
    picture = builder.picture([b"x"])
    for name in ("a:r1", "a:r2", "a/b:r1"):
        builder.tag(name, picture)
    assert len(links_of(builder)) == 2 * 3 + 3 * 2


def test_a_bomb_of_links_is_refused(monkeypatch: pytest.MonkeyPatch, sample: Builder) -> None:
    """Adversary 41: few bytes of index may ask for very many links."""
    count = len(links_of(sample))
    monkeypatch.setattr(registry, "MAX_LINKS", count)
    assert len(links_of(sample)) == count
    monkeypatch.setattr(registry, "MAX_LINKS", count - 1)
    with pytest.raises(FormatError, match="links"):
        links_of(sample)


def test_work_that_gives_few_links_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each repository has the manifest, its config and all places of one layer."""
    builder = Builder()
    picture = builder.picture([b"x"] * 20)
    for number in range(10):
        builder.tag(f"a{number}:r1", picture)
    monkeypatch.setattr(registry, "MAX_ENTRIES", 10 * 22)
    assert len(links_of(builder)) == 10 * 5
    monkeypatch.setattr(registry, "MAX_ENTRIES", 10 * 22 - 1)
    with pytest.raises(FormatError, match="entries"):
        links_of(builder)


def test_what_an_index_lists_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two manifests, each with a config and a layer, and the index that lists both."""
    builder = Builder()
    builder.tag("a:r1", builder.index([builder.picture([b"x"]), builder.picture([b"y"])]))
    monkeypatch.setattr(registry, "MAX_ENTRIES", 2 * 3 + 3)
    assert links_of(builder)
    monkeypatch.setattr(registry, "MAX_ENTRIES", 2 * 3 + 2)
    with pytest.raises(FormatError, match="entries"):
        links_of(builder)


def test_each_link_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Digest] = []
    layer_link = registry.layer_link

    def counted(repository: str, digest: Digest) -> registry.Link:
        made.append(digest)
        return layer_link(repository, digest)

    monkeypatch.setattr(registry, "layer_link", counted)
    builder = Builder()
    for number in range(10):
        builder.tag(f"a:r{number}", builder.picture([b"x"] * 20 + [str(number).encode()]))
    links_of(builder)
    assert len(made) == len(set(made))
