"""podman and containerd take what `restore` writes, and give it back; patches upon what they have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import airpatch
from airpatch.sources.gather import gather
from tests.registry_api.sample import make_tree

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
Tool = Callable[..., str]
TAKEN = {"docker-archive": "shop/worker", "oci-archive": "tools/packaging"}
"""Images that podman takes from each form: from OCI archives only those with manifests of OCI."""


def run(words: Sequence[str | Path], stdin: bytes = b"") -> str:
    done = subprocess.run(list(map(str, words)), input=stdin, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("trees")
    return {name: make_tree(folder / name, name) for name in ("r1", "r2")}


@pytest.fixture
def podman() -> Iterator[Tool]:
    """podman with a storage of its own, at a path that is short enough for it."""
    if shutil.which("podman") is None:
        pytest.skip("needs podman")
    if "/" not in {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}:
        pytest.skip("podman needs / to be a mount, which it is not in a plain chroot")
    with tempfile.TemporaryDirectory() as name:
        own = ("--root", f"{name}/storage", "--runroot", f"{name}/run", "--storage-driver", "vfs")
        yield lambda *words: run(["podman", *own, *words])


def podman_images(podman: Tool) -> dict[str, str]:
    """The configs of podman's images, by their names without a host."""
    lines = podman("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    return {name.partition("/")[2]: config for name, config in (line.split() for line in lines)}


def configs(tree: Path) -> dict[str, str]:
    """The digests of the configs of all images with one platform, by their names."""
    gathered = gather([str(tree)])
    documents = {str(image.name): json.loads(gathered.manifests[image.manifest]) for image in gathered.release.images}
    return {name: each["config"]["digest"] for name, each in documents.items() if "config" in each}


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_takes_and_gives_archives(trees: dict[str, Path], podman: Tool, tmp_path: Path, form: str) -> None:
    archive, saved = tmp_path / "archive", tmp_path / "saved"
    expected = {name: config for name, config in configs(trees["r1"]).items() if name.startswith(TAKEN[form])}
    airpatch.restore(trees["r1"], archive, images=[TAKEN[form]], form=form)
    if form == "docker-archive":
        podman("load", "-q", "-i", archive)
    else:
        for name in expected:  # it takes one image of an OCI archive at a time
            podman("pull", "-q", f"oci-archive:{archive}:{name}")
    assert podman_images(podman) == expected
    names = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    several = ("-m",) if len(names) > 1 else ()
    podman("save", "-q", *several, "--format", form, "-o", saved, *names)
    airpatch.create(saved, tmp_path / "bundle")
    airpatch.restore(tmp_path / "bundle", tmp_path / "again")
    assert {name.partition("/")[2]: config for name, config in configs(tmp_path / "again").items()} == expected


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[Tool]:
    """ctr for a containerd of its own, whose storage is `tmp_path / "root"`. It dies with this process."""
    if shutil.which("containerd") is None or shutil.which("ctr") is None:
        pytest.skip("needs containerd")
    config, socket = tmp_path / "config.toml", tmp_path / "socket"
    config.write_text(
        f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\n  address = "{socket}"\n[ttrpc]\n  address = "{tmp_path}/ttrpc"\n'
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        words: list[str | Path] = ["setpriv", "--pdeathsig", "KILL", "containerd", "-c", config]
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        while subprocess.run(["ctr", "-a", socket, "version"], capture_output=True).returncode:
            if process.poll() is not None:
                pytest.skip(f"containerd does not run here: {log.read_text()[-300:]}")
            time.sleep(0.05)
        yield lambda *words, stdin=b"": run(["ctr", "-a", socket, "-n", "k8s.io", *words], stdin)
    finally:
        process.kill()
        process.wait()


def streamed(*words: str | Path) -> bytes:
    """What `restore` writes to standard output as an OCI archive."""
    command = [sys.executable, "-m", "airpatch", "restore", *words, "-o", "-", "--as", "oci-archive", "-q"]
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE).stdout


def test_containerd_imports_what_restore_streams_and_is_the_base_of_the_next_patch(
    trees: dict[str, Path], containerd: Tool, tmp_path: Path
) -> None:
    take = ("images", "import", "--all-platforms", "--no-unpack", "-")
    containerd(*take, stdin=streamed(trees["r1"]))
    assert manifests(containerd) == expected(trees["r1"])
    airpatch.create(trees["r1"], tmp_path / "full")
    airpatch.diff(tmp_path / "full", trees["r2"], tmp_path / "patch")
    assert airpatch.open_bundle(tmp_path / "patch").index.patched
    containerd(*take, stdin=streamed(tmp_path / "patch", "--base", f"containerd:{tmp_path / 'root'}"))
    assert manifests(containerd).items() >= expected(trees["r2"]).items()


def manifests(containerd: Tool) -> dict[str, str]:
    """The digests of the images that containerd has, by their names without its defaults."""
    rows = (line.split() for line in containerd("images", "ls").splitlines()[1:])
    return {row[0].removeprefix("docker.io/").removeprefix("library/"): row[2] for row in rows}


def expected(tree: Path) -> dict[str, str]:
    return {str(image.name): str(image.manifest) for image in gather([str(tree)]).release.images}
