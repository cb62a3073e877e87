"""The recipes of docs/PIPELINES.md, as far as they can be run here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from string import Template

import pytest
import yaml

import airpatch
from tests.registry.server import missing_programs, serving

PROJECT = Path(__file__).resolve().parents[1]
IMAGES = PROJECT / "fixtures" / "images"
_SYNC = "sync --src docker --dest dir registry.example/shop"
RECIPES = (PROJECT / "docs" / "PIPELINES.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks in that language."""
    return [part.split("\n```", 1)[0] for part in RECIPES.split(f"```{language}\n")[1:]]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], None]:
    """Makes a program of a name out of shell commands."""
    folder = tmp_path / "programs"
    folder.mkdir()

    def make(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    return make


@pytest.fixture
def programs(tmp_path: Path, program: Callable[[str, str], None]) -> dict[str, str]:
    """An environment in which `airpatch` is this one, and `ssh HOST` this host."""
    program("airpatch", f'exec {sys.executable} -P -m airpatch "$@"')
    program("ssh", 'shift; exec "$@"')
    return {**os.environ, "PATH": f"{tmp_path / 'programs'}:{os.environ['PATH']}"}


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


Steps = list[tuple[str, dict[str, str]]]
"""Commands, each with what a pipeline adds to its environment."""


def gitlab(night: int) -> Steps:
    (job,) = (yaml.safe_load(text)["nightly"] for text in blocks("yaml") if text.startswith("nightly:"))
    return [(line, {"CI_PIPELINE_IID": str(night)}) for line in job["script"]]


def jenkins(night: int) -> Steps:
    (pipeline,) = blocks("groovy")
    built_in = {"BUILD_NUMBER": str(night), "JENKINS_HOME": "."}
    own = dict(re.findall(r'(\w+) = "([^"]*)"', pipeline))
    environment = built_in | {name: Template(value).substitute(built_in) for name, value in own.items()}
    return [(line, environment) for line in re.findall(r"^ *sh '(.*)'$", pipeline, re.MULTILINE)]


def github(night: int) -> Steps:
    (job,) = (yaml.safe_load(text)["jobs"]["nightly"] for text in blocks("yaml") if text.startswith("on:"))
    number = "${{ github.run_number }}"
    return [
        (step["run"], {name: value.replace(number, str(night)) for name, value in step.get("env", {}).items()})
        for step in job["steps"]
        if "run" in step
    ]


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [gitlab, jenkins, github])
def test_two_nights_of_a_pipeline(
    pipeline: Callable[[int], Steps], tmp_path: Path, programs: dict[str, str], program: Callable[[str, str], None]
) -> None:
    """Each command of the document; `skopeo` gives the images of the night, and QA is this host."""
    program("pip", '[ "$*" = "install airpatch" ]')
    program("skopeo", f'[ "$*" = "{_SYNC} images/" ] && rm -rf images && cp -r "{IMAGES}/r$NIGHT" images')
    (tmp_path / "examples").symlink_to(PROJECT / "examples")
    for night in (1, 2):
        for command, environment in pipeline(night):
            words = command.replace("/var/lib/registry", "root")
            run(words, tmp_path, {**programs, **environment, "NIGHT": str(night)})
        if pipeline is github:  # which hands the patch on as an artifact
            airpatch.apply(tmp_path / "state/tonight.tar.zst", tmp_path / "root")
    airpatch.verify(tmp_path / "root")
    airpatch.restore(tmp_path / "root", tmp_path / "restored", release="nightly-2")
    assert subprocess.run(["diff", "-r", IMAGES / "r2", tmp_path / "restored"]).returncode == 0


@pytest.mark.slow
def test_harbor_takes_a_bundle_and_then_patches(tmp_path: Path, programs: dict[str, str]) -> None:
    """distribution, which Harbor is built upon, stands for it: it is reached through its API alone."""
    if missing := missing_programs():
        pytest.skip(f"needs {', '.join(missing)}")
    for release in ("r1", "r2"):
        shutil.copytree(IMAGES / release, tmp_path / release, ignore=shutil.ignore_patterns("*:5000"))
    first, second = tmp_path / "shop-4.2.0.tar.zst", tmp_path / "shop-4.2.1.patch.tar.zst"
    airpatch.create(tmp_path / "r1", first)
    made = airpatch.diff(first, tmp_path / "r2", second)
    (recipe,) = (text for text in blocks("sh") if "harbor" in text)
    with serving(tmp_path / "harbor", tmp_path) as harbor:
        for line in recipe.splitlines():
            here = line.replace("/media/usb/", "").replace("harbor.example", f"127.0.0.1:{harbor.port}")
            run(f"{here} --plain-http", tmp_path, programs)
        for image in made.index.release.images:
            assert image.name.tag is not None
            assert harbor.pull(f"shop/{image.name.repository}", image.name.tag) == str(image.manifest)


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
