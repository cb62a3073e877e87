"""Many sources make one release, in any order; contradictions between them are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airpatch.errors import SourceError, UsageError
from airpatch.format.index import Index
from airpatch.model.release import assemble
from airpatch.sources.gather import gather
from tests.sources.conftest import Trees
from tests.sources.sample_sources import IMAGES, KINDS, pack
from tests.support import sample


def test_many_sources_are_one_release_in_any_order(tree: Path, tmp_path: Path) -> None:
    shop = Path(shutil.move(tree / "shop", tmp_path / "other/shop")).parent
    first, second = gather([str(tree), str(shop)]), gather([str(shop), str(tree)])
    assert pack(first) == pack(second) == pack(gather([str(IMAGES)]))


def test_the_same_image_twice_is_one(tree: Path) -> None:
    assert gather([str(tree), str(IMAGES)]).release == gather([str(tree)]).release


def test_the_same_name_with_another_manifest_is_named(trees: Trees) -> None:
    one = trees.simple("one", "shop/web:r1", "shop/db:r1")
    two = trees.simple("two", "shop/web:r1", layer=b"other")
    with pytest.raises(SourceError) as caught:
        gather([str(one), str(two)])
    assert caught.value.findings == (
        f"shop/web:r1: has other manifests in {two}/shop/web:r1 than in {one}/shop/web:r1",
    )


def test_the_same_image_with_other_signatures_is_named(tree: Path) -> None:
    (tree / "shop/web:r1/signature-2").unlink()
    with pytest.raises(SourceError, match="shop/web:r1: has other signatures in"):
        gather([str(tree), str(IMAGES)])


def test_findings_of_all_sources_come_at_once(trees: Trees) -> None:
    one, two = trees.simple("one", "a:r1"), trees.simple("two", "b:r1")
    (one / "a:r1/manifest.json").write_text("not JSON")
    shutil.copytree(two / "b:r1", two / "Invalid:r1")
    (two / "b:r1/manifest.json").write_text("{}")
    with pytest.raises(SourceError) as caught:
        gather([str(one), str(two)])
    assert len(caught.value.findings) == 3
    for name in ("a:r1", "b:r1", "Invalid:r1"):
        assert any(name in finding for finding in caught.value.findings)


def test_contradictions_between_sound_images_are_named(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/web:r1", "shop/web:r2")
    (tree / "shop/web:r1/signature-1").write_bytes(b"signature")
    with pytest.raises(SourceError, match=r"shop/web:r2: .* has no signatures here but under another tag"):
        gather([str(tree)])


def test_name_and_sequence(trees: Trees) -> None:
    tree = str(trees.simple("tree", "a:r2", "b:r2", "c:r1"))
    assert gather([tree]).release.name == "r2"
    assert gather([tree]).release.sequence == 0
    release = gather([tree], name="shop 2", sequence=7).release
    assert (release.name, release.sequence) == ("shop 2", 7)


@pytest.mark.parametrize(("name", "sequence"), [("", 0), ("a\nb", 0), ("x" * 256, 0), ("r1", -1), ("r1", 2**63)])
def test_unusable_names_and_sequences(name: str, sequence: int, tree: Path) -> None:
    with pytest.raises(UsageError):
        gather([str(tree)], name=name, sequence=sequence)


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """A bundle with a name and number of its own."""
    builder = sample()
    release = assemble(builder.images, builder.manifests, name="release 5", sequence=5)
    path = tmp_path / "named.bundle"
    path.write_bytes(builder.bundle(Index.full(release)))
    return str(path)


def test_a_whole_bundle_keeps_its_name_and_sequence(bundle: str) -> None:
    release = gather([bundle]).release
    assert (release.name, release.sequence) == ("release 5", 5)
    assert pack(gather([bundle])) == Path(bundle).read_bytes()
    release = gather([bundle], name="other").release
    assert (release.name, release.sequence) == ("other", 0)
    release = gather([bundle], sequence=6).release
    assert (release.name, release.sequence) == ("release 5", 6)


def test_a_part_of_a_bundle_does_not_keep_them(bundle: str, trees: Trees, tmp_path: Path) -> None:
    assert gather([bundle], picks=["proxy"]).release.name == "r1"
    assert gather([bundle, str(trees.simple("tree", "more:r3"))]).release.sequence == 0


def test_a_damaged_bundle_is_named(tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    KINDS[3].make(tree, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"^the bundle was not made"):
        pack(gather([str(path)]))
