"""A restore over older images that is killed or cut: each image's folder is the old one or the new one.

Faults hit at the calls of the main thread, while others fetch blobs into the hidden folder.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import mounts, strace
from tests.faults.scenario import TARGET_ERROR, Bundles, Lab
from tests.faults.zygote import Ended

Image = dict[str, bytes]

STAGING = ".airpatch-restore"


def images(folder: Path) -> dict[str, Image]:
    """The images below `folder` that a user sees, by their folders."""
    return {
        str(path.parent.relative_to(folder)): {file.name: file.read_bytes() for file in path.parent.iterdir()}
        for path in folder.rglob("version")
        if STAGING not in path.parts
    }


@pytest.fixture
def old(lab: Lab, bundles: Bundles, tmp_path: Path) -> Path:
    """A folder with the images of r1; the tag `stable` is one of r2, too."""
    lab.run("restore", "-q", bundles.r1, "-o", tmp_path / "old")
    return tmp_path / "old"


def command(bundles: Bundles, out: Path) -> list[str | Path]:
    return ["restore", "-q", "--jobs", "1", bundles.r2, "-o", out]


def judge(lab: Lab, bundles: Bundles, out: Path, old: dict[str, Image], new: dict[str, Image]) -> None:
    """Each image is whole, and another restore brings all to its end."""
    found = images(out)
    assert found.keys() >= old.keys()
    assert all(image in (old.get(name), new[name]) for name, image in found.items())
    assert all(path.name.startswith(STAGING) or path.is_dir() for path in out.iterdir())
    lab.run(*command(bundles, out))
    assert images(out) == new
    assert not (out / STAGING).exists()


@pytest.mark.parametrize(
    ("fault", "codes", "every"), [("signal=SIGKILL", (-9,), 1), ("error=EIO", (TARGET_ERROR, 0), 2)]
)
def test_adversary_45_47_56_at_calls_that_change_the_disk(
    lab: Lab, bundles: Bundles, old: Path, fault: str, codes: tuple[int, ...], every: int
) -> None:
    lab.copy(old, lab.root)
    before = images(old)
    calls = strace.record(lab.zygote, command(bundles, lab.root), lab.folder)
    after = images(lab.root)
    chosen = strace.points(calls, strict=False)[::every]
    assert len(chosen) > 20
    for point in chosen:
        lab.copy(old, lab.root)
        ended: Ended = strace.inject(lab.zygote, command(bundles, lab.root), point, fault, lab.folder)
        assert ended.code in codes, (point, ended)
        judge(lab, bundles, lab.root, before, after)


def test_adversary_46_56_power_cuts_at_every_barrier_and_rename(lab: Lab, bundles: Bundles, old: Path) -> None:
    before = images(old)
    disk, template, image = lab.folder / "disk", lab.folder / "restore.ext4", lab.folder / "disk.ext4"
    mounts.make_ext4(template, 48 << 20)
    with mounts.ext4(template, disk):
        subprocess.run(["cp", "-a", str(old), str(disk / "out")], check=True)

    def mounted(use: Callable[[], None]) -> None:
        with mounts.ext4(image, disk):
            use()

    calls: list[strace.Call] = []
    image.write_bytes(template.read_bytes())
    mounted(lambda: calls.extend(strace.record(lab.zygote, command(bundles, disk / "out"), lab.folder)))
    lab.copy(old, lab.root)
    lab.run(*command(bundles, lab.root))
    after = images(lab.root)
    chosen = [
        point for point in strace.points(calls, strict=False) if point.name in ("syncfs", "renameat", "renameat2")
    ]
    assert len(chosen) > 4
    for point in chosen:
        for kind in (mounts.NO_LOG_FLUSH, mounts.LOG_FLUSH):
            image.write_bytes(template.read_bytes())

            def cut(point: strace.Point = point, kind: int = kind) -> None:
                argv = command(bundles, disk / "out")
                assert strace.inject(lab.zygote, argv, point, "signal=SIGKILL", lab.folder).code == -9
                mounts.cut_power(disk, kind)

            mounted(cut)
            mounted(lambda: judge(lab, bundles, disk / "out", before, after))
