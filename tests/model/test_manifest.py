"""What manifests refer to, and which are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.model import manifest as m
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest

DIGEST = str(Digest.of(b"x"))
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def image(**changes: Any) -> dict[str, Any]:
    value = {
        "schemaVersion": 2,
        "mediaType": m.OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 2},
        "layers": [{"mediaType": LAYER, "digest": DIGEST, "size": 3}],
    }
    return without_none(value | changes)


def index(**changes: Any) -> dict[str, Any]:
    child = {"mediaType": m.OCI_MANIFEST, "digest": DIGEST, "size": 2}
    return without_none({"schemaVersion": 2, "mediaType": m.OCI_INDEX, "manifests": [child]} | changes)


def layer(**changes: Any) -> dict[str, Any]:
    return image(layers=[without_none({"mediaType": LAYER, "digest": DIGEST, "size": 3} | changes)])


def without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}


def parse(value: object) -> m.Manifest:
    return parse_manifest(json.dumps(value).encode())


@pytest.mark.parametrize("media_type", [m.OCI_MANIFEST, m.DOCKER_MANIFEST])
def test_an_image_names_config_and_layers_in_order(media_type: str) -> None:
    parsed = parse(image(mediaType=media_type))
    assert parsed.media_type == media_type
    assert not parsed.is_index
    assert [(blob.size, blob.foreign) for blob in parsed.blobs] == [(2, False), (3, False)]


@pytest.mark.parametrize("media_type", [m.OCI_INDEX, m.DOCKER_LIST])
def test_an_index_names_its_children(media_type: str) -> None:
    parsed = parse(index(mediaType=media_type))
    assert parsed.is_index
    assert [child.digest for child in parsed.manifests] == [Digest.of(b"x")]


def test_without_media_type_it_is_an_oci_one() -> None:
    assert parse(image(mediaType=None)).media_type == m.OCI_MANIFEST
    assert parse(index(mediaType=None)).media_type == m.OCI_INDEX


@pytest.mark.parametrize("layers", [b', "layers": null', b', "layers": []', b""])
def test_08_an_image_may_have_no_layers_however_that_is_written(layers: bytes) -> None:
    content = b'{"schemaVersion": 2, "config": {"digest": "%s", "size": 2}%s}' % (DIGEST.encode(), layers)
    parsed = parse_manifest(content)
    assert parsed.media_type == m.OCI_MANIFEST
    assert [blob.size for blob in parsed.blobs] == [2]


@pytest.mark.parametrize("manifests", [b', "manifests": null', b', "manifests": []', b""])
def test_08_an_index_may_have_no_children_however_that_is_written(manifests: bytes) -> None:
    parsed = parse_manifest(b'{"schemaVersion": 2, "mediaType": "%s"%s}' % (m.OCI_INDEX.encode(), manifests))
    assert parsed.is_index
    assert parsed.manifests == ()


def test_null_manifests_without_a_type_are_an_image_as_for_distribution() -> None:
    content = b'{"schemaVersion": 2, "manifests": null, "config": {"digest": "%s", "size": 2}}' % DIGEST.encode()
    assert parse_manifest(content).media_type == m.OCI_MANIFEST


def test_platforms_and_subjects_are_read() -> None:
    platform = {"os": "linux", "architecture": "arm", "variant": "v7"}
    child = {"mediaType": m.OCI_MANIFEST, "digest": DIGEST, "size": 2, "platform": platform}
    parsed = parse(index(manifests=[child, {**child, "platform": {}}], subject=child))
    assert [child.platform for child in parsed.manifests] == ["linux/arm/v7", ""]
    assert parse(index(manifests=[{**child, "platform": None}])).manifests[0].platform == ""
    assert parsed.subject == Digest.of(b"x")
    assert parse(image()).subject is None


def test_a_config_may_lack_its_media_type() -> None:
    parsed = parse(image(mediaType=m.DOCKER_MANIFEST, config={"digest": DIGEST, "size": 2}))
    assert parsed.blobs[0].media_type == "application/vnd.docker.container.image.v1+json"


@pytest.mark.parametrize(
    "value",
    [
        layer(urls=["https://example.com/x"]),
        layer(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        layer(mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    ],
)
def test_foreign_layers_are_marked(value: object) -> None:
    assert parse(value).blobs[1].foreign


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(image(manifests=[]), id="layers and manifests"),
        pytest.param(index(layers=[]), id="manifests and layers"),
        pytest.param(image(mediaType=m.OCI_INDEX), id="image called an index"),
        pytest.param(index(mediaType=m.DOCKER_MANIFEST), id="index called an image"),
        pytest.param(index(config={}), id="index with a config"),
        pytest.param(image(fsLayers=[]), id="fsLayers of schema 1"),
        pytest.param(index(history=[]), id="history of schema 1"),
        pytest.param(image(mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"), id="schema 1 type"),
        pytest.param({"schemaVersion": 1, "fsLayers": [], "history": []}, id="schema 1"),
        pytest.param(image(schemaVersion=3), id="schema 3"),
        pytest.param(image(schemaVersion=None), id="no schema version"),
        pytest.param(image(mediaType=["x"]), id="type is a list"),
        pytest.param(image(config=None), id="no config"),
        pytest.param(image(config=[]), id="config is a list"),
        pytest.param(image(layers={}), id="layers is an object"),
        pytest.param(image(layers=["x"]), id="a layer is a string"),
        pytest.param(index(manifests="x"), id="manifests is a string"),
        pytest.param(index(manifests=[{"mediaType": LAYER, "digest": DIGEST, "size": 1}]), id="a layer as a child"),
        pytest.param(layer(mediaType=m.OCI_MANIFEST), id="a manifest as a layer"),
        pytest.param(layer(mediaType=None), id="layer without type"),
        pytest.param(layer(mediaType=""), id="empty type"),
        pytest.param(layer(mediaType="x" * 256), id="long type"),
        pytest.param(layer(mediaType="caf\u00e9/x"), id="type not ASCII"),
        pytest.param(layer(mediaType="a/\x1b[2J"), id="type with control characters"),
        pytest.param(layer(size=None), id="no size"),
        pytest.param(layer(size=-1), id="negative size"),
        pytest.param(layer(size=2**63), id="size over the limit"),
        pytest.param(layer(size=1.0), id="size is a float"),
        pytest.param(layer(size=True), id="size is a bool"),
        pytest.param(layer(size="3"), id="size is a string"),
        pytest.param(layer(digest=None), id="no digest"),
        pytest.param(layer(digest="sha256:../../x"), id="digest is a path"),
        pytest.param(layer(digest="sha512:" + "0" * 128), id="unknown algorithm"),
        pytest.param([], id="a list"),
        pytest.param(None, id="null"),
    ],
)
def test_adversary_30_contradictory_and_unknown_manifests(value: object) -> None:
    with pytest.raises(FormatError):
        parse(value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"schemaVersion":' + b"9" * 5000 + b"}",
        json.dumps(image()).encode() + b"x",
    ],
    ids=["empty", "cut short", "no text", "deep lists", "deep objects", "a number of 5000 digits", "trailing byte"],
)
def test_adversary_42_what_is_not_json(content: bytes) -> None:
    with pytest.raises(FormatError):
        parse_manifest(content)


def test_the_limit_of_size() -> None:
    content = json.dumps(image()).encode()
    assert parse_manifest(content.ljust(limits.MANIFEST.value))
    with pytest.raises(FormatError, match="bytes"):
        parse_manifest(content.ljust(limits.MANIFEST.value + 1))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([DIGEST, m.OCI_INDEX, LAYER]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["digest", "size", "mediaType"]), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests"]), _json))
def test_any_json_gives_a_manifest_or_a_format_error(changes: dict[str, Any]) -> None:
    for base in (image, index):
        try:
            parse(base(**changes))
        except FormatError:
            continue


def test_schema_1_is_named_with_the_way_out() -> None:
    with pytest.raises(FormatError, match=r"old schema 1.*'skopeo copy --format v2s2'"):
        parse_manifest(b'{"schemaVersion": 1, "name": "shop/web", "fsLayers": []}')
