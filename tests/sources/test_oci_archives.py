"""OCI archives, as skopeo and others write them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from airpatch.errors import SourceError, UsageError
from airpatch.sources.gather import gather
from tests.sources.sample_sources import IMAGES
from tests.sources.support import tar

IMAGE = f"{IMAGES}/infra/settings:r1"


def copied(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "web.tar"
    subprocess.run(["skopeo", "copy", "-q", f"dir:{IMAGE}", f"oci-archive:{path}:{name}"], check=True)
    return path


@pytest.mark.parametrize("compress", [None, "gzip", "zstd"])
@pytest.mark.parametrize("prefix", ["", "oci-archive:"])
def test_what_skopeo_writes_is_read_with_its_digests(compress: str | None, prefix: str, tmp_path: Path) -> None:
    path = copied(tmp_path, "infra/settings:r1")
    layout = tmp_path / "layout"
    subprocess.run(["skopeo", "copy", "-q", f"dir:{IMAGE}", f"oci:{layout}:infra/settings:r1"], check=True)
    if compress is not None:
        subprocess.run([compress, "-q", path], check=True)
        (path,) = tmp_path.glob("web.tar.*")
    assert gather([f"{prefix}{path}"]).release == gather([str(layout)]).release


def test_a_tag_alone_belongs_to_what_the_file_is_called(tmp_path: Path) -> None:
    (image,) = gather([str(copied(tmp_path, "r1"))]).release.images
    assert str(image.name) == "web:r1"


def test_an_archive_of_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar(("oci-layout", b"{}"), ("index.json", b'{"schemaVersion":2,"manifests":null}')))
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    assert caught.value.findings == (f"{path}:index.json: names no image",)


def test_a_tar_archive_of_something_else_is_no_source(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar(("readme", b"hello")))
    with pytest.raises(UsageError, match="is a file, but no"):
        gather([str(path)])


def test_blobs_that_no_image_has_are_a_remark(tmp_path: Path) -> None:
    path = copied(tmp_path, "r1")
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    (tmp_path / "blobs/sha256/more").write_bytes(b"more")
    subprocess.run(["tar", "-C", tmp_path, "-rf", path, "blobs/sha256/more"], check=True)
    assert gather([str(path)]).remarks == (f"{path}:blobs/sha256: 1 blob of no image that index.json names",)
