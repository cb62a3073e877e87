"""What file(1) and desktops make of airpatch's files (spec/TYPES.md)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

TOP = Path(__file__).resolve().parent.parent
TYPES = TOP / "spec" / "types"
VERSION = TOP / "fixtures" / "versions" / "0.1"
SAMPLES = {
    "full.tar.zst": "application/vnd.airpatch.bundle.v1+zstd",
    "patch.tar.zst": "application/vnd.airpatch.bundle.v1+zstd",
    "damage.request": "application/vnd.airpatch.wanted.v1",
    "damage.topup": "application/vnd.airpatch.topup.v1",
}


@pytest.mark.skipif(not shutil.which("file"), reason="needs file(1)")
@pytest.mark.parametrize("name", SAMPLES)
def test_file_knows_them(name: str) -> None:
    command: list[str | Path] = ["file", "-m", TYPES / "airpatch.magic", "-b", "--mime-type", VERSION / name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == SAMPLES[name]
    assert not done.stderr


@pytest.mark.skipif(not shutil.which("file"), reason="needs file(1)")
def test_file_knows_a_part_and_takes_nothing_else_for_one(tmp_path: Path) -> None:
    parts = sorted((VERSION / "parts").iterdir())
    other = tmp_path / "other.zst"
    other.write_bytes(bytes.fromhex("28b52ffd2000010000"))
    command: list[str | Path] = ["file", "-m", TYPES / "airpatch.magic", "-b", "--mime-type", *parts, other]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert said == ["application/vnd.airpatch.part.v1"] * len(parts) + ["application/octet-stream"]


def test_the_types_are_those_of_the_specification() -> None:
    text = (TOP / "spec" / "TYPES.md").read_text()
    listed = set(re.findall(r"`(application/vnd\.airpatch\.[\w.+]+)`", text))
    root = ElementTree.parse(TYPES / "airpatch.xml").getroot()
    desktop = {node.attrib["type"] for node in root if node.tag.endswith("mime-type")}
    magic = set(re.findall(r"!:mime\s+(\S+)", (TYPES / "airpatch.magic").read_text()))
    assert desktop <= magic <= listed


@pytest.mark.skipif(not shutil.which("update-mime-database"), reason="needs shared-mime-info")
def test_shared_mime_info_takes_them(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    shutil.copy(TYPES / "airpatch.xml", tmp_path / "packages")
    subprocess.run(["update-mime-database", tmp_path], check=True, capture_output=True)
    assert (tmp_path / "application" / "vnd.airpatch.bundle.v1+zstd.xml").exists()
