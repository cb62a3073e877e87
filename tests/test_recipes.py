"""The recipes of docs/PIPELINES.md, as far as they can be run here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import airpatch

PROJECT = Path(__file__).resolve().parents[1]
IMAGES = PROJECT / "fixtures" / "images"
RECIPES = (PROJECT / "docs" / "PIPELINES.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks in that language."""
    return [part.split("\n```", 1)[0] for part in RECIPES.split(f"```{language}\n")[1:]]


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """An environment in which `airpatch` is this one, and `ssh HOST` this host."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"airpatch": f'exec {sys.executable} -m airpatch "$@"', "ssh": 'shift; exec "$@"'}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def run(command: str, place: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(["sh", "-euc", command], cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_nights(tmp_path: Path, programs: dict[str, str]) -> None:
    for night, release in enumerate(("r1", "r2"), 1):
        environment = {**programs, "SEQUENCE": str(night), "RELEASE": f"nightly-{night}"}
        run(f"{PROJECT}/examples/nightly.sh {IMAGES / release} state qa root", tmp_path, environment)
    with airpatch.open_bundle(tmp_path / "state/tonight.tar.zst") as patch:
        assert [base.name for base in patch.index.bases] == ["nightly-1"]
    airpatch.verify(tmp_path / "root")
    airpatch.restore(tmp_path / "root", tmp_path / "images", release="nightly-2")
    assert subprocess.run(["diff", "-r", IMAGES / "r2", tmp_path / "images"]).returncode == 0


def test_pipelines_call_the_script() -> None:
    for text in blocks("yaml"):
        assert yaml.safe_load(text)
    assert sum("examples/nightly.sh images/" in text for text in blocks("yaml") + blocks("groovy")) == 3


def test_a_node_takes_an_archive(tmp_path: Path, programs: dict[str, str]) -> None:
    airpatch.create(IMAGES / "r1", tmp_path / "shop-4.2.1.patch.tar.zst")
    (recipe,) = (text for text in blocks("sh") if "k3s" in text)
    recipe = recipe.replace("/srv/airpatch", "root").replace(
        "k3s ctr -n k8s.io images import -", "tar -tf - >/dev/null"
    )
    run(recipe, tmp_path, programs)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("age") is None, reason="needs age")
def test_an_encrypted_disk(tmp_path: Path, programs: dict[str, str]) -> None:
    subprocess.run(["age-keygen", "-o", tmp_path / "site.key"], check=True, capture_output=True)
    key = subprocess.run(["age-keygen", "-y", tmp_path / "site.key"], check=True, capture_output=True, text=True).stdout
    shutil.copytree(IMAGES / "r1", tmp_path / "images")
    encrypt, split = (text for text in blocks("sh") if "age -d" in text)
    for recipe, root in ((encrypt, "root"), (split, "root2")):
        for words in (("age1sitekey...", key.strip()), ("/media/usb/", ""), ("/var/lib/registry", root)):
            recipe = recipe.replace(*words)
        run(recipe, tmp_path, programs)
        airpatch.verify(tmp_path / root)
