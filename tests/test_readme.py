"""Every command of the README works: run in its order, on the releases in fixtures/."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
IMAGES = PROJECT / "fixtures" / "images"
ELSEWHERE = {"sh": "the tour", "./check.sh": "all tests", "skopeo": "tests/destinations/test_skopeo.py"}
"""What is run by others: the first word, and who runs it."""
EXIT_CODE = re.compile(r"# exit code (\d+)")


def commands() -> list[str]:
    """The lines of the README's fenced blocks that have no language."""
    blocks = re.findall(r"^```\n(.*?)^```", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def here(command: str) -> str:
    """The command as it can be run here: the host is this one, and its registry lies in the current folder."""
    command = command.replace("ssh host ", "").replace("/var/lib/registry", "registry")
    command = command.replace("| ctr -n k8s.io images import -", "> images.tar")  # containerd may not run here
    return f'airpatch() {{ {shlex.quote(sys.executable)} -P -m airpatch "$@"; }}\n{command}'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with what the README presupposes: the images of three releases, as the sender has them."""
    shutil.copytree(IMAGES / "r1", tmp_path / "images")
    shutil.copytree(IMAGES / "r2", tmp_path / "images-4.2.1")
    (tmp_path / "registry").mkdir()
    return tmp_path


def prepare(command: str, site: Path) -> None:
    """What has happened between two commands of the README, on the sender's side or on the host's."""
    if "--key " in command:
        for name in ("release", "quality"):
            run(f"ssh-keygen -q -t ed25519 -N '' -f {name}_key", site)
            run(f'echo "{name}@example.com $(cut -d" " -f1,2 {name}_key.pub)" >> allowed_signers', site)
    elif "--request" in command:
        run("airpatch restore shop-4.2.0.tar.zst -o base/", site)
        run("airpatch inventory registry -o everything.inventory", site)
        shutil.rmtree(site / "registry")
        run("airpatch apply shop-4.2.0.tar.zst --root registry", site)
        layers = (site / "registry/docker/registry/v2/blobs/sha256").rglob("data")
        kept = {path.name for path in (site / "images-4.2.1").rglob("*")}
        shared = next(path for path in sorted(layers) if path.parent.name in kept and path.stat().st_size > 1000)
        shared.unlink()
    elif "4.2.1.patch.tar.zst 4.2.2" in command:
        run("airpatch diff --base shop-4.2.0.tar.zst images-4.2.1/ -o 4.2.1.patch.tar.zst", site)
        run("airpatch diff --base 4.2.1.patch.tar.zst base/ -o 4.2.2.patch.tar.zst", site)


def run(command: str, site: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["bash", "-c", here(command)], cwd=site, capture_output=True, text=True)
    code = EXIT_CODE.search(command)
    assert done.returncode == (int(code[1]) if code else 0), (command, done.stderr)
    return done


@pytest.mark.slow
def test_every_command_of_the_readme_works(site: Path) -> None:
    ran = 0
    for command in commands():
        words = shlex.split(command, comments=True)
        if words[0] in ELSEWHERE:
            continue
        prepare(command, site)
        if words[0] == "tar":
            shutil.rmtree(site / "registry")
            (site / "registry").mkdir()
        run(command, site)
        ran += 1
    assert ran >= 20


def test_other_commands_of_the_readme_are_known() -> None:
    others = {shlex.split(command, comments=True)[0] for command in commands()} - {"airpatch", "ssh", "tar", "eval"}
    assert others <= ELSEWHERE.keys()


@pytest.mark.slow
def test_the_picture_shows_what_the_tour_prints() -> None:
    done = subprocess.run([sys.executable, PROJECT / "docs/make_picture.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
