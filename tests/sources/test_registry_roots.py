"""A registry's storage as a source: tags, and links that lead nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airpatch.blobs.tree import Tree
from airpatch.errors import SourceError
from airpatch.format.registry import STORAGE, blob_path
from airpatch.model.digest import Digest
from airpatch.sources.gather import gather
from airpatch.sources.registry_roots import registry_content
from tests.sources.sample_sources import pack, unpack

REPOSITORIES = f"{STORAGE}/repositories"


@pytest.fixture
def root(tree: Path, tmp_path: Path) -> Path:
    unpack(pack(gather([str(tree)])), tmp_path / "root")
    return tmp_path / "root"


def tag(root: Path, name: str) -> Path:
    repository, _, tag = name.rpartition(":")
    return root / REPOSITORIES / repository / "_manifests/tags" / tag / "current/link"


def findings(root: Path) -> tuple[str, ...]:
    with pytest.raises(SourceError) as caught:
        gather([str(root)])
    return caught.value.findings


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"sha256:",
        b"sha256:" + b"A" * 64,
        b"sha256:" + b"a" * 63,
        b"sha256:" + b"a" * 64 + b"\n",
        b"sha512:" + b"a" * 64,
        b"sha256:../../" + b"a" * 58,
        b"\xff" * 71,
        b"\xd9\xa1" * 35,
    ],
)
def test_14_a_link_that_is_no_digest_is_a_finding(content: bytes, root: Path) -> None:
    tag(root, "shop/worker:stable").write_bytes(content)
    (found,) = findings(root)
    assert found.startswith(f"shop/worker:stable: {tag(root, 'shop/worker:stable')}: ")


def test_a_tag_without_a_link_is_a_finding(root: Path) -> None:
    tag(root, "shop/worker:stable").unlink()
    (found,) = findings(root)
    assert found == f"shop/worker:stable: {tag(root, 'shop/worker:stable')}: is missing"


def test_a_link_to_no_manifest_is_a_finding(root: Path) -> None:
    digest = Digest.of(b"never pushed")
    tag(root, "shop/worker:stable").write_text(str(digest))
    (found,) = findings(root)
    assert found.startswith(f"shop/worker:stable: manifest {digest}: ")
    assert "missing" in found


def test_16_17_invalid_tags_and_repositories_are_named(root: Path) -> None:
    shutil.copytree(tag(root, "proxy:r1").parents[1], tag(root, "proxy:.r1").parents[1])
    shutil.copytree(root / REPOSITORIES / "proxy", root / REPOSITORIES / "Proxy")
    found = findings(root)
    assert len(found) == 3
    assert all("not a valid" in finding for finding in found)


def test_uploads_and_repositories_without_tags_are_passed_over(root: Path) -> None:
    expected = gather([str(root)]).release
    uploads = root / REPOSITORIES / "proxy/_uploads/8d6f0000-0000/hashstates/sha256"
    uploads.mkdir(parents=True)
    (uploads / "0").write_bytes(b"state")
    (root / REPOSITORIES / "empty/_uploads").mkdir(parents=True)
    shutil.copytree(root / REPOSITORIES / "proxy", root / REPOSITORIES / "untagged")
    shutil.rmtree(root / REPOSITORIES / "untagged/_manifests/tags")
    shutil.copytree(root / REPOSITORIES / "shop", root / REPOSITORIES / "proxy/_uploads/shop")
    assert gather([str(root)]).release == expected


def test_18_19_links_inside_the_root_are_never_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(root / REPOSITORIES / "infra", outside)
    (root / REPOSITORIES / "infra").symlink_to(outside)
    link = tag(root, "proxy:r1").parent
    shutil.move(link, tmp_path / "current")
    link.symlink_to(tmp_path / "current")
    found = findings(root)
    assert len(found) == 2
    assert all("symbolic link" in finding for finding in found)


def test_18_blobs_behind_a_link_are_refused(root: Path, tmp_path: Path) -> None:
    shutil.move(root / STORAGE / "blobs", tmp_path / "blobs")
    (root / STORAGE / "blobs").symlink_to(tmp_path / "blobs")
    assert all("symbolic link" in finding for finding in findings(root))


def test_an_empty_registry_has_no_image(tmp_path: Path) -> None:
    (tmp_path / STORAGE).mkdir(parents=True)
    assert findings(tmp_path) == ("no image",)


def test_a_blob_that_is_held_open_outlives_its_source(root: Path) -> None:
    content = b"content"
    path = root / blob_path(Digest.of(content))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    reader = registry_content(Tree(root)).open(Digest.of(content), len(content))
    buffer = bytearray(len(content))
    reader.read_into(memoryview(buffer), 0)
    reader.close()
    assert buffer == content


def test_a_file_among_the_tags_is_a_remark(root: Path) -> None:
    whole = gather([str(root)])
    stray = next((root / REPOSITORIES).rglob("_manifests/tags")) / ".DS_Store"
    stray.touch()
    gathered = gather([str(root)])
    assert gathered.release == whole.release
    assert gathered.remarks == (*whole.remarks, f"{stray}: does not belong there")


def test_the_way_to_do_without_a_tag_that_is_not_whole_is_named(root: Path) -> None:
    shutil.rmtree(next((root / REPOSITORIES).rglob("_manifests/tags/*/current")))  # as a broken deletion leaves it
    with pytest.raises(SourceError, match=r"to do without them, choose the others with --image\n"):
        gather([str(root)], chosen_by="--image")
    with pytest.raises(SourceError, match=r"some images cannot be used as they are\n"):
        gather([str(root)])
