"""What each version of airpatch has written is read by this one (`fixtures/make_version.py` says what that is)."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import airpatch
from airpatch.layers.versions import VERSIONS, features_of, known_features
from airpatch.signing.trusted import TrustedSigners
from fixtures.make_version import FIXTURES, IMAGES, damage, lose_source

FOLDERS = [FIXTURES / "versions" / version for version in VERSIONS]
of_each_version = pytest.mark.parametrize("folder", FOLDERS, ids=VERSIONS)


def assert_restored(root: Path, release: str, place: Path) -> None:
    airpatch.verify(root)
    airpatch.restore(root, place, release=release)
    for image in IMAGES[release]:
        assert subprocess.run(["diff", "-r", FIXTURES / "images" / release / image, place / image]).returncode == 0


def test_this_version_is_the_last_one_of_the_table() -> None:
    project = tomllib.loads((FIXTURES.parent / "pyproject.toml").read_text())["project"]["version"]
    assert ".".join(project.split(".")[:2]) == VERSIONS[-1]
    assert features_of(VERSIONS[-1]) == known_features()


@of_each_version
def test_what_a_version_can_do_is_written_down(folder: Path) -> None:
    """A new encoder or framing is of the next version, and the table in `layers/versions.py` says so."""
    assert (folder / "features.txt").read_text().split("\n")[:-1] == sorted(features_of(folder.name))


@of_each_version
def test_its_bundles_are_applied(folder: Path, tmp_path: Path) -> None:
    trusted = TrustedSigners((folder / "allowed_signers").read_bytes())
    airpatch.apply([folder / "full.tar.zst", folder / "patch.tar.zst"], tmp_path / "root", trusted=trusted)
    assert_restored(tmp_path / "root", "r2", tmp_path / "images")


@of_each_version
def test_its_repacked_bundle_is_applied(folder: Path, tmp_path: Path) -> None:
    airpatch.apply(folder / "repacked.tar.zst", tmp_path / "root")
    assert_restored(tmp_path / "root", "r1", tmp_path / "images")


@of_each_version
def test_its_parts_are_read_though_one_is_missing(folder: Path, tmp_path: Path) -> None:
    airpatch.join(folder / "parts", tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == (folder / "full.tar.zst").read_bytes()


@of_each_version
def test_its_inventory_is_a_base_and_says_what_it_can_do(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("".join(f"{image}\n" for image in IMAGES["r2"]))
    airpatch.diff(
        folder / "host.inventory", FIXTURES / "images/r2", tmp_path / "patch", sequence=2,
        images_list=tmp_path / "list", content=folder / "full.tar.zst",
    )  # fmt: skip
    with airpatch.open_bundle(tmp_path / "patch") as bundle:
        assert {feature.name for feature in bundle.index.features} <= features_of(folder.name)
    airpatch.apply([folder / "full.tar.zst", tmp_path / "patch"], tmp_path / "root")
    assert_restored(tmp_path / "root", "r2", tmp_path / "images")


@of_each_version
def test_its_root_goes_on(folder: Path, tmp_path: Path) -> None:
    airpatch.apply(folder / "full.tar.zst", tmp_path / "root")
    shutil.rmtree(tmp_path / "root/.airpatch")
    shutil.copytree(folder / "state", tmp_path / "root/.airpatch")
    airpatch.apply(folder / "patch.tar.zst", tmp_path / "root")
    assert_restored(tmp_path / "root", "r2", tmp_path / "images")
    assert len(airpatch.history(tmp_path / "root").history.events) == 4  # two begun, two done
    airpatch.rollback(tmp_path / "root")
    airpatch.verify(tmp_path / "root")


@of_each_version
def test_its_request_is_answered_as_it_was(folder: Path, tmp_path: Path) -> None:
    root, patch = tmp_path / "root", folder / "patch.tar.zst"
    airpatch.apply(folder / "full.tar.zst", root)
    lose_source(root, patch)
    (tmp_path / "list").write_text("".join(f"{image}\n" for image in IMAGES["r2"]))
    answer = tmp_path / "missing.tar.zst"
    airpatch.diff(folder / "missing.request", FIXTURES / "images/r2", answer, sequence=2, images_list=tmp_path / "list")
    with airpatch.open_bundle(answer) as mine, airpatch.open_bundle(folder / "missing.tar.zst") as theirs:
        assert mine.index.stored == theirs.index.stored
    airpatch.apply([patch, folder / "missing.tar.zst"], root)
    assert_restored(root, "r2", tmp_path / "images")


@of_each_version
def test_its_copies_are_topped_up(folder: Path, tmp_path: Path) -> None:
    damage(folder / "patch.tar.zst", tmp_path / "copy")
    airpatch.topup(folder / "patch.tar.zst", folder / "damage.request", tmp_path / "topup")
    for number, answer in enumerate((tmp_path / "topup", folder / "damage.topup")):
        root = tmp_path / f"root{number}"
        airpatch.apply([folder / "full.tar.zst", tmp_path / "copy", answer], root)
        assert_restored(root, "r2", tmp_path / f"images{number}")
