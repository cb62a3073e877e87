"""What a release is made of works on hosts that have nothing, on aarch64, and with musl.

The executable and the codecs of this tree are made and tried by `.ci/offline` and `.ci/aarch64`. Where `RELEASE=OUTDIR`
names a release that `./release.sh OUTDIR` made, its files are tried instead, `airpatch.pyz` and the wheels among them;
those for musl only then, since that takes as long as all other tests: a weekly workflow runs `.ci/musl`.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGING = PROJECT / "packaging"
RELEASE = os.environ.get("RELEASE")
LARGEST = 30_000_000
"""Bytes that an executable may have."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="releases are made on x86-64"),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("debootstrap") is None, reason="needs root and debootstrap"),
]


def has_root_mount() -> bool:
    """Whether / is a mount, so that a process may be given mounts of its own (proc_pid_mountinfo(5))."""
    return any(line.split()[4] == "/" for line in Path("/proc/self/mountinfo").read_text().splitlines())


def try_out(script: str, folder: Path) -> None:
    """Run `packaging/try_SCRIPT.sh` with the release, or `.ci/SCRIPT` in a copy of this tree, in `folder`.

    The copy takes the packages that Debian has today; whether they are still the pinned ones, a release finds out.
    """
    if RELEASE is not None:
        subprocess.run([PACKAGING / f"try_{script}.sh", RELEASE], check=True)
        return
    copy = folder / "project"
    shutil.copytree(PROJECT, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "build", ".*_cache"))
    subprocess.run([copy / "packaging" / "make_system.sh", "--pin"], check=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run([copy / ".ci" / script], check=True, env={**os.environ, "PATH": path})


@pytest.mark.skipif(RELEASE is None, reason="RELEASE names no release")
def test_it_is_complete_and_small() -> None:
    folder = Path(RELEASE or "")
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    names = [line.split(maxsplit=1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert sum(name.endswith(".whl") for name in names) == 4
    executables = [name for name in names if name.startswith("airpatch-linux-")]
    assert "airpatch-linux-x86_64" in executables
    assert all((folder / name).stat().st_size < LARGEST for name in executables)


@pytest.mark.skipif(
    RELEASE is None and sys.version_info[:2] != (3, 11),
    reason="codecs are compiled for another Python than the executable's",
)
@pytest.mark.skipif(not has_root_mount(), reason="needs mounts of its own: / is none, as in a plain chroot")
def test_hosts_that_have_nothing(tmp_path: Path) -> None:
    try_out("offline", tmp_path)


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="needs qemu-user")
def test_the_codecs_for_aarch64_give_the_same_bytes(tmp_path: Path) -> None:
    try_out("aarch64", tmp_path)


@pytest.mark.skipif(RELEASE is None, reason="RELEASE names no release")
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="needs qemu-user")
def test_the_wheels_for_musl_give_the_same_bytes(tmp_path: Path) -> None:
    try_out("musl", tmp_path)
