"""Tags back to an installed release: by default the one before, or the one that is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airpatch.errors import BaseMismatch, IntegrityError, TargetError, UsageError
from airpatch.model.digest import Digest
from airpatch.target.history import Action
from airpatch.target.rolling_back import find_release, roll_back
from airpatch.target.root import Root
from airpatch.target.state import current, history, interrupted, locked
from tests.support import Builder, execution
from tests.target.support import (
    Killed,
    Sample,
    damage,
    drop,
    install,
    killing,
    outside,
    push,
    sample,
    served,
    some_and_all,
    staging,
    watched,
)


@pytest.fixture
def three(root: Path, r1: Sample, r2: Sample, r3: Sample) -> Path:
    install(root, r1.full, r2.patch(r1), r3.patch(r2))
    return root


def back(path: Path, to: str | None = None) -> tuple[str, int]:
    with Root(path) as root:
        done = roll_back(root, execution(), to)
        receipt, tags = done.receipt, done.tags
        return receipt.release.name, tags


def stable(path: Path) -> Digest:
    return served(path)["shop/web:stable"]


def test_to_the_release_before(three: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    before = outside(three)
    assert back(three) == ("r2", 1)
    assert stable(three) == r2.tags["shop/web:stable"]
    changed = {path for path, content in outside(three).items() if before[path] != content}
    assert changed == {"docker/registry/v2/repositories/shop/web/_manifests/tags/stable/current/link"}
    with Root(three) as files:
        assert current(files) == r2.id
        assert history(files).events[-1].action is Action.ROLLBACK
    assert back(three) == ("r3", 1)
    assert outside(three) == before


@pytest.mark.parametrize("how", ["name", "digest", "hex", "prefix", "prefix of the digest"])
def test_to_a_release_by_name_or_id(three: Path, r1: Sample, how: str) -> None:
    text = str(r1.id)
    to = {"name": "r1", "digest": text, "hex": r1.id.hex, "prefix": r1.id.short, "prefix of the digest": text[:15]}[how]
    assert back(three, to) == ("r1", 1)
    assert stable(three) == r1.tags["shop/web:stable"]


@pytest.mark.parametrize("to", ["", "r", "r4", "sha256:", "sha", "sha256", "g" * 64, "../r1", "\0"])
def test_an_unknown_release_is_told_with_those_that_are_there(three: Path, to: str) -> None:
    before = outside(three)
    with pytest.raises(UsageError, match="is not installed; installed: ") as caught:
        back(three, to)
    assert "r3 (" in caught.value.message
    assert outside(three) == before


def test_three_digits_of_an_id_are_none_and_four_are_one(three: Path, r1: Sample) -> None:
    for digits in (r1.id.hex[:3], f"sha256:{r1.id.hex[:3]}"):
        with pytest.raises(UsageError, match="is not installed; installed: "):
            back(three, digits)
    assert back(three, r1.id.hex[:4]) == ("r1", 1)


def test_a_name_comes_before_the_beginning_of_another_id(three: Path, r1: Sample) -> None:
    builder = Builder()
    builder.tag("a:1", builder.picture([b"another"]))
    install(three, sample(builder, r1.id.hex[:6], 9).full)
    with Root(three) as files:
        assert find_release(files, r1.id.hex[:6]).release.name == r1.id.hex[:6]
        assert find_release(files, r1.id.hex[:7]).id == r1.id


def test_a_name_that_two_releases_have(root: Path) -> None:
    for number in (1, 2):
        builder = Builder()
        builder.tag("a:1", builder.picture([b"%d" % number]))
        install(root, sample(builder, "same", number).full)
    with Root(root) as files:
        with pytest.raises(UsageError, match="'same' matches more than one installed"):
            find_release(files, "same")
        id_ = current(files)
        assert id_ is not None
        assert find_release(files, id_.short).id == id_


def test_nowhere_to_go_back_to(root: Path, place: Path, r1: Sample) -> None:
    with pytest.raises(TargetError):
        back(root)
    with pytest.raises(UsageError, match="no earlier release"):
        back(place)
    install(root, r1.full)
    with pytest.raises(UsageError, match="no earlier release"):
        back(root)


def test_to_the_current_release_puts_moved_tags_back(three: Path, r3: Sample) -> None:
    builder = Builder()
    push(three, builder, "shop/web:stable", builder.picture([b"by hand"]))
    assert back(three, "r3") == ("r3", 1)
    assert stable(three) == r3.tags["shop/web:stable"]
    assert back(three, "r3") == ("r3", 0)


def test_a_tag_that_was_deleted_comes_back(three: Path, r1: Sample) -> None:
    (three / "docker/registry/v2/repositories/shop/worker/_manifests/tags/r1/current/link").unlink()
    assert back(three, "r1") == ("r1", 2)
    assert served(three)["shop/worker:r1"] == r1.tags["shop/worker:r1"]


@pytest.mark.parametrize("kind", ["gone", "short"])
def test_missing_blobs_are_listed(three: Path, kind: str) -> None:
    layer = Digest.of(b"web 1")
    drop(three, [layer]) if kind == "gone" else damage(three, layer, "short")
    before = outside(three)
    with pytest.raises(BaseMismatch, match=r"lacks blobs of r1; apply its bundle again") as caught:
        back(three, "r1")
    damaged = " (there, but damaged)" if kind == "short" else ""
    assert caught.value.findings == (f"shop/web:r1 and 1 more image: {layer} of 5 B{damaged}",)
    assert outside(three) == before


def test_a_wrong_manifest_is_not_made_current(three: Path, r1: Sample) -> None:
    damage(three, r1.tags["shop/web:stable"])
    before = outside(three)
    with pytest.raises(IntegrityError):
        back(three, "r1")
    assert outside(three) == before


def test_adversary_7_after_a_rollback_the_way_forward_is_open(three: Path, r2: Sample, r3: Sample) -> None:
    back(three, "r1")
    install(three, r3.patch(r2))
    assert stable(three) == r3.tags["shop/web:stable"]


@some_and_all
def test_adversary_45_killed_before_any_change_and_run_again(place: Path, r1: Sample, r2: Sample, stride: int) -> None:
    old = place / "old"
    install(old, r1.full, r2.patch(r1))
    for at in range(1, 100, stride):
        root = shutil.copytree(old, place / str(at))
        try:
            with watched(killing(at)):
                back(root, "r1")
            break
        except Killed:
            assert served(root) in (r2.tags | r1.tags, r1.tags | r2.tags)
        back(root, "r1")
        assert served(root) == r2.tags | r1.tags
        with Root(root) as files:
            assert current(files) == r1.id
            assert interrupted(files) is None
        assert staging(root) == []
    assert at > 10


def test_a_release_that_was_half_applied_can_be_left_again(place: Path, r1: Sample, r2: Sample) -> None:
    root = place / "root"
    install(root, r1.full)

    def stop(_number: int, _name: str, path: str) -> None:
        if "worker/_manifests/tags/r2" in path:
            raise Killed

    with pytest.raises(Killed), watched(stop):
        install(root, r2.patch(r1))
    assert back(root, "r1")[0] == "r1"
    assert stable(root) == r1.tags["shop/web:stable"]
    with Root(root) as files:
        assert interrupted(files) is None


def test_only_one_at_a_time(three: Path) -> None:
    with Root(three) as files, locked(files), pytest.raises(TargetError, match="another airpatch"):
        back(three)
