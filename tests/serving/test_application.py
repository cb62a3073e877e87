"""The registry's API. Tests of the groups Pull and Content Discovery are named after those of the conformance suite of
the OCI distribution-spec (`conformance/02_pull_test.go`, `04_discovery_test.go`), with what they demand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.errors import BaseMismatch, SourceError, TargetError, TrustError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.registry_api.access import PullOptions
from airpatch.serving.application import RegistryApplication
from airpatch.serving.catalog import Catalog, ServedRepository
from airpatch.sources.gather import gather
from tests.registry.server import skopeo
from tests.registry_api.fault_proxy import fault_proxy
from tests.registry_api.http_server import Reply, Request, http_server
from tests.registry_api.pushed import Pushed
from tests.registry_api.registries import PLAIN
from tests.serving.conftest import Serving
from tests.sources.sample_sources import pack

Serve = Callable[..., Serving]
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def one(serve: Serve, bundles: dict[str, Path]) -> Serving:
    return serve(bundles["full1"])


def image(bundles: dict[str, Path], name: str = "shop/web:r1") -> tuple[Digest, list[Digest]]:
    """Manifest and blobs of an image of the first release."""
    with airpatch.open_bundle(bundles["full1"]) as bundle:
        top = next(each.manifest for each in bundle.index.release.images if str(each.name) == name)
        return top, [blob.digest for blob in parse_manifest(bundle.manifests()[top]).blobs]


def names_of(bundle: Path, host: str) -> list[str]:
    with airpatch.open_bundle(bundle) as opened:
        return [f"docker://{host}/{each.name}" for each in opened.index.release.images]


# Pull


def test_pull_head_request_to_nonexistent_blob_should_result_in_404_response(one: Serving) -> None:
    assert one.get(f"/v2/shop/web/blobs/{ABSENT}", "HEAD")[0] == 404


def test_pull_head_request_to_existing_blob_should_yield_200(one: Serving, bundles: dict[str, Path]) -> None:
    for blob in image(bundles)[1]:
        status, body, headers = one.get(f"/v2/shop/web/blobs/{blob}", "HEAD")
        assert (status, body, headers["Docker-Content-Digest"]) == (200, b"", str(blob))
        assert int(headers["Content-Length"]) > 0


def test_pull_get_nonexistent_blob_should_result_in_404_response(one: Serving) -> None:
    assert one.error(f"/v2/shop/web/blobs/{ABSENT}") == (404, "BLOB_UNKNOWN")


def test_pull_get_request_to_existing_blob_url_should_yield_200(one: Serving, bundles: dict[str, Path]) -> None:
    for blob in image(bundles)[1]:
        status, body, headers = one.get(f"/v2/shop/web/blobs/{blob}")
        assert (status, Digest.of(body)) == (200, blob)
        assert headers["Content-Length"] == str(len(body))


def test_pull_head_request_to_nonexistent_manifest_should_return_404(one: Serving) -> None:
    assert one.get("/v2/shop/web/manifests/.INVALID_MANIFEST_NAME", "HEAD")[0] == 404
    assert one.get(f"/v2/shop/web/manifests/{ABSENT}", "HEAD")[0] == 404


@pytest.mark.parametrize("by", ["digest", "tag"])
def test_pull_head_request_to_manifest_should_yield_200_response(
    one: Serving, bundles: dict[str, Path], by: str
) -> None:
    top, _ = image(bundles)
    status, body, headers = one.get(f"/v2/shop/web/manifests/{top if by == 'digest' else 'r1'}", "HEAD")
    assert (status, body, headers["Docker-Content-Digest"]) == (200, b"", str(top))


def test_pull_get_nonexistent_manifest_should_return_404(one: Serving) -> None:
    assert one.error("/v2/shop/web/manifests/.INVALID_MANIFEST_NAME") == (404, "MANIFEST_UNKNOWN")
    assert one.error("/v2/nothing/manifests/r1") == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize("by", ["digest", "tag"])
def test_pull_get_request_to_manifest_should_yield_200_response(
    one: Serving, bundles: dict[str, Path], by: str
) -> None:
    top, _ = image(bundles)
    status, body, headers = one.get(f"/v2/shop/web/manifests/{top if by == 'digest' else 'r1'}")
    assert (status, Digest.of(body)) == (200, top)
    assert headers["Content-Type"] == parse_manifest(body).media_type


def test_pull_400_response_body_should_contain_oci_conforming_json_message(one: Serving) -> None:
    status, body, headers = one.get("/v2/shop/web/manifests/sha256:totallywrong")
    assert status in (400, 404)
    assert headers["Content-Type"] == "application/json"
    assert set(json.loads(body)["errors"][0]) == {"code", "message"}


# Content Discovery


def test_discovery_get_request_to_list_tags_should_yield_200_response(one: Serving) -> None:
    status, body, _ = one.get("/v2/shop/worker/tags/list")
    assert (status, json.loads(body)) == (200, {"name": "shop/worker", "tags": ["r1", "stable"]})
    assert one.error("/v2/nothing/tags/list") == (404, "NAME_UNKNOWN")


def test_discovery_get_number_of_tags_should_be_limitable_by_n_query_parameter(one: Serving) -> None:
    status, body, headers = one.get("/v2/shop/worker/tags/list?n=1")
    assert (status, json.loads(body)["tags"]) == (200, ["r1"])
    assert headers["Link"] == '</v2/shop/worker/tags/list?n=1&last=r1>; rel="next"'
    assert one.error("/v2/shop/worker/tags/list?n=-1") == (400, "PAGINATION_NUMBER_INVALID")
    assert json.loads(one.get("/v2/shop/worker/tags/list?n=0")[1])["tags"] == []


def test_discovery_get_start_of_tag_is_set_by_last_query_parameter(one: Serving) -> None:
    _, body, headers = one.get("/v2/shop/worker/tags/list?n=5&last=r1")
    assert json.loads(body)["tags"] == ["stable"]
    assert "Link" not in headers


def test_discovery_get_request_to_nonexistent_referrers_list_should_yield_empty_index(one: Serving) -> None:
    status, body, headers = one.get(f"/v2/shop/web/referrers/{ABSENT}")
    assert (status, headers["Content-Type"]) == (200, "application/vnd.oci.image.index.v1+json")
    assert json.loads(body)["manifests"] == []


@pytest.fixture
def referred(serve: Serve, tmp_path: Path) -> tuple[Serving, Digest, Digest]:
    """An image and what refers to it."""
    with Pushed(tmp_path) as pushed:
        top = pushed.image("web", "r1", b"a layer")
        sbom = pushed.image("web", None, b"an sbom", subject=top)
        pushed.index("web", f"sha256-{top.hex}", [sbom])
        options = PullOptions(PLAIN, referrers=True)
        airpatch.create(f"docker://{pushed.host}/web:r1", tmp_path / "bundle", pull=options)
    return serve(tmp_path / "bundle"), top, sbom


def test_discovery_get_request_to_existing_referrers_should_list_them(referred: tuple[Serving, Digest, Digest]) -> None:
    registry, top, sbom = referred
    status, body, _ = registry.get(f"/v2/web/referrers/{top}")
    (entry,) = json.loads(body)["manifests"]
    assert (status, entry["digest"]) == (200, str(sbom))
    assert entry["artifactType"] == "application/vnd.oci.image.config.v1+json"


def test_discovery_get_request_to_existing_referrers_with_filter(referred: tuple[Serving, Digest, Digest]) -> None:
    registry, top, _ = referred
    kind = "application%2Fvnd.oci.image.config.v1%2Bjson"
    _, body, headers = registry.get(f"/v2/web/referrers/{top}?artifactType={kind}")
    assert len(json.loads(body)["manifests"]) == 1
    assert headers["OCI-Filters-Applied"] == "artifactType"
    _, body, _ = registry.get(f"/v2/web/referrers/{top}?artifactType=other")
    assert json.loads(body)["manifests"] == []


# All else


def test_what_refers_to_an_image_comes_back_as_it_was(referred: tuple[Serving, Digest, Digest], tmp_path: Path) -> None:
    """The referrers API tells of them, and the tag has their index, byte for byte."""
    options = PullOptions(PLAIN, referrers=True)
    airpatch.create(f"docker://{referred[0].host}/web:r1", tmp_path / "again", pull=options)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "bundle").read_bytes()


def test_what_only_the_api_tells_gets_an_index(serve: Serve, tmp_path: Path) -> None:
    options = PullOptions(PLAIN, referrers=True)
    with Pushed(tmp_path) as pushed:
        top = pushed.image("web", "r1", b"a layer")
        sbom = pushed.image("web", "sbom", b"an sbom", subject=top)
        airpatch.create(
            [f"docker://{pushed.host}/web:{tag}" for tag in ("r1", "sbom")], tmp_path / "bundle", pull=options
        )
    registry = serve(tmp_path / "bundle")
    found = gather([f"docker://{registry.host}/web:r1"], pull=options)
    index = next(image for image in found.release.images if image.name.tag == f"sha256-{top.hex}")
    (entry,) = parse_manifest(found.manifests[index.manifest]).manifests
    assert entry.digest == sbom
    with fault_proxy(registry.host, share=0.0) as proxy:

        def losing(request: Request) -> Reply:
            return Reply(404) if request.path.endswith(f"/manifests/{sbom}") else proxy(request)

        with http_server(losing) as host, pytest.raises(SourceError) as caught:
            gather([f"docker://{host}/web:r1"], pull=options)
    assert f"{sbom}: is not there, and should refer to {top}" in str(caught.value.findings)


def test_the_base_says_that_it_is_a_registry(one: Serving) -> None:
    status, body, headers = one.get("/v2/")
    assert (status, body, headers["Docker-Distribution-API-Version"]) == (200, b"{}", "registry/2.0")
    assert one.get("/")[0] == 404
    assert one.get("/v2/web/other/thing")[0] == 404


def test_the_catalog_has_pages(one: Serving) -> None:
    everything = json.loads(one.get("/v2/_catalog")[1])["repositories"]
    assert everything == sorted(everything)
    assert "shop/web" in everything
    found: list[str] = []
    path = "/v2/_catalog?n=2"
    while path:
        _, body, headers = one.get(path)
        found += json.loads(body)["repositories"]
        path = headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert found == everything


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/shop/web/blobs/uploads/"),
        ("PATCH", "/v2/shop/web/blobs/uploads/1"),
        ("PUT", "/v2/shop/web/manifests/r1"),
        ("DELETE", f"/v2/shop/web/blobs/{ABSENT}"),
        ("DELETE", "/v2/shop/web/manifests/r1"),
    ],
)
def test_writes_are_unsupported(one: Serving, method: str, path: str) -> None:
    assert one.error(path, method) == (405, "UNSUPPORTED")
    assert one.get(path, method)[2]["Allow"] == "GET, HEAD"


def test_ranges_and_conditions(one: Serving, bundles: dict[str, Path]) -> None:
    blob = image(bundles)[1][1]
    path = f"/v2/shop/web/blobs/{blob}"
    whole = one.get(path)[1]
    size = len(whole)
    for asked, start, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=5-99", 5, 100),
        (f"bytes={size - 1}-", size - 1, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=9-{size + 5}", 9, size),
        (f"bytes=-{size + 5}", 0, size),
        (f"bytes=9-{'9' * 5000}", 9, size),
        (f"bytes=-{'9' * 5000}", 0, size),
    ]:
        status, body, headers = one.get(path, Range=asked)
        assert (status, body) == (206, whole[start:end]), asked
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    for asked in ("bytes=5-2", "lines=1-2", "bytes=-", "bytes=0-1,3-4"):
        assert one.get(path, Range=asked)[:2] == (200, whole), asked
    for asked in (f"bytes={size}-", f"bytes={'9' * 5000}-", "bytes=-0"):
        status, _, headers = one.get(path, Range=asked)
        assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
    tag = one.get(path, "HEAD")[2]["ETag"]
    assert one.get(path, If_None_Match=f'"x", {tag}')[:2] == (304, b"")
    assert one.get(path, If_None_Match='"x"')[0] == 200
    assert one.get("/v2/shop/web/manifests/r1", If_None_Match="*")[0] == 304
    assert one.get(path, Range="bytes=0-0", If_Range=tag)[0] == 206
    assert one.get(path, Range="bytes=0-0", If_Range='"x"')[0] == 200


def test_a_blob_belongs_to_its_repository(one: Serving, bundles: dict[str, Path]) -> None:
    only = set(image(bundles)[1]) - set(image(bundles, "infra/settings:r1")[1])
    assert only
    for blob in only:
        assert one.error(f"/v2/infra/settings/blobs/{blob}") == (404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("kind", ["full2", "repacked", "patched"])
def test_what_is_pulled_is_what_was_packed(kind: str, serve: Serve, bundles: dict[str, Path]) -> None:
    files = [bundles["full1"], bundles["patch"]] if kind == "patched" else [bundles[kind]]
    registry = serve(*files, room=1)
    like = gather([str(bundles["full2"])])
    found = gather(names_of(bundles["full2"], registry.host), pull=PullOptions(PLAIN))
    assert pack(found) == pack(like)


def test_a_patch_upon_a_root(serve: Serve, bundles: dict[str, Path]) -> None:
    registry = serve(bundles["patch"], root=bundles["root"])
    like = gather([str(bundles["full2"])])
    assert pack(gather(names_of(bundles["full2"], registry.host), pull=PullOptions(PLAIN))) == pack(like)
    assert registry.get("/v2/shop/web/manifests/r1")[0] == 200  # of the root
    alone = serve(root=bundles["root"])
    assert alone.get("/v2/shop/web/manifests/r1")[0] == 200


@pytest.mark.slow
def test_skopeo_pulls(one: Serving, bundles: dict[str, Path], tmp_path: Path) -> None:
    skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{one.host}/proxy:r1", f"dir:{tmp_path / 'proxy'}")
    digest = hashlib.sha256((tmp_path / "proxy/manifest.json").read_bytes()).hexdigest()
    assert digest == image(bundles, "proxy:r1")[0].hex


def test_what_cannot_be_served_is_told(bundles: dict[str, Path], tmp_path: Path) -> None:
    refused: list[tuple[type[Exception], str, tuple[Path, ...], dict[str, Any]]] = [
        (UsageError, "nothing to serve", (), {}),
        (UsageError, "is a patch", (bundles["patch"],), {}),
        (UsageError, "is a full bundle", (bundles["full1"], bundles["full2"]), {}),
        (UsageError, "HOST:PORT", (bundles["full1"],), {"listen": "here"}),
        (TargetError, "cannot listen there", (bundles["full1"],), {"listen": "203.0.113.1:1"}),
        (
            UsageError,
            "not a usable certificate",
            (bundles["full1"],),
            {"listen": "127.0.0.1:0", "certificate": tmp_path / "no"},
        ),
    ]
    for kind, message, files, options in refused:
        with pytest.raises(kind, match=message):
            airpatch.serve(list(files), **options)
    (tmp_path / "empty/docker/registry/v2").mkdir(parents=True)
    with pytest.raises(BaseMismatch):
        airpatch.serve(bundles["patch"], root=tmp_path / "empty")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (tmp_path / "signers").write_text(f"us {(tmp_path / 'key.pub').read_text()}")
    with pytest.raises(TrustError):
        airpatch.serve(bundles["full1"], trusted=airpatch.trusted_signers(tmp_path / "signers"))


class Failing:
    """A content whose blob cannot be opened, or breaks off behind its first MiB."""

    def __init__(self, size: int, *, opens: bool) -> None:
        self._size = size
        self._opens = opens

    def size(self, digest: Digest) -> int | None:
        return self._size

    def open(self, digest: Digest, size: int) -> Failing:
        if not self._opens:
            raise SourceError("the disk is gone")
        return self

    def read_into(self, view: memoryview, offset: int) -> None:
        if offset:
            raise SourceError("the disk is going")

    def close(self) -> None:
        """Nothing is held open."""


def asked(content: Failing, path: str, method: str = "GET", kind: str = "http") -> list[dict[str, Any]]:
    """What an application sends that has `content` as its only blob, `ABSENT`."""
    catalog = Catalog([], {}, content)
    catalog.repositories["web"] = ServedRepository(blobs={Digest.parse(ABSENT): 3 << 20})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    scope = {"type": kind, "method": method, "path": path, "headers": []}
    try:
        asyncio.run(RegistryApplication(catalog)(scope, receive, send))
    except SourceError:
        sent.append({"type": "cut"})
    return sent


def test_a_blob_that_cannot_be_read_is_an_error_or_a_broken_connection() -> None:
    size = 3 << 20
    (start, body) = asked(Failing(size, opens=False), f"/v2/web/blobs/{ABSENT}")
    assert (start["status"], json.loads(body["body"])["errors"][0]["code"]) == (500, "UNKNOWN")
    start, first, last = asked(Failing(size, opens=True), f"/v2/web/blobs/{ABSENT}")
    assert (start["status"], len(first["body"]), first["more_body"], last) == (200, 1 << 20, True, {"type": "cut"})


def test_what_is_no_request_to_a_registry() -> None:
    nothing = Failing(0, opens=False)
    assert asked(nothing, "/", kind="websocket") == []
    assert asked(nothing, "/upload", "POST")[0]["status"] == 404
