"""Trees of `dir:` images: names come from paths, and all that is wrong is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airpatch.destinations.restorer import restore_images
from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.sources.gather import Gathered, gather
from tests.sources.conftest import Trees
from tests.sources.sample_sources import pack
from tests.support import execution


def names(found: Gathered) -> list[str]:
    return [str(image.name) for image in found.release.images]


def test_names_come_from_paths_below_the_tree(trees: Trees) -> None:
    tree = trees.simple("tree", "web:r1", "shop/a/b/c/web:r1", "registry.example:5000/shop/web:r1", "alpine:3.10.4")
    (tree / "nested/redis:7").mkdir(parents=True)
    shutil.move(tree / "alpine:3.10.4", tree / "redis:7")
    (tree / "redis:7").rename(tree / "nested/redis:7/redis:7")
    assert names(gather([str(tree)])) == [
        "nested/redis:7",
        "registry.example:5000/shop/web:r1",
        "shop/a/b/c/web:r1",
        "web:r1",
    ]


def test_a_folder_that_is_an_image_has_the_name_of_that_folder(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    assert names(gather([str(tree / "shop/web:r1")])) == ["web:r1"]


def test_15_16_invalid_names_are_all_named(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    bad = [
        "shop/Web:r1",
        "shop/web",
        "shop/_layers:r1",
        "shop/web:.r1",
        "busybox@sha256:" + "a" * 63,
        "x" * 130 + "/" + "x" * 130 + ":r1",
    ]
    bad += ["shop/web\n:r1", f"shop/web:{'r' * 129}", "shop/we\udcffb:r1"]
    for name in bad:
        shutil.copytree(tree / "shop/web:r1", tree / name)
    with pytest.raises(SourceError) as caught:
        gather([str(tree)])
    assert len(caught.value.findings) == len(bad)
    for name in bad:
        assert sum(finding.startswith(f"{tree / name}: ") for finding in caught.value.findings) == 1


def test_invalid_names_do_not_matter_where_other_images_are_picked(trees: Trees, tmp_path: Path) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    shutil.copytree(tree / "shop/web:r1", tree / "Bad:r1")
    images = tmp_path / "images"
    images.write_text("shop/web:r1\n")
    assert names(gather([str(tree)], images_list=images)) == ["shop/web:r1"]
    images.write_text("bad:r1\n")
    with pytest.raises(SourceError) as caught:
        gather([str(tree)], images_list=images)
    assert caught.value.findings[0] == "bad:r1: missing"
    assert "Bad:r1" in caught.value.findings[1]


def test_unreferenced_and_hidden_files_change_nothing(tree: Path) -> None:
    expected = pack(gather([str(tree)]))
    (tree / "shop/web:r1" / ("f" * 64)).write_bytes(b"of another image")
    (tree / "shop/web:r1" / f"{'f' * 64}.signature-1").write_bytes(b"of no child")
    (tree / "shop/web:r1/notes.txt").write_text("notes")
    (tree / "shop/web:r1/version").unlink()
    (tree / "images-list.txt").write_text("shop/web:r1")
    shutil.copytree(tree / "proxy:r1", tree / ".airpatch-restore/3")
    assert pack(gather([str(tree)])) == expected


def test_18_links_to_images_are_named_and_not_followed(tree: Path) -> None:
    (tree / "linked:r1").symlink_to(tree / "proxy:r1")
    (tree / "mirror").symlink_to("/")
    (tree / "shop/other:r1").mkdir()
    (tree / "shop/other:r1/manifest.json").symlink_to(tree / "proxy:r1/manifest.json")
    with pytest.raises(SourceError) as caught:
        gather([str(tree)])
    assert [finding.split(": is a symbolic link")[0] for finding in caught.value.findings] == [
        str(tree / name) for name in ("linked:r1", "mirror", "shop/other:r1/manifest.json")
    ]


def test_20_the_tree_itself_may_be_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(tree)
    assert gather([str(tmp_path / "current")]).release == gather([str(tree)]).release


def test_an_image_inside_another_is_refused(trees: Trees) -> None:
    tree = trees.simple("tree", "shop:80", "web:r1")
    shutil.move(tree / "web:r1", tree / "shop:80/web:r1")
    with pytest.raises(SourceError, match="shop:80/web:r1: its folder would lie inside"):
        gather([str(tree)])


@pytest.mark.parametrize(
    "have", [["signature-2"], ["signature-1", "signature-3"], ["signature-1", "signature-300000000"]]
)
def test_a_gap_in_the_signatures_is_named(have: list[str], trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    for name in have:
        (tree / "shop/web:r1" / name).write_bytes(name.encode())
    with pytest.raises(SourceError, match=r"shop/web:r1: its signatures of .* are not numbered"):
        gather([str(tree)])


def test_signatures_are_ordered_by_number(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    for number in range(1, 12):
        (tree / f"shop/web:r1/signature-{number}").write_bytes(b"x" * number)
    (image,) = gather([str(tree)]).release.images
    assert [signature.size for signature in image.signatures] == list(range(1, 12))


def test_a_signature_over_the_limit_is_named(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    with (tree / "shop/web:r1/signature-1").open("wb") as file:
        file.truncate((4 << 20) + 1)
    with pytest.raises(SourceError, match="signature-1: has more than"):
        gather([str(tree)])


def test_a_manifest_over_the_limit_is_named(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1")
    with (tree / "shop/web:r1/manifest.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(SourceError, match=r"shop/web:r1: .*manifest\.json: has more than"):
        gather([str(tree)])


def by_digest(tree: Path, image: str, repository: str = "web") -> tuple[Path, Digest]:
    """Rename an image's folder to what `skopeo sync` calls an image by digest."""
    digest = Digest.of((tree / image / "manifest.json").read_bytes())
    return (tree / image).rename(tree / f"{repository}@{digest}"), digest


def test_06_an_image_by_digest_has_a_tag_of_its_own_and_comes_back_as_it_was(trees: Trees, tmp_path: Path) -> None:
    tree = trees.simple("tree", "web:1", "web:2")
    folder, digest = by_digest(tree, "web:2")
    found = gather([str(tree)])
    assert names(found) == ["web:1", f"web:by-digest-{digest.hex}"]
    assert found.release.name == "1"
    restore_images(found.release.images, found.manifests, found.content, tmp_path / "out", execution())
    assert (tmp_path / "out" / folder.name / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    assert gather([str(tmp_path / "out")]).release == found.release


def test_06_a_list_finds_an_image_by_digest(trees: Trees, tmp_path: Path) -> None:
    tree = trees.simple("tree", "web:1", "web:2", layer=b"two")
    _, digest = by_digest(tree, "web:2")
    images = tmp_path / "images"
    images.write_text(f"registry.example/shop/web@{digest}\n")
    assert f"web:by-digest-{digest.hex}" in names(gather([str(tree)], images_list=images))


def test_06_a_digest_that_is_not_the_manifests_is_named(trees: Trees) -> None:
    tree = trees.simple("tree", "web:1")
    other = Digest.of(b"all platforms")
    (tree / "web:1").rename(tree / f"web@{other}")
    with pytest.raises(SourceError) as caught:
        gather([str(tree)])
    assert f"says {other}, but its manifest is" in caught.value.findings[0]
    assert "skopeo sync --all" in caught.value.findings[0]


def test_06_a_tag_before_a_digest_is_the_name(trees: Trees) -> None:
    tree = trees.simple("tree", "web:1")
    by_digest(tree, "web:1", "shop/web:1".replace("shop/", ""))
    assert names(gather([str(tree)])) == ["web:1"]


def test_an_image_without_a_usable_name_can_be_named(trees: Trees) -> None:
    tree = trees.simple("tree", "web:1")
    (tree / "web:1").rename(tree / "Web")
    with pytest.raises(SourceError, match=r"Web: no tag in the image name .*; name it with --tag sha256:"):
        gather([str(tree)])
    assert names(gather([str(tree)], tags=["shop/web:1"])) == ["shop/web:1"]
