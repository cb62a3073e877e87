"""Images in registries as a source: a live registry gives what its storage gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch import limits
from airpatch.blobs.content import check_blob
from airpatch.errors import AirpatchError, IntegrityError, SourceError, UsageError
from airpatch.execution import Execution
from airpatch.model import manifest as types
from airpatch.model.digest import Digest
from airpatch.registry_api.access import PullOptions
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.pulling import Repository
from airpatch.registry_api.transport import Transport
from airpatch.sources.gather import Gathered, gather
from tests.registry_api.fault_proxy import fault_proxy
from tests.registry_api.http_server import Reply, Request, http_server
from tests.registry_api.pushed import Pushed
from tests.registry_api.registries import PLAIN
from tests.registry_api.sample import NAMES, expected
from tests.sources.sample_sources import pack
from tests.support import Builder, Recorder, descriptor, encode

OPTIONS = PullOptions(PLAIN)


def addresses(host: str) -> list[str]:
    return [f"docker://{host}/{name}" for name in NAMES]


def check_all(gathered: Gathered) -> None:
    blobs = [blob for blob in gathered.release.blobs if not blob.is_manifest]
    gathered.fetch((blob.digest for blob in blobs), Execution())
    for blob in blobs:
        check_blob(gathered.content, blob.digest, blob.size)


def test_a_registry_gives_what_its_storage_gives(plain: str, root: Path) -> None:
    found = gather(addresses(plain), pull=OPTIONS)
    assert found.release == expected(root).release
    assert pack(found) == pack(expected(root))


def test_lines_of_a_list_are_fetched_below_the_prefix(plain: str, root: Path, tmp_path: Path) -> None:
    lines = tmp_path / "images-list.txt"
    lines.write_text("worker:stable # moved\nregistry.example/web:r1\n")
    found = gather([], images_list=lines, images_from=f"docker://{plain}/shop", pull=OPTIONS)
    assert [str(image.name) for image in found.release.images] == ["web:r1", "worker:stable"]
    web = next(image for image in expected(root).release.images if str(image.name) == "shop/web:r1")
    assert found.release.images[0].manifest == web.manifest
    with pytest.raises(UsageError, match="--images-list"):
        gather([], images_from=f"docker://{plain}", pull=OPTIONS)


def test_lines_of_official_images_are_packed_without_library(plain: str, tmp_path: Path) -> None:
    lines = tmp_path / "images-list.txt"
    lines.write_text("library/alpine:3\nalpine:3\n")
    with pytest.raises(UsageError, match="different images") as caught:
        gather([], images_list=lines, images_from=f"docker://{plain}", pull=OPTIONS)
    assert "alpine:3 would be both" in caught.value.findings[0]


def test_an_image_by_digest_can_be_named(plain: str, root: Path) -> None:
    web = next(image for image in expected(root).release.images if str(image.name) == "shop/web:r1")
    address = f"docker://{plain}/shop/web@{web.manifest}"
    found = gather([address], pull=OPTIONS, tags=[f"{web.manifest}=web:new"])
    assert [str(image.name) for image in found.release.images] == ["web:new"]
    found = gather([address], pull=OPTIONS)
    assert found.release.images[0].name.digest == web.manifest


def test_all_that_is_missing_is_named(plain: str) -> None:
    with pytest.raises(SourceError) as caught:
        gather([f"docker://{plain}/shop/web:r9", f"docker://{plain}/nothing:r1", *addresses(plain)], pull=OPTIONS)
    assert any("shop/web:r9: is not there; the repository has 1 tag: r1" in f for f in caught.value.findings)
    assert any("nothing:r1: is not there, and the repository has no tags" in f for f in caught.value.findings)


def test_one_platform_stands_for_its_index(plain: str, root: Path) -> None:
    names = [f"docker://{plain}/proxy:r1", f"docker://{plain}/shop/web:r1"]
    whole = gather(names, pull=OPTIONS)
    one = gather(names, pull=PullOptions(PLAIN, platform="linux/arm64"))
    (index,) = (content for content in whole.manifests.values() if b'"manifests"' in content)
    (child,) = (c for c in json.loads(index)["manifests"] if c["platform"]["architecture"] == "arm64")
    assert one.release.images[0].manifest == Digest.parse(child["digest"])
    assert one.release.images[1] == whole.release.images[1]
    with pytest.raises(SourceError) as caught:
        gather(names, pull=PullOptions(PLAIN, platform="plan9/mips"))
    assert "has no image for plan9/mips; it has linux/a" in caught.value.findings[0]


def test_indexes_of_one_platform_within_each_other_end() -> None:
    platform = {"os": "linux", "architecture": "amd64"}
    manifests = [Builder().picture([b"layer"])]
    for _ in range(2000):
        child = descriptor(manifests[-1], types.OCI_INDEX) | {"platform": platform}
        manifests.append(encode({"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [child]}))
    stored = {str(Digest.of(content)): content for content in manifests}

    def answer(request: Request) -> Reply:
        content = stored.get(request.path.rpartition("/")[2], manifests[-1])
        return Reply(200, {"Content-Type": types.OCI_INDEX}, content)

    options = PullOptions(PLAIN, platform="linux/amd64")
    with http_server(answer) as host, pytest.raises(SourceError) as caught:
        gather([f"docker://{host}/shop/web:r1"], pull=options)
    assert caught.value.findings[0].endswith("/shop/web:r1: indexes are nested more than 8 deep")


def test_a_cache_is_filled_once_and_healed(plain: str, root: Path, tmp_path: Path) -> None:
    options = PullOptions(PLAIN, cache=tmp_path / "cache")
    check_all(gather(addresses(plain), pull=options))
    files = sorted((tmp_path / "cache/sha256").iterdir())
    assert {file.name for file in files} == {
        blob.digest.hex for blob in expected(root).release.blobs if not blob.is_manifest
    }
    files[0].write_bytes(b"damaged")
    with fault_proxy(plain, share=0.0) as proxy:
        check_all(gather([f"docker://{proxy.address}/{name}" for name in NAMES], pull=options))
        assert proxy.received < 100_000  # manifests, and the one blob
    assert Digest.of(files[0].read_bytes()).hex == files[0].name


def test_a_download_that_broke_off_goes_on_in_the_next_run(plain: str, root: Path, tmp_path: Path) -> None:
    blob = max(expected(root).release.blobs, key=lambda blob: blob.size)
    content = (root / f"docker/registry/v2/blobs/sha256/{blob.digest.hex[:2]}/{blob.digest.hex}/data").read_bytes()
    cache = tmp_path / "cache"
    (cache / "sha256").mkdir(parents=True)
    (cache / f"sha256/{blob.digest.hex}.partial").write_bytes(content[:-1000])
    with fault_proxy(plain, share=0.0) as proxy:
        found = gather([f"docker://{proxy.address}/{name}" for name in NAMES], pull=PullOptions(PLAIN, cache=cache))
        before = proxy.received
        found.fetch([blob.digest], Execution())
        assert proxy.received - before == 1000
    assert (cache / f"sha256/{blob.digest.hex}").read_bytes() == content


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_faults_on_the_way_do_no_harm(plain: str, root: Path, seed: int) -> None:
    with fault_proxy(plain, seed=seed, budget=40) as proxy:
        found = gather([f"docker://{proxy.address}/{name}" for name in NAMES], pull=OPTIONS)
        check_all(found)
        assert found.release == expected(root).release
        assert sum(proxy.seen.values()) > 10
    assert all("Authorization" not in headers for headers in proxy.store_headers)


def test_a_cut_costs_no_byte_twice(plain: str, root: Path) -> None:
    with fault_proxy(plain, faults=("cut",), share=0.7, budget=1000) as proxy:
        check_all(gather([f"docker://{proxy.address}/{name}" for name in NAMES], pull=OPTIONS))
        assert proxy.seen["cut"] > 10
        wanted = expected(root).release
        manifests = sum(blob.size for blob in wanted.blobs if blob.is_manifest)
        assert proxy.received <= wanted.size + 20 * manifests


def test_bytes_that_stay_wrong_are_refused(plain: str) -> None:
    with fault_proxy(plain, share=0.0) as proxy:
        found = gather([f"docker://{proxy.address}/shop/web:r1"], pull=OPTIONS)
        proxy.share, proxy.faults, proxy.budget = 1.0, ("flip",), 1000
        proxy._last = _Never()
        with pytest.raises(AirpatchError, match="has the digest sha256:") as caught:
            check_all(found)
        assert caught.value.exit_code == 4


class _Never(dict[str, int]):
    """Forgets how often a request was damaged."""

    def get(self, key: str, default: Any = None, /) -> Any:
        return 0


def test_signatures_and_attestations_come_along(tmp_path: Path) -> None:
    """By the tag schema and cosign's tags, from a registry without the referrers API."""
    with Pushed(tmp_path) as pushed:
        image = pushed.image("shop/web", "r1", b"a layer")
        sbom = pushed.image("shop/web", None, b"an sbom", subject=image)
        pushed.index("shop/web", f"sha256-{image.hex}", [sbom])
        pushed.image("shop/web", f"sha256-{image.hex}.sig", b"a signature")
        pushed.image("shop/web", f"sha256-{sbom.hex}.att", b"an attestation")
        options = PullOptions(PLAIN, referrers=True)
        found = gather([f"docker://{pushed.host}/shop/web:r1"], pull=options)
        check_all(found)
        assert [image.name.tag for image in found.release.images] == sorted(
            ["r1", f"sha256-{image.hex}", f"sha256-{image.hex}.sig", f"sha256-{sbom.hex}.att"]
        )
        assert sbom in found.manifests
        assert len(gather([f"docker://{pushed.host}/shop/web:r1"], pull=OPTIONS).release.images) == 1


def test_a_bundle_is_the_same_whatever_happens_on_the_way(plain: str, tmp_path: Path) -> None:
    names = [f"docker://{plain}/{name}" for name in NAMES]
    airpatch.create(names, tmp_path / "expected", pull=PullOptions(PLAIN))
    with fault_proxy(plain, seed=4, budget=40) as proxy:
        progress = Recorder()
        through = [f"docker://{proxy.address}/{name}" for name in NAMES]
        airpatch.create(through, tmp_path / "made", pull=PullOptions(PLAIN), execution=Execution(progress=progress))
        assert sum(proxy.seen.values()) > 10
    assert (tmp_path / "made").read_bytes() == (tmp_path / "expected").read_bytes()
    assert progress.labels == ["packing r1"]
    assert progress.adds_up


def test_a_registry_that_is_gone_is_said_at_once(plain: str, tmp_path: Path) -> None:
    asked = 0
    with fault_proxy(plain, share=0.0) as proxy:

        def refusing(request: Request) -> Reply:
            nonlocal asked
            if request.method == "GET" and "/blobs/" in request.path:
                asked += 1
                return Reply(403, {}, b'{"errors": [{"code": "DENIED", "message": "no more today"}]}')
            return proxy(request)

        with http_server(refusing) as host, pytest.raises(SourceError, match="no more today"):
            airpatch.create([f"docker://{host}/{name}" for name in NAMES], tmp_path / "made", pull=PullOptions(PLAIN))
    assert asked <= PLAIN.connections
    assert not (tmp_path / "made").exists()


BLOB = bytes(range(256)) * 40
DIGEST = Digest.of(BLOB)


class Pieces:
    """A sink that has `content` already."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.is_cancelled = False

    @property
    def size(self) -> int:
        return len(self.content)

    def write(self, piece: bytes) -> None:
        self.content += piece

    def resume(self) -> None:
        if self.is_cancelled:
            raise CancelledError

    def restart(self) -> None:
        self.content.clear()

    def digest(self) -> Digest:
        return Digest.of(bytes(self.content))


@contextmanager
def asking(answer: Callable[[Request], Reply]) -> Iterator[Repository]:
    with http_server(answer) as host, closing(Transport(RegistryPlace(host, ""), PLAIN, SourceError)) as transport:
        yield Repository(transport, "shop/web")


def test_a_download_that_is_cancelled_is_not_tried_again() -> None:
    digest = Digest.of(b"content")
    sink = Pieces()

    def cut(_request: Request) -> Reply:
        sink.is_cancelled = True
        return Reply(200, {"Content-Length": "7"}, b"content", cut=3)

    with asking(cut) as repository, pytest.raises(CancelledError):
        repository.download(digest, 7, sink)
    assert sink.content == b"con"


def downloaded(answer: Callable[[Request], Reply], there: bytes = b"") -> bytes:
    sink = Pieces(there)
    with asking(answer) as repository:
        repository.download(DIGEST, len(BLOB), sink)
    return bytes(sink.content)


def test_a_registry_without_ranges_sends_all_again() -> None:
    assert downloaded(lambda _: Reply(200, {}, BLOB, piece=700), BLOB[:1000]) == BLOB


def test_what_is_there_and_wrong_is_fetched_anew() -> None:
    def answer(request: Request) -> Reply:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if start == 0:
            return Reply(200, {}, BLOB)
        return Reply(206, {"Content-Range": f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"}, BLOB[start:])

    assert downloaded(answer, b"wrong") == BLOB
    assert downloaded(answer, bytes(len(BLOB))) == BLOB
    assert downloaded(answer, BLOB[:-1]) == BLOB


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(200, {}, BLOB + b"more"), "sent more than its"),
        (Reply(206, {"Content-Range": "bytes 7-9/10"}, b"789"), "sent another range"),
        (Reply(416), "has fewer bytes of it than expected"),
        (Reply(200, {}, bytes(len(BLOB))), "has the digest"),
    ],
)
def test_answers_that_stay_wrong_are_refused(reply: Reply, message: str) -> None:
    with pytest.raises(IntegrityError, match=f"{message}.*each of 3 times"):
        downloaded(lambda _: reply)


def test_what_a_registry_may_answer_to_questions() -> None:
    replies = {
        "HEAD /v2/shop/web/manifests/gone": Reply(404),
        "HEAD /v2/shop/web/manifests/odd": Reply(200, {"Docker-Content-Digest": "md5:0"}),
        f"HEAD /v2/shop/web/blobs/{DIGEST}": Reply(307, {"Location": "https://store.example/x"}),
        "GET /v2/shop/web/manifests/gone": Reply(404),
        "GET /v2/shop/web/manifests/huge": Reply(200, {}, bytes(limits.MANIFEST.value + 1)),
        "GET /v2/shop/web/manifests/secret": Reply(403),
        "GET /v2/shop/web/tags/list": Reply(200, {}, b"<html>"),
        f"GET /v2/shop/web/referrers/{DIGEST}": Reply(200, {}, b'{"manifests": [{"digest": "md5:0"}, 7]}'),
    }
    with asking(lambda request: replies[f"{request.method} {request.path.partition('?')[0]}"]) as repository:
        assert repository.head_manifest("gone") is None
        assert repository.head_manifest("odd") is None
        assert repository.blob_size(DIGEST, 7) == 7
        assert repository.find_manifest("gone") is None
        with pytest.raises(SourceError, match=r"web:huge: its manifest is an answer of more than"):
            repository.find_manifest("huge")
        with pytest.raises(SourceError, match="access is denied"):
            repository.find_manifest("secret")
        with pytest.raises(SourceError, match="is not a registry: its answer is not JSON"):
            repository.tags()
        assert repository.referrers(DIGEST) == []


def test_lists_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Reply:
        last = int(request.path.partition("last=")[2] or 0)
        following = {"Link": f'</v2/shop/web/tags/list?n=1&last={last + 1}>; rel="next"'} if last < 5 else {}
        return Reply(200, following, b'{"tags": ["t%d"]}' % last)

    with asking(answer) as repository:
        assert repository.tags() == ["t0", "t1", "t2", "t3", "t4", "t5"]
        monkeypatch.setattr("airpatch.registry_api.pulling._MOST_PAGES", 3)
        with pytest.raises(SourceError, match="has more than 3 pages of tags"):
            repository.tags()
    with asking(lambda _: Reply(404)) as repository:
        assert repository.tags() == []
        assert repository.referrers(DIGEST) is None


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(200, {"Link": "</v2/shop/web/tags/list?n=1000>"}, b"{}"), "pages of tags go round in a circle"),
        (Reply(200, {"Link": "<http://[x>"}, b"{}"), "refers to 'http://\\[x', which is no URL"),
        (Reply(200, {"Link": "<file:///etc/passwd>"}, b"{}"), "is not followed"),
        (Reply(200, {}, b"[" * 200_000), "its answer is not JSON"),
    ],
)
def test_lists_that_lead_nowhere(reply: Reply, message: str) -> None:
    with asking(lambda _: reply) as repository, pytest.raises(SourceError, match=message):
        repository.tags()


def test_lists_hold_what_they_should_and_no_more_than_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter(range(100))

    def endless(_: Request) -> Reply:
        following = {"Link": f'<list?n=1&last={next(pages)}>; rel="next"'}
        return Reply(200, following, json.dumps({"tags": ["a", 5, "no tag", "x" * 10_000, None]}).encode())

    monkeypatch.setattr(limits.VALUES, "value", 10)
    with asking(endless) as repository, pytest.raises(SourceError, match=r"more tags than 10 \(--limit values"):
        repository.tags()
    assert next(pages) == 11


def test_a_length_that_is_no_number_is_as_none() -> None:
    with asking(lambda _: Reply(200, {"Content-Length": "9" * 5000})) as repository:
        assert repository.blob_size(DIGEST, 7) == 7


@pytest.mark.parametrize("many", [True, False])
def test_what_refers_to_an_image_is_bounded(many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Builder()
    top = made.picture([b"layer"])
    others = [made.picture([b"%d" % number]) for number in range(3)]
    stored = {str(Digest.of(content)): content for content in (top, *others)}
    digests = [str(Digest.of(b"%d" % number)) for number in range(1001)] if many else list(stored)[1:]

    def answer(request: Request) -> Reply:
        if "/referrers/" in request.path:
            return Reply(200, {}, json.dumps({"manifests": [{"digest": digest} for digest in digests]}).encode())
        reference = request.path.rpartition("/")[2]
        content = top if reference == "r1" else stored.get(reference)
        return Reply(404) if content is None else Reply(200, {}, content)

    if not many:
        monkeypatch.setattr(limits.MANIFESTS, "value", len(top) + len(others[0]))
    options = PullOptions(PLAIN, referrers=True)
    with http_server(answer) as host, pytest.raises(SourceError) as caught:
        gather([f"docker://{host}/shop/web:r1"], pull=options)
    message = "more than 1000 manifests refer to it" if many else "have more than"
    assert message in caught.value.findings[0]
