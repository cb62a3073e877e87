"""`airpatch apply`: what it says where a root lacks something, and the way out that it names."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from airpatch import BundleFile, Digest
from tests.cli.support import IMAGES, airpatch


def blob(root: Path, digest: Digest) -> Path:
    return root / "docker/registry/v2/blobs/sha256" / digest.hex[:2] / digest.hex / "data"


@pytest.fixture
def source(bundles: Path) -> Digest:
    """A blob of r1 that a layer patch builds upon, and that r2 does not have."""
    with BundleFile(str(bundles / "r1-r2.tar.zst")) as patch:
        stored = {blob.digest for blob in patch.index.stored}
        return next(source.digest for source in patch.index.sources if source.digest not in stored)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_base_blob_leads_to_the_request_and_the_top_up(bundles: Path, root: Path, source: Digest) -> None:
    """Without --deep: it has its size, and is found out when the layer patch is carried out."""
    patch = bundles / "r1-r2.tar.zst"
    flip(blob(root, source))
    ended = airpatch("apply", patch, "--root", root, "--request", "request")
    assert ended.code == 5, ended.err
    assert "lacks 1 blob of " in ended.err
    assert "it was made for r1. Have the sender make a top-up with diff --base request, and" in ended.err
    assert re.search(rf"^  \S+:r2( and \d+ more images?)?: {source} of ", ended.err, re.M)
    assert "(there, but damaged)" in ended.err
    assert re.search(r"request: request for \d+ blobs? of release r2", ended.err)
    topped = airpatch("diff", "--base", "request", IMAGES / "r2", "--sequence", 2, "--effort", "fast", "-o", "top-up")
    assert topped.code == 0, topped.err
    alone = airpatch("apply", "top-up", "--root", root)
    assert alone.code == 5
    assert "that this top-up does not bring: apply it together with the patch that it completes" in alone.err
    assert airpatch("apply", patch, "top-up", "--root", root).code == 0


def test_missing_blobs_are_told_by_image_in_a_dry_run_too(bundles: Path, root: Path, source: Digest) -> None:
    blob(root, source).unlink()
    ended = airpatch("apply", bundles / "r1-r2.tar.zst", "--root", root, "--dry-run")
    assert ended.code == 5
    assert re.search(rf"^  missing: \S+:r2( and \d+ more images?)?: {source} of ", ended.out, re.M)
    assert "bytes" not in ended.out


def _leave(free: int, patched: pytest.MonkeyPatch) -> None:
    """Let every file system have `free` bytes, more than a block, and no limit of files.

    `room_at` itself stays: a module that is imported meanwhile would keep what stands in for it.
    """
    status = os.statvfs_result((4096, free, 1, 1, 1, 0, 0, 0, 0, 255))
    patched.setattr(os, "statvfs", lambda _: status)


@pytest.mark.parametrize("form", ["dir", "oci"])
def test_images_for_which_there_is_no_room_are_refused_before_the_work(
    form: str, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("apply", bundles / "r1.tar.zst", "--root", "new", "--restore", "images", "--as", form)
    with monkeypatch.context() as patched:
        _leave(3_000_000, patched)  # enough for each alone
        outcome = airpatch(*words)
    assert outcome.code == 8
    told = r"images: N bytes are needed \(N for the images, N for the root\) and 3,000,000 are free"
    figures = re.search(told.replace("N", r"([\d,]+)"), outcome.err)
    assert figures is not None, outcome.err
    both, images, root = (int(figure.replace(",", "")) for figure in figures.groups())
    assert both == images + root
    assert list(tmp_path.iterdir()) == []
    for free, code in ((both - 1, 8), (both, 0)):  # there is room for each alone
        with monkeypatch.context() as patched:
            _leave(free, patched)
            assert airpatch(*words).code == code
        assert (tmp_path / "new").exists() == (code == 0)


@pytest.mark.parametrize("option", ["--restore", "--files"])
@pytest.mark.parametrize("folder", ["new", "new/docker/images", "other", "file", "file/images"])
def test_a_folder_that_nothing_can_go_to_is_refused_before_the_work(
    option: str, folder: str, bundles: Path, tmp_path: Path
) -> None:
    (tmp_path / "other/docker/registry/v2").mkdir(parents=True)
    (tmp_path / "file").touch()
    outcome = airpatch("apply", bundles / "r1.tar.zst", "--root", "new", option, folder)
    assert outcome.code == (8 if folder.startswith("file") else 2)
    assert folder.partition("/")[0] in outcome.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("index.json", "{", "is not the index of an OCI layout"),
        ("blobs", "", "is not a folder"),
        ("oci-layout/file", "", "is a folder; move it away"),
    ],
)
def test_a_layout_that_nothing_can_go_to_is_refused_before_the_work(
    path: str, content: str, message: str, bundles: Path, tmp_path: Path
) -> None:
    file = tmp_path / "layout" / path
    file.parent.mkdir(parents=True)
    file.write_text(content)
    outcome = airpatch("apply", bundles / "r1.tar.zst", "--root", "new", "--restore", "layout", "--as", "oci")
    assert outcome.code == 8
    assert re.search(rf"^ *layout/{path.partition('/')[0]}: {message}|: layout/{path}: {message}", outcome.err, re.M)
    assert not (tmp_path / "new").exists()
