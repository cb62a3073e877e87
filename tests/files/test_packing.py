"""Folders as artifacts."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from airpatch import limits
from airpatch.blobs.content import read_blob
from airpatch.errors import SourceError, UsageError
from airpatch.files.packing import ARTIFACT_TYPE, FilesArtifact, FilesOption, pack_files, tag_of
from airpatch.model.manifest import parse_manifest
from tests.files.support import make_folder
from tests.support import execution


def packed(folder: Path) -> FilesArtifact:
    return pack_files(FilesOption(folder, "shop/files"), "4.2.0", execution().scratch)


def layers(artifact: FilesArtifact) -> dict[str, bytes]:
    """The tars by the folder that each is of."""
    document = json.loads(artifact.manifest)
    blobs = parse_manifest(artifact.manifest).blobs[1:]
    names = [layer["annotations"]["org.opencontainers.image.title"] for layer in document["layers"]]
    return {n: read_blob(artifact.content, b.digest, b.size) for n, b in zip(names, blobs, strict=True)}


def test_a_layer_for_each_folder_and_one_for_the_files_at_the_top(tmp_path: Path) -> None:
    artifact = packed(make_folder(tmp_path / "deploy"))
    assert json.loads(artifact.manifest)["artifactType"] == ARTIFACT_TYPE
    assert str(artifact.name) == "shop/files:4.2.0"
    tars = layers(artifact)
    assert list(tars) == [".", "charts", "scripts"]
    with tarfile.open(fileobj=io.BytesIO(tars["scripts"])) as archive:
        assert archive.getnames()[0] == "scripts"
        assert archive.getmember("scripts/run.sh").mode == 0o755
        assert archive.getmember("scripts/again.sh").linkname == "run.sh"
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first = packed(make_folder(tmp_path / "a"))
    other = make_folder(tmp_path / "b")
    os.utime(other / "README", (1, 1))
    assert packed(other).manifest == first.manifest
    (other / "scripts/run.sh").write_text("#!/bin/bash\n")
    changed = layers(packed(other))
    assert {name for name, tar in layers(first).items() if changed[name] != tar} == {"scripts"}


def test_everything_that_cannot_be_packed_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "deploy")
    os.mkfifo(folder / "pipe")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "charts/up").symlink_to("../../elsewhere")
    (folder / "charts/through").symlink_to("web/../../..")
    with pytest.raises(SourceError) as caught:
        packed(folder)
    assert [finding.split(": ")[1] for finding in caught.value.findings] == [
        "out",
        "pipe",
        "charts/through",
        "charts/up",
    ]


def test_folders_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(SourceError):
            packed(folder)


@pytest.mark.parametrize(
    ("release", "tag"),
    [
        ("4.2.0", "4.2.0"),
        ("4.2.0+build 7", "4.2.0-build-7"),
        (".rc", "_.rc"),
        ("größe", "gr--e"),
        ("x" * 200, "x" * 128),
    ],
)
def test_a_release_name_becomes_a_tag(release: str, tag: str) -> None:
    assert tag_of(release) == tag


@pytest.mark.parametrize("text", ["deploy", "=shop", "deploy=", "deploy=Shop"])
def test_options_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="--files"):
        FilesOption.parse(text)


def test_more_folders_than_a_manifest_has_room_for_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.MANIFEST, "value", 600)
    with pytest.raises(SourceError, match=r"deploy: has 3 layers, .* more than 600 \(--limit manifest"):
        packed(make_folder(tmp_path / "deploy"))
