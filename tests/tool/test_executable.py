"""What lies beside a bundle: the executable of a release, and a README.txt whose commands work."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import airpatch
from tests.cli.support import IMAGES
from tests.cli.support import airpatch as command

TOOL = b"#!/bin/sh\nexit 0\n"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The folder of a release of airpatch."""
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "airpatch-linux-x86_64").write_bytes(TOOL)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(TOOL).hexdigest()}  airpatch-linux-x86_64\n")
    return folder


def test_the_medium_has_all_that_the_site_needs(release: Path, tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    bundle = medium / "shop r1.tar.zst"
    assert command("create", IMAGES / "r1", "-o", bundle, "--with-tool", release).code == 0
    assert sorted(path.name for path in medium.iterdir()) == ["README.txt", "airpatch-linux-x86_64", "shop r1.tar.zst"]
    tool = medium / "airpatch-linux-x86_64"
    assert (tool.read_bytes(), os.access(tool, os.X_OK)) == (TOOL, True)
    text = (medium / "README.txt").read_text()
    commands = [line.strip() for line in text.splitlines() if line.startswith("   ") and not line.startswith("    ")]
    commands = [line for line in commands if line.startswith(("echo", "sudo"))]
    assert commands[:3] == commands[3:], "English and Chinese have the same three"
    check, install, apply = commands[:3]
    subprocess.run(check, shell=True, cwd=medium, check=True, stdout=subprocess.DEVNULL)
    assert install.startswith("sudo install -m 755 airpatch-linux-x86_64 ")
    words = apply.removeprefix("sudo airpatch ").replace("ROOT", str(tmp_path / "root"))
    run = [sys.executable, "-m", "airpatch"]
    subprocess.run(f"{' '.join(run)} -q {words}".replace("-q apply", "apply -q"), shell=True, cwd=medium, check=True)


def test_a_patch_says_what_the_site_must_have(release: Path, tmp_path: Path) -> None:
    base = tmp_path / "r1.tar.zst"
    airpatch.create(IMAGES / "r1", base, release="4.2.0", product="shop")
    (tmp_path / "medium").mkdir()
    (tmp_path / "medium/README.txt").write_text("mine")
    words = (base, IMAGES / "r2", tmp_path / "medium/patch")
    made = airpatch.diff(*words, layer_patches=False, with_tool=release)
    assert any("README.txt" in warning for warning in made.warnings)
    assert (tmp_path / "medium/README.txt").read_text() == "mine"
    (tmp_path / "medium/README.txt").unlink()
    airpatch.diff(*words, layer_patches=False, release="4.2.1", with_tool=release)
    text = (tmp_path / "medium/README.txt").read_text()
    assert "must already hold 4.2.0" in text
    assert "4.2.1" in text
    assert "补丁" in text


def test_what_cannot_be_is_refused_before_the_work(release: Path, tmp_path: Path) -> None:
    def refused(*words: object) -> str:
        outcome = command("create", IMAGES / "r1", *words)
        assert outcome.code in (2, 4)
        assert not (tmp_path / "out").exists()
        return outcome.err

    assert "name a file" in refused("-o", "-", "--with-tool", release)
    assert "name the folder of a release" in refused("-o", tmp_path / "out", "--with-tool")
    assert "is not the folder of a release of airpatch" in refused("-o", tmp_path / "out", "--with-tool", tmp_path)
    (release / "airpatch-linux-x86_64").write_bytes(b"other")
    assert "does not have the sha256" in refused("-o", tmp_path / "out", "--with-tool", release)
    (release / "airpatch-linux-x86_64").unlink()
    assert "holds no airpatch-linux-x86_64" in refused("-o", tmp_path / "out", "--with-tool", release)


def test_the_executable_that_runs_puts_itself_there(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("AIRPATCH_EXECUTABLE", str(release / "airpatch-linux-x86_64"))
    (tmp_path / "medium").mkdir()
    airpatch.create(IMAGES / "r1", tmp_path / "medium/r1", with_tool=True)
    assert len(list((tmp_path / "medium").iterdir())) == 3
