"""Pushes into a live registry: what arrives is what was sent, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.blobs.content import BytesBlob
from airpatch.errors import BaseMismatch, IntegrityError, SourceError, TargetError, UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.registry_api.access import PullOptions, RegistryAccess
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.pushing import WritableRepository
from airpatch.registry_api.transport import Transport
from airpatch.sources.gather import Gathered, gather
from tests.operations.conftest import write_images
from tests.registry_api.authority import Issued
from tests.registry_api.fault_proxy import fault_proxy
from tests.registry_api.http_server import Cut, Reply, Request, http_server
from tests.registry_api.registries import PASSWORD, PLAIN, USER, login, registry
from tests.registry_api.sample import expected, make_tree
from tests.registry_api.token_server import ISSUER, SERVICE, TokenServer
from tests.registry_api.upload_registry import UploadRegistry
from tests.sources.sample_sources import IMAGES, pack
from tests.support import Recorder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Full bundles of two releases and the patch between them, with layer patches."""
    folder = tmp_path_factory.mktemp("bundles")
    r1, r2 = (make_tree(folder / name, name) for name in ("r1", "r2"))
    made = {name: folder / f"{name}.tar.zst" for name in ("full1", "full2", "patch", "whole")}
    airpatch.create(r1, made["full1"])
    airpatch.create(r2, made["full2"])
    airpatch.diff(made["full1"], r2, made["patch"], effort="fast")
    airpatch.diff(made["full1"], r2, made["whole"], layer_patches=False)
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of an empty registry, on `tmp_path / "target"`."""
    with registry(tmp_path / "target", tmp_path) as host:
        yield host


BUDGET = 60
PATIENT = replace(PLAIN, attempts=BUDGET + 1)
"""More attempts than a proxy has faults, so that none of these can be too many for one upload."""


def push(*sources: Path | str, to: str, **options: Any) -> airpatch.PushResult:
    return airpatch.push(list(sources), f"docker://{to}", **{"access": PLAIN, **options})


def pulled(host: str, like: Gathered, prefix: str = "") -> Gathered:
    """The images of `like` out of the registry, verified while they are packed."""
    names = [f"docker://{host}/{prefix}{image.name}" for image in like.release.images]
    return gather(names, pull=PullOptions(PLAIN))


def test_a_bundle_is_pushed_and_pulled(bundles: dict[str, Path], empty: str) -> None:
    like = gather([str(bundles["full1"])])
    done = push(bundles["full1"], to=empty)
    assert [blob.digest for blob in done.uploaded] == sorted(b.digest for b in like.release.blobs if not b.is_manifest)
    assert done.mounted > 0
    assert len(done.tags) == len(like.release.images)
    assert pack(pulled(empty, like)) == pack(like)
    again = push(bundles["full1"], to=empty)
    assert (again.uploaded, again.mounted, again.manifests, again.tags) == ((), 0, 0, ())


def test_a_root_is_pushed_below_a_prefix_and_renamed(root: Path, empty: str) -> None:
    like = expected(root)
    dry = push(root, to=f"{empty}/mirror", renames=["shop/=store/"], dry_run=True)
    assert "mirror/store/web:r1" in dry.tags
    done = push(root, to=f"{empty}/mirror", renames=["shop/=store/"])
    assert (done.uploaded, done.tags) == (dry.uploaded, dry.tags)
    found = gather([f"docker://{empty}/mirror/store/web:r1"], pull=PullOptions(PLAIN))
    assert found.release.images[0].manifest in {image.manifest for image in like.release.images}
    push(root, to=empty, images=["proxy"])
    assert gather([f"docker://{empty}/proxy:r1"], pull=PullOptions(PLAIN)).release.images


def test_one_registry_is_copied_to_another(plain: str, root: Path, empty: str) -> None:
    done = push(f"docker://{plain}/shop/web:r1", to=empty)
    assert done.tags == ("shop/web:r1",)
    assert gather([f"docker://{empty}/shop/web:r1"], pull=PullOptions(PLAIN)).release.images


def test_a_base_and_its_patch(bundles: dict[str, Path], empty: str) -> None:
    like = gather([str(bundles["full2"])])
    push(bundles["full1"], bundles["patch"], to=empty)
    assert pack(pulled(empty, like)) == pack(like)


def test_a_patch_alone_takes_the_registry_as_its_base(bundles: dict[str, Path], empty: str) -> None:
    push(bundles["full1"], to=empty)
    index = airpatch.open_bundle(bundles["patch"]).index
    assert index.patched
    like = gather([str(bundles["full2"])])
    done = push(bundles["patch"], to=empty)
    assert {b.digest for b in done.uploaded} >= {b.digest for b in index.patched}
    assert pack(pulled(empty, like)) == pack(like)
    assert push(bundles["patch"], to=empty).uploaded == ()


def test_a_patch_reads_its_sources_and_nothing_else(bundles: dict[str, Path], empty: str) -> None:
    push(bundles["full1"], to=empty)
    index = airpatch.open_bundle(bundles["patch"]).index
    sources = sum(source.size for source in index.sources)
    new = sum(blob.size for blob in (*index.stored, *index.patched))
    with fault_proxy(empty, share=0.0) as proxy:
        push(bundles["patch"], to=proxy.address)
        manifests = sum(blob.size for blob in index.release.blobs if blob.is_manifest)
        assert proxy.received <= sources + 4 * manifests + 20_000
        assert proxy.sent <= new + 4 * manifests


@pytest.mark.slow
def test_what_the_registry_lacks_is_asked_for(bundles: dict[str, Path], empty: str, tmp_path: Path) -> None:
    with pytest.raises(BaseMismatch) as caught:
        push(bundles["patch"], to=empty, request=tmp_path / "request")
    assert any(finding.startswith("images whose manifests are not here: ") for finding in caught.value.findings)
    # A base that has the manifests and lost a layer on which others are built:
    push(bundles["full1"], to=empty)
    index = airpatch.open_bundle(bundles["patch"]).index
    outside = next(s.digest for s in index.sources if s.digest not in {b.digest for b in index.release.blobs})
    data = tmp_path / f"target/docker/registry/v2/blobs/sha256/{outside.hex[:2]}/{outside.hex}/data"
    data.unlink()
    with pytest.raises(BaseMismatch) as caught:
        push(bundles["patch"], to=empty, request=tmp_path / "request")
    assert any(finding.startswith("shop/") for finding in caught.value.findings)
    made = {step.digest for step in index.steps if outside in step.sources}
    assert {blob.digest for blob in push(bundles["patch"], to=empty, dry_run=True).missing} >= made
    r2 = make_tree(tmp_path / "again", "r2")
    top_up = tmp_path / "top-up"
    airpatch.diff(tmp_path / "request", r2, top_up)
    push(bundles["patch"], top_up, to=empty)
    like = gather([str(bundles["full2"])])
    assert pack(pulled(empty, like)) == pack(like)


def test_what_an_empty_registry_lacks_is_asked_for_at_once(
    bundles: dict[str, Path], empty: str, tmp_path: Path
) -> None:
    """Manifests, and the layers that they would name: whoever carries files there goes once."""
    with pytest.raises(BaseMismatch):
        push(bundles["patch"], to=empty, request=tmp_path / "request")
    airpatch.diff(tmp_path / "request", make_tree(tmp_path / "again", "r2"), tmp_path / "top-up")
    push(bundles["patch"], tmp_path / "top-up", to=empty)
    like = gather([str(bundles["full2"])])
    assert pack(pulled(empty, like)) == pack(like)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_faults_on_the_way_do_no_harm(bundles: dict[str, Path], empty: str, seed: int) -> None:
    like = gather([str(bundles["full2"])])
    with fault_proxy(empty, seed=seed, budget=BUDGET) as proxy:
        push(bundles["full1"], to=proxy.address, access=PATIENT)
        push(bundles["patch"], to=proxy.address, access=PATIENT)
        assert sum(proxy.seen.values()) > 30
    assert pack(pulled(empty, like)) == pack(like)


def test_blobs_go_before_manifests_and_tags_come_last(bundles: dict[str, Path], empty: str) -> None:
    order: list[str] = []
    with fault_proxy(empty, share=0.0) as proxy:

        def noting(request: Request) -> Reply:
            order.append(f"{request.method} {request.path}")
            return proxy(request)

        with http_server(noting) as host:
            push(bundles["full1"], to=host)
    puts = [each for each in order if each.startswith("PUT")]
    kinds = ["blob" if "/blobs/" in put else "manifest" if "sha256:" in put else "tag" for put in puts]
    assert kinds == sorted(kinds)


def test_large_blobs_go_up_in_chunks(empty: str) -> None:
    content = os.urandom(20 << 20)
    digest = Digest.of(content)
    with fault_proxy(empty, share=0.0) as proxy:
        transport = Transport(RegistryPlace(proxy.address, ""), PLAIN, TargetError)
        repository = WritableRepository(transport, "big")
        reached: list[int] = []
        repository.upload(digest, len(content), lambda: BytesBlob(content), reached.append)
        assert reached[:2] == [8 << 20, 16 << 20]
        assert reached[-1] == len(content)
        assert proxy.sent == len(content)
        assert repository.blob_size(digest, 0) == len(content)
        # a chunk that never arrived is sent once more, and nothing else
        other = os.urandom(20 << 20)
        proxy.sent, proxy.share, proxy.budget, proxy.faults = 0, 1.0, 1, ("refuse",)
        repository.upload(Digest.of(other), len(other), lambda: BytesBlob(other), lambda _: None)
        assert proxy.sent <= len(other) + (8 << 20)
        transport.close()


BIG = bytes(range(256)) * (20 << 12)
"""20 MiB: two chunks and a rest."""


def upload(registry: UploadRegistry, content: bytes = BIG, said: Digest | None = None) -> None:
    """Send a blob, and check that it has arrived."""
    digest = said or Digest.of(content)
    with http_server(registry) as host, closing(Transport(RegistryPlace(host, ""), PLAIN, TargetError)) as transport:
        WritableRepository(transport, "big").upload(digest, len(content), lambda: BytesBlob(content), lambda _: None)
    assert registry.blobs[str(digest)] == content


def once(method: str, act: Callable[[], Reply | None]) -> Callable[[Request], Reply | None]:
    """Have the first request of that method end otherwise."""
    left = [act]

    def hook(request: Request) -> Reply | None:
        return left.pop()() if request.method == method and left else None

    return hook


def cut() -> Reply:
    raise Cut


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_what_a_registry_has_got_is_not_sent_again(method: str) -> None:
    """Even where it is the acknowledgement that was lost."""
    registry = UploadRegistry(after=once(method, cut))
    upload(registry)
    assert registry.sent == len(BIG)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("status", [404, 416])
def test_an_upload_that_the_registry_does_not_know_begins_again(method: str, status: int) -> None:
    registry = UploadRegistry(before=once(method, lambda: Reply(status)))
    upload(registry)
    assert registry.log.count("POST 0") == (1 if (method, status) == ("PATCH", 416) else 2)


def test_an_upload_of_which_the_registry_tells_nothing_begins_again() -> None:
    """As distribution does: the state in its address is older than what it has."""
    lose, deny = once("PATCH", cut), once("GET", lambda: Reply(404))
    registry = UploadRegistry(before=deny, after=lose)
    upload(registry)
    assert registry.sent == len(BIG) + (8 << 20)


def test_a_registry_may_demand_larger_chunks() -> None:
    registry = UploadRegistry(least_chunk=12 << 20)
    upload(registry)
    assert [line for line in registry.log if line.startswith("P")] == ["POST 0", f"PATCH {12 << 20}", f"PUT {8 << 20}"]


def test_what_a_registry_answers_to_uploads_that_is_of_no_use() -> None:
    with pytest.raises(TargetError, match="gives no location to upload to"):
        upload(UploadRegistry(before=once("POST", lambda: Reply(202))))
    with pytest.raises(TargetError, match="access is denied"):
        upload(UploadRegistry(before=once("PATCH", lambda: Reply(403))))
    with pytest.raises(TargetError, match=r"forgotten the upload \(tried 6 times\)"):
        upload(UploadRegistry(before=lambda request: Reply(404) if request.method == "PATCH" else None))


def test_a_blob_that_is_not_what_it_should_be_is_not_finished() -> None:
    registry = UploadRegistry()
    with pytest.raises(SourceError, match="has the digest"):
        upload(registry, BIG, Digest.of(b"something else"))
    assert not registry.blobs


def test_a_manifest_that_the_registry_keeps_under_another_digest() -> None:
    """Its word does not count, only what it gives."""
    content = b'{"schemaVersion": 2}'
    kept = [content]

    def answer(request: Request) -> Reply:
        other = {"Docker-Content-Digest": str(Digest.of(b"other"))}
        return Reply(201, other) if request.method == "PUT" else Reply(200, {}, kept[0])

    with http_server(answer) as host, closing(Transport(RegistryPlace(host, ""), PLAIN, TargetError)) as transport:
        repository = WritableRepository(transport, "shop/web")
        repository.put_manifest("r1", content, "application/json")
        kept[0] = b"{}"
        with pytest.raises(TargetError, match="the registry keeps it as sha256:"):
            repository.put_manifest("r1", content, "application/json")


def test_an_upload_that_was_begun_in_place_of_a_mount_is_cancelled() -> None:
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(f"{request.method} {request.path.partition('?')[0]}")
        return Reply({"POST": 202, "HEAD": 404}.get(request.method, 204), {"Location": "/v2/x/blobs/uploads/7"})

    with http_server(answer) as host, closing(Transport(RegistryPlace(host, ""), PLAIN, TargetError)) as transport:
        assert not WritableRepository(transport, "x").mount(Digest.of(b""), 0, "y")
    assert asked[:2] == ["POST /v2/x/blobs/uploads/", "DELETE /v2/x/blobs/uploads/7"]


def test_content_that_is_wrong_is_not_left_there(
    bundles: dict[str, Path], root: Path, empty: str, tmp_path: Path
) -> None:
    hurt = tmp_path / "hurt"
    shutil.copytree(root, hurt)
    blob = max(expected(root).release.blobs, key=lambda blob: blob.size)
    data = hurt / f"docker/registry/v2/blobs/sha256/{blob.digest.hex[:2]}/{blob.digest.hex}/data"
    content = bytearray(data.read_bytes())
    content[7] ^= 1
    data.write_bytes(content)
    with pytest.raises((SourceError, IntegrityError), match=f"content of {blob.digest} has the digest"):
        push(hurt, to=empty)
    transport = Transport(RegistryPlace(empty, ""), PLAIN, TargetError)
    assert WritableRepository(transport, "shop/web").tags() == []
    transport.close()


def test_names_that_no_registry_serves_are_refused(empty: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        push(str(IMAGES), to=empty)
    assert "registry.example:5000/shop/web: no registry serves a name with a port" in caught.value.findings[0]
    done = push(str(IMAGES), to=empty, renames=["registry.example:5000/=registry/"])
    assert "registry/shop/web:r1" in done.tags
    assert any("detached signatures of 2 images are not pushed" in warning for warning in done.warnings)


@pytest.mark.parametrize(
    ("renames", "message"),
    [
        (["shop/web"], "write OLD=NEW"),
        (["shop/web=one", "shop/worker=one"], "one:r1 would be two images"),
        (["shop/=shop//"], "shop//web"),
        (["shop/=store/", "nothing/=store/"], "--map nothing/=store/: no repository begins with nothing/"),
    ],
)
def test_renames_that_cannot_be(bundles: dict[str, Path], renames: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        push(bundles["full1"], to="127.0.0.1:1", renames=renames)
    assert message in f"{caught.value.message} {caught.value.findings}"


def test_tokens_for_pushes_and_mounts(
    bundles: dict[str, Path], tmp_path: Path, authority: Issued, server_certificate: Issued
) -> None:
    tokens = TokenServer(server_certificate, {USER: PASSWORD})
    with http_server(tokens, server_certificate) as realm:
        auth = {
            "token": {
                "realm": f"https://{realm}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(authority.certificate),
            }
        }
        with registry(tmp_path / "target", tmp_path, tls=server_certificate, auth=auth) as host:
            access = RegistryAccess(ca=authority.certificate, auth_file=login(tmp_path, host))
            done = airpatch.push(bundles["full1"], f"docker://{host}", access=access)
            assert done.mounted
            assert any(len(scopes) == 2 for scopes, _ in tokens.asked)
            (tmp_path / "config.json").write_text("{}")
            with pytest.raises(TargetError, match="demands credentials"):
                airpatch.push(bundles["full1"], f"docker://{host}", access=access)


@pytest.mark.slow
def test_where_mounts_are_denied_blobs_are_sent(bundles: dict[str, Path], empty: str) -> None:
    with fault_proxy(empty, share=0.0) as proxy:

        def denying(request: Request) -> Reply:
            if "mount=" in request.path:
                return Reply(403, {}, b'{"errors": [{"code": "DENIED", "message": "not from there"}]}')
            return proxy(request)

        with http_server(denying) as host:
            push(bundles["full1"], to=host)
    like = gather([str(bundles["full1"])])
    assert pack(pulled(empty, like)) == pack(like)


@pytest.mark.slow
def test_blobs_of_other_repositories_are_read_from_there_where_mounts_are_denied(
    bundles: dict[str, Path], empty: str
) -> None:
    push(bundles["full1"], to=empty, images=["shop/web"])
    mounts = 0
    with fault_proxy(empty, share=0.0) as proxy:

        def denying(request: Request) -> Reply:
            nonlocal mounts
            if "mount=" in request.path:
                mounts += 1
                return Reply(405, {}, b'{"errors": [{"code": "UNSUPPORTED", "message": "no mounts"}]}')
            return proxy(request)

        with http_server(denying) as host:
            push(bundles["full1"], to=host)
            push(bundles["patch"], to=host)
    assert mounts
    like = gather([str(bundles["full2"])])
    assert pack(pulled(empty, like)) == pack(like)


@pytest.mark.parametrize("mounts", [True, False])
def test_a_new_repository_of_a_patch_has_layers_of_another(empty: str, tmp_path: Path, *, mounts: bool) -> None:
    """They are mounted, or read from there where that is denied."""
    shared, own = os.urandom(5000), os.urandom(5000)
    write_images(tmp_path / "1", {"shop/old:1": [shared]})
    write_images(tmp_path / "2", {"shop/old:1": [shared], "shop/new:2": [shared, own]})
    airpatch.create(tmp_path / "1", tmp_path / "base")
    airpatch.diff(tmp_path / "base", tmp_path / "2", tmp_path / "patch")
    push(tmp_path / "base", to=empty)
    with fault_proxy(empty, share=0.0) as proxy:

        def answer(request: Request) -> Reply:
            return Reply(405) if "mount=" in request.path and not mounts else proxy(request)

        with http_server(answer) as host:
            done = push(tmp_path / "patch", to=host)
    assert done.mounted == 1
    assert Digest.of(shared) not in {blob.digest for blob in done.uploaded}
    assert (proxy.sent < 8000) == mounts
    like = gather([str(tmp_path / "2")])
    assert pack(pulled(empty, like)) == pack(like)


def test_a_refused_upload_ends_a_push(bundles: dict[str, Path], empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While layers are still being made; the refusal is what is said."""
    monkeypatch.setattr("airpatch.patches.delivery.Delivery._limit", 0)
    push(bundles["full1"], to=empty)
    with fault_proxy(empty, share=0.0) as proxy:

        def denying(request: Request) -> Reply:
            if request.method == "PUT" and "/blobs/uploads/" in request.path:
                return Reply(403, {}, b'{"errors": [{"code": "DENIED", "message": "the quota is used up"}]}')
            return proxy(request)

        with http_server(denying) as host, pytest.raises(TargetError, match="the quota is used up"):
            push(bundles["patch"], to=host, execution=Execution(jobs=1))
    assert push(bundles["full1"], to=empty).tags == ()


def test_a_push_upon_a_registry_tells_its_progress(bundles: dict[str, Path], empty: str) -> None:
    push(bundles["full1"], to=empty)
    progress = Recorder()
    push(bundles["patch"], to=empty, execution=replace(Execution(), progress=progress))
    assert progress.labels == [f"pushing to {empty}"]
    assert progress.adds_up


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["full1", "full2"], "is not a patch"),
        (["patch", "full1"], "is not a patch"),
        ([], "nothing to push"),
    ],
)
def test_what_cannot_be_pushed_together(bundles: dict[str, Path], words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        push(*(bundles[word] for word in words), to="127.0.0.1:1")


@pytest.mark.parametrize("place", ["http://[x", "file:///etc/passwd"])
def test_uploads_go_nowhere_but_over_http(place: str) -> None:
    with pytest.raises(TargetError, match="is no URL" if "[" in place else "is not followed"):
        upload(UploadRegistry(before=once("POST", lambda: Reply(202, {"Location": place}))))
