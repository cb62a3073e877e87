"""The committed images: whole by themselves, and those that their generator makes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airpatch.model.manifest import parse_manifest
from airpatch.model.names import ImageName

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
FOLDERS = sorted(path.parent for path in (FIXTURES / "images").rglob("version"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(FIXTURES / "images")))
def test_an_image_has_all_that_it_needs(folder: Path) -> None:
    ImageName.from_folder("/".join(folder.relative_to(FIXTURES / "images").parts[1:]))
    wanted = [parse_manifest((folder / "manifest.json").read_bytes())]
    blobs = set()
    for child in wanted[0].manifests:
        content = (folder / f"{child.digest.hex}.manifest.json").read_bytes()
        assert hashlib.sha256(content).hexdigest() == child.digest.hex
        wanted.append(parse_manifest(content))
    for blob in (blob for manifest in wanted for blob in manifest.blobs):
        content = (folder / blob.digest.hex).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (blob.digest.hex, blob.size)
        blobs.add(blob.digest.hex)
    assert {path.name for path in folder.iterdir() if len(path.name) == 64} == blobs


@pytest.mark.slow
def test_the_images_are_those_of_their_generator() -> None:
    """Needs PyPI."""
    command = [sys.executable, str(FIXTURES / "make_images.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(FIXTURES / "images")))
def test_skopeo_takes_an_image_and_gives_it_back(folder: Path, tmp_path: Path) -> None:
    for more in (
        ["--remove-signatures", f"dir:{folder}", f"oci:{tmp_path}/oci:x"],
        [f"dir:{folder}", f"dir:{tmp_path}/dir"],
    ):
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--all", *more], check=True)
    for path in folder.iterdir():
        assert (tmp_path / "dir" / path.name).read_bytes() == path.read_bytes()
    assert "manifests" in json.loads((tmp_path / "oci" / "index.json").read_text())
