"""A real registry serves what airpatch has written, and skopeo pulls it, each image as it was packed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.view import look
from tests.registry.conftest import Releases, airpatch
from tests.registry.server import Registry, serving, skopeo, skopeo_push, write_config
from tests.registry.trees import IMAGES, differences, files, images, manifest_digest, split, tag_digests

Serve = Callable[[Path], Registry]


def assert_serves(registry: Registry, tree: Path, scratch: Path) -> None:
    assert differences(registry, tree, scratch) == []
    assert look(registry.root).findings == []


def assert_pulls(registry: Registry, tree: Path) -> None:
    """The same without skopeo, in a tenth of the time."""
    for image, digest in tag_digests(tree).items():
        assert registry.pull(*split(image)) == registry.pull(split(image)[0], digest) == digest
    assert look(registry.root).findings == []


def assert_collects_cleanly(registry: Registry) -> None:
    """A garbage collection ends well and takes nothing that a tag or a revision needs."""
    done = registry.collect()
    assert done.returncode == 0, done.stderr
    assert look(registry.root).findings == []


def test_a_full_bundle_is_served(releases: Releases, root: Path, serve: Serve, tmp_path: Path) -> None:
    airpatch("apply", releases.r1, "--root", root)
    registry = serve(root)
    assert_serves(registry, releases.r1_tree, tmp_path)
    assert_collects_cleanly(registry)
    assert_serves(registry, releases.r1_tree, tmp_path)


def test_adversary_59_plain_tools_make_a_registry_of_a_full_bundle(
    releases: Releases, root: Path, serve: Serve, tmp_path: Path
) -> None:
    root.mkdir()
    subprocess.run(["zstd", "-tq", str(releases.r1)], check=True)
    listed = subprocess.run(["tar", "--zstd", "-tf", str(releases.r1)], check=True, capture_output=True, text=True)
    assert "docker/registry/v2/repositories/shop/web/_manifests/tags/r1/current/link" in listed.stdout.splitlines()
    subprocess.run(["tar", "--zstd", "-xf", str(releases.r1), "-C", str(root)], check=True)
    registry = serve(root)
    assert_serves(registry, releases.r1_tree, tmp_path)
    airpatch("apply", releases.patch, "--root", root)
    assert_serves(registry, releases.r2_tree, tmp_path)
    assert_collects_cleanly(registry)


def test_a_patch_arrives_under_a_running_registry(releases: Releases, root: Path, serve: Serve, tmp_path: Path) -> None:
    registry = serve(root)
    airpatch("apply", releases.r1, "--root", root)
    assert_serves(registry, releases.r1_tree, tmp_path)
    airpatch("apply", releases.patch, "--root", root)
    assert_serves(registry, releases.r2_tree, tmp_path)
    assert_collects_cleanly(registry)
    assert look(root).tags == {
        name: digest.removeprefix("sha256:")
        for name, digest in (tag_digests(releases.r1_tree) | tag_digests(releases.r2_tree)).items()
    }


def test_layers_are_rebuilt_under_a_running_registry(
    releases: Releases, root: Path, serve: Serve, tmp_path: Path
) -> None:
    assert releases.layers.stat().st_size < releases.patch.stat().st_size // 2
    registry = serve(root)
    airpatch("apply", releases.r1, "--root", root)
    assert_pulls(registry, releases.r1_tree)
    airpatch("apply", releases.layers, "--root", root)
    assert_serves(registry, releases.r2_tree, tmp_path)
    assert_collects_cleanly(registry)
    assert_pulls(registry, releases.r2_tree)


def test_a_registry_that_was_pushed_to_is_a_base(releases: Releases, root: Path, serve: Serve, tmp_path: Path) -> None:
    registry = serve(root)
    for image, folder in images(releases.r1_tree).items():
        skopeo_push(registry, folder, image)
    airpatch("diff", "--no-layer-patches", "--base", root, releases.r2_tree, "-o", tmp_path / "patch.tar.zst")
    assert (tmp_path / "patch.tar.zst").stat().st_size < releases.r2.stat().st_size
    airpatch("apply", tmp_path / "patch.tar.zst", "--root", root)
    assert_serves(registry, releases.r2_tree, tmp_path)
    assert_collects_cleanly(registry)
    airpatch("inventory", root, "-o", tmp_path / "inventory")
    airpatch(
        "diff",
        "--no-layer-patches",
        "--base",
        tmp_path / "inventory",
        releases.r3_tree,
        "-o",
        tmp_path / "next.tar.zst",
    )
    airpatch("apply", tmp_path / "next.tar.zst", "--root", root)
    assert_serves(registry, releases.r3_tree, tmp_path)


@pytest.mark.parametrize("before", ["r1", "r2"])
def test_a_patch_that_fits_either_of_two_releases(
    releases: Releases, root: Path, serve: Serve, tmp_path: Path, before: str
) -> None:
    airpatch("apply", releases.r1 if before == "r1" else releases.r2, "--root", root)
    registry = serve(root)
    airpatch("apply", releases.either, "--root", root)
    assert_serves(registry, releases.r3_tree, tmp_path)


def test_rollback_and_prune_under_a_running_registry(
    releases: Releases, root: Path, serve: Serve, tmp_path: Path
) -> None:
    registry = serve(root)
    airpatch("apply", releases.r1, "--root", root)
    airpatch("apply", releases.patch, "--root", root)
    airpatch("apply", releases.either, "--root", root)
    assert_pulls(registry, releases.r3_tree)
    airpatch("rollback", root, "--to", "r1")
    assert_serves(registry, releases.r1_tree, tmp_path)
    airpatch("rollback", root, "--to", "r2")
    assert_pulls(registry, releases.r2_tree)
    airpatch("prune", root, "--keep", "2")
    assert_pulls(registry, releases.r2_tree)
    airpatch("prune", root, "--keep", "1")
    assert_serves(registry, releases.r2_tree, tmp_path)
    assert {name.rpartition(":")[2] for name in look(root).tags} == {"r2", "stable"}
    before = look(root).blobs
    assert_collects_cleanly(registry)
    assert look(root).blobs == before
    assert_pulls(registry, releases.r2_tree)


def test_prune_keeps_what_was_pushed(releases: Releases, root: Path, serve: Serve, tmp_path: Path) -> None:
    registry = serve(root)
    airpatch("apply", releases.r1, "--root", root)
    for image in ("tools/packaging:r1", "shop/web:r1"):
        skopeo_push(registry, releases.r1_tree / image, f"other/{image}")
        skopeo_push(registry, releases.r1_tree / image, image.replace("r1", "by-hand"))
    airpatch("apply", releases.patch, "--root", root)
    airpatch("prune", root, "--keep", "1")
    assert_collects_cleanly(registry)
    assert_serves(registry, releases.r2_tree, tmp_path)
    for image in ("tools/packaging:r1", "shop/web:r1"):
        digest = manifest_digest(releases.r1_tree / image)
        assert registry.pull(*split(f"other/{image}")) == digest
        assert registry.pull(*split(image.replace("r1", "by-hand"))) == digest


def test_a_registry_that_remembers_pruned_blobs_has_to_be_restarted_before_a_push(
    releases: Releases, root: Path, serve: Serve, tmp_path: Path
) -> None:
    """It tells skopeo that a blob is there, and takes a manifest without it; the message of prune warns of that."""
    image = "tools/packaging:r1"
    airpatch("apply", releases.r1, "--root", root)
    with serving(root, tmp_path) as registry:
        assert registry.pull(*split(image)) == manifest_digest(releases.r1_tree / image)
        airpatch("apply", releases.patch, "--root", root)
        airpatch("prune", root, "--keep", "1")
        assert look(root).findings == []
        skopeo_push(registry, releases.r1_tree / image, image)
        assert look(root).findings != []
    registry = serve(root)
    skopeo_push(registry, releases.r1_tree / image, image)
    assert_serves(registry, releases.r2_tree, tmp_path)
    assert registry.pull(*split(image)) == manifest_digest(releases.r1_tree / image)


def test_a_bundle_of_the_root_is_the_bundle_of_the_trees(releases: Releases, root: Path, serve: Serve) -> None:
    serve(root)
    airpatch("apply", releases.r1, "--root", root)
    airpatch("create", f"registry:{root}", "-o", root.parent / "again.tar.zst")
    assert (root.parent / "again.tar.zst").read_bytes() == releases.r1.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run a registry as another user")
def test_adversary_50_a_registry_of_another_user_goes_on_with_what_was_applied(
    releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The root belongs to nobody, airpatch runs as root with a tight umask; nobody runs a registry and pushes."""
    nobody = 65534
    folder = Path(f"/tmp/airpatch-{os.getpid()}")  # below pytest's folders nobody may go nowhere
    root = folder / "root"
    root.mkdir(parents=True)
    try:
        os.chown(root, nobody, nobody)
        umask = os.umask(0o077)
        try:
            airpatch("apply", releases.r1, "--root", root)
        finally:
            os.umask(umask)
        for path in (path for path in root.rglob("*") if ".airpatch" not in path.parts):
            status = path.stat()
            assert (status.st_uid, status.st_gid) == (nobody, nobody), path
            assert status.st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path
        with serving(root, folder, user=nobody) as registry:
            scratch = tmp_path_factory.mktemp("pulled")
            assert_serves(registry, releases.r1_tree, scratch)
            for image, tree_folder in images(releases.r2_tree).items():
                skopeo_push(registry, tree_folder, image)
                assert registry.pull(*split(image)) == manifest_digest(tree_folder)
            airpatch("apply", releases.patch, "--root", root)
            assert_serves(registry, releases.r2_tree, scratch)
            assert_collects_cleanly(registry)
    finally:
        shutil.rmtree(folder)


def test_adversary_55_a_healed_blob_under_a_running_registry(
    releases: Releases, root: Path, serve: Serve, tmp_path: Path
) -> None:
    """The registry remembers the size of what it has served; after a restart, as the message asks for, all is well."""
    airpatch("apply", releases.r1, "--root", root)
    manifest = json.loads((releases.r1_tree / "shop/web:r1/manifest.json").read_bytes())
    layer = manifest["layers"][0]
    hexadecimal = layer["digest"].removeprefix("sha256:")
    data = root / f"docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"
    data.write_bytes(data.read_bytes()[:-100])
    path = f"/v2/shop/web/blobs/{layer['digest']}"
    with serving(root, tmp_path) as registry:
        assert int(registry.get(path, "HEAD")[2]["content-length"]) == layer["size"] - 100
        airpatch("apply", releases.r1, "--root", root)
        assert look(root).findings == []
        status, body, headers = registry.get(path)
        remembered = int(headers["content-length"])
        assert (status, remembered) == (200, layer["size"] - 100)
        assert len(body) <= remembered
    assert_serves(serve(root), releases.r1_tree, tmp_path)


def test_a_host_with_a_port_in_a_repository_cannot_be_served(root: Path, serve: Serve, tmp_path: Path) -> None:
    """Such a name passes the registry's router, but its file system driver allows no colon, nor does its collection."""
    image = "registry.example:5000/shop/web:r1"
    repository, tag = split(image)
    airpatch("create", IMAGES / "r1", "-o", tmp_path / "r1.tar.zst")
    airpatch("apply", tmp_path / "r1.tar.zst", "--root", root)
    registry = serve(root)
    status, body, _ = registry.get("/v2/_catalog")
    assert (status, repository in json.loads(body)["repositories"]) == (200, True)
    assert registry.get(f"/v2/{repository}/manifests/{tag}")[0] == 500
    refused = skopeo("inspect", "--tls-verify=false", registry.address(image), check=False)
    assert "invalid reference format" in refused.stderr
    assert registry.pull("proxy", "r1") == manifest_digest(IMAGES / "r1/proxy:r1")
    assert registry.collect().returncode != 0
    assert look(root).findings == []
    airpatch("restore", root, "-o", tmp_path / "restored")
    assert files(tmp_path / "restored" / image) == files(IMAGES / "r1" / image)


def test_the_configuration_is_one_that_garbage_collection_reads(releases: Releases, tmp_path: Path) -> None:
    """An empty link makes the collection of a registry fail: so `assert_collects_cleanly` can fail."""
    root = tmp_path / "root"
    airpatch("apply", releases.r1, "--root", root)
    revision = root / "docker/registry/v2/repositories/proxy/_manifests/revisions/sha256"
    next(revision.iterdir()).joinpath("link").write_text("")
    registry = Registry(root, 1, write_config(root, 1, tmp_path))
    assert registry.collect().returncode != 0
    assert look(root).findings != []
