"""A release as it is, where `RELEASE=OUTDIR` names one that `./release.sh OUTDIR` made.

The scripts say what they try: hosts without Python, without a C library, with Python alone; the codecs for aarch64.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[1] / "packaging"
RELEASE = os.environ.get("RELEASE")
LARGEST = 30_000_000
"""Bytes that an executable may have."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(RELEASE is None, reason="RELEASE names no release"),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("debootstrap") is None, reason="needs root and debootstrap"),
]


def test_it_is_complete_and_small() -> None:
    folder = Path(RELEASE or "")
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    names = [line.split(maxsplit=1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert sum(name.endswith(".whl") for name in names) == 4
    executables = [name for name in names if name.startswith("airpatch-linux-")]
    assert "airpatch-linux-x86_64" in executables
    assert all((folder / name).stat().st_size < LARGEST for name in executables)


def test_hosts_that_have_nothing() -> None:
    subprocess.run([PACKAGING / "try_offline.sh", RELEASE or ""], check=True)


@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="needs qemu-user")
def test_the_codecs_for_aarch64_give_the_same_bytes() -> None:
    subprocess.run([PACKAGING / "try_aarch64.sh", RELEASE or ""], check=True)
