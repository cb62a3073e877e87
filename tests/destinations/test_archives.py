"""Images as archives, which skopeo and airpatch read, in one pass through a file or a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from airpatch.destinations.archives import Archive, docker_archive, oci_archive, write_archive
from airpatch.errors import IntegrityError, UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.operations.restore_images import restore
from airpatch.sources.gather import gather
from tests.sources.sample_sources import IMAGES
from tests.support import OCI_GZIP_LAYER, Builder

SETTINGS = IMAGES / "infra/settings:r1"


def written(archive: Archive, builder: Builder, path: Path) -> dict[str, bytes]:
    write_archive(archive, builder.content, str(path), Execution())
    with tarfile.open(path) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file is not None}


def simple(*names: str) -> Builder:
    builder = Builder()
    for name in names:
        builder.tag(name, builder.picture([name.encode()], layer_type=OCI_GZIP_LAYER))
    return builder


def test_an_oci_archive_is_the_same_release(tmp_path: Path) -> None:
    restore(IMAGES, tmp_path / "x.tar", form="oci-archive")
    assert gather([str(tmp_path / "x.tar")]).release == gather([str(IMAGES)]).release


def test_an_oci_archive_has_its_folders_before_what_lies_in_them(tmp_path: Path) -> None:
    """What unpacks it need make none itself, as some do with the owner root."""
    builder = simple("web:1")
    archive = oci_archive(builder.release.images, builder.manifests)
    write_archive(archive, builder.content, str(tmp_path / "x.tar"), Execution())
    assert (tmp_path / "x.tar").stat().st_size == archive.tar_size
    seen = {""}
    with tarfile.open(tmp_path / "x.tar") as tar:
        for member in tar:
            assert member.name.rpartition("/")[0] in seen
            if member.isdir():
                assert member.mode == 0o755
                seen.add(member.name)
    assert seen == {"", "blobs", "blobs/sha256"}


def test_skopeo_reads_an_oci_archive(tmp_path: Path) -> None:
    restore(IMAGES, tmp_path / "x.tar", form="oci-archive", images=["infra/settings", "tools/packaging"])
    source = f"oci-archive:{tmp_path}/x.tar:infra/settings:r1"
    subprocess.run(["skopeo", "copy", "-q", source, f"dir:{tmp_path}/out"], check=True)
    assert (tmp_path / "out/manifest.json").read_bytes() == (SETTINGS / "manifest.json").read_bytes()


def test_skopeo_reads_a_docker_archive(tmp_path: Path) -> None:
    restore(IMAGES, tmp_path / "x.tar", form="docker-archive", images=["infra/settings", "tools/packaging"])
    source = f"docker-archive:{tmp_path}/x.tar:infra/settings:r1"
    subprocess.run(["skopeo", "copy", "-q", source, f"dir:{tmp_path}/out"], check=True)
    config = json.loads((SETTINGS / "manifest.json").read_bytes())["config"]["digest"]
    assert json.loads((tmp_path / "out/manifest.json").read_bytes())["config"]["digest"] == config
    names = [str(image.name) for image in gather([str(tmp_path / "x.tar")]).release.images]
    assert names == ["infra/settings:r1", "tools/packaging:r1"]


def test_the_same_images_give_the_same_archive(tmp_path: Path) -> None:
    for form in ("oci-archive", "docker-archive"):
        for name in ("one", "two"):
            restore(IMAGES, tmp_path / name, form=form, images=["infra/settings"])
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_archive_goes_through_a_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airpatch", "restore", str(IMAGES), "-o", "-", "--as", "oci-archive", "-q"]
    result = subprocess.run(command, capture_output=True, check=True)
    restore(IMAGES, tmp_path / "x.tar", form="oci-archive")
    assert result.stdout == (tmp_path / "x.tar").read_bytes()


def test_images_of_one_manifest_are_one_entry_of_a_docker_archive(tmp_path: Path) -> None:
    builder = Builder()
    picture = builder.picture([b"web"])
    for name in ("shop/web:1", "shop/web:stable", str(ImageName.by_digest("web", Digest.of(picture)))):
        builder.tag(name, picture)
    files = written(docker_archive(builder.images, builder.manifests), builder, tmp_path / "x.tar")
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["shop/web:1", "shop/web:stable"]
    assert [files[path] for path in entry["Layers"]] == [b"web"]
    assert files[entry["Config"]] == b'{"os":"linux"}'


def test_an_image_without_a_tag_is_in_a_docker_archive_without_one(tmp_path: Path) -> None:
    builder = Builder()
    picture = builder.picture([b"web"])
    builder.tag(str(ImageName.by_digest("web", Digest.of(picture))), picture)
    files = written(docker_archive(builder.images, builder.manifests), builder, tmp_path / "x.tar")
    assert json.loads(files["manifest.json"])[0]["RepoTags"] is None


def test_what_a_docker_archive_cannot_hold_is_said(tmp_path: Path) -> None:
    builder = simple("shop/web:1")
    web = Digest.of(builder.picture([b"shop/web:1"], layer_type=OCI_GZIP_LAYER))
    builder.tag(f"shop/web:sha256-{web.hex}.sig", builder.picture([b"s"], layer_type="application/vnd.example"))
    signed = builder.picture([b"signed"])
    builder.tag("shop/signed:1", signed, {signed: [b"signature"]})
    archive = docker_archive(builder.images, builder.manifests)
    assert archive.remarks == [
        f"shop/web:sha256-{web.hex}.sig: is attached to an image; a docker archive holds images alone",
        "shop/signed:1: a docker archive holds no detached signatures",
    ]
    assert len(json.loads(written(archive, builder, tmp_path / "x")["manifest.json"])) == 2


def test_images_that_a_docker_archive_cannot_hold_are_all_named() -> None:
    builder = simple("shop/web:1")
    builder.tag("all:1", builder.index([builder.picture([name]) for name in (b"amd64", b"arm64")]))
    builder.tag("one:1", builder.index([builder.picture([b"amd64"])]))
    builder.tag("chart:1", builder.picture([b"chart"], layer_type="application/vnd.cncf.helm.chart"))
    with pytest.raises(UsageError, match="use --as oci-archive") as caught:
        docker_archive(builder.images, builder.manifests)
    assert caught.value.findings == ("all:1: has 2 platforms", "chart:1: is no container image")


@pytest.mark.parametrize("make", [oci_archive, docker_archive])
def test_27_wrong_bytes_leave_no_archive(make: type, tmp_path: Path) -> None:
    builder = simple("shop/web:1")
    archive = make(builder.images, builder.manifests)
    builder.blobs[Digest.of(b"shop/web:1")] = b"shop/web:2"
    with pytest.raises(IntegrityError, match="has the digest"):
        write_archive(archive, builder.content, str(tmp_path / "x.tar"), Execution())
    assert list(tmp_path.iterdir()) == []


def test_names_in_a_layout_are_those_that_containerd_knows(tmp_path: Path) -> None:
    builder = simple("web:1", "shop/web:1", "registry.example:5000/web:1")
    files = written(oci_archive(builder.images, builder.manifests), builder, tmp_path / "x.tar")
    names = {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry["annotations"]["io.containerd.image.name"]
        for entry in json.loads(files["index.json"])["manifests"]
    }
    assert names == {
        "web:1": "docker.io/library/web:1",
        "shop/web:1": "docker.io/shop/web:1",
        "registry.example:5000/web:1": "registry.example:5000/web:1",
    }


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("-", {"form": "dir"}, "--as dir makes folders, which cannot go to standard output"),
        ("-", {"form": "oci"}, "--as oci makes folders, which cannot go to standard output"),
        (".", {"form": "oci-archive"}, "is a folder, but oci-archive is a file"),
        ("x.tar", {"form": "docker-archive", "link": "hard"}, "--link is for folders"),
        ("x.tar", {"form": "zip"}, "unknown form 'zip'"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(
    output: str, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        restore(IMAGES, output, **options)
    assert list(tmp_path.iterdir()) == []
