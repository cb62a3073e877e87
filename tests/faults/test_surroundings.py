"""Full disks, limits, rights, mounts, other processes and damaged input: made for real, without a tracer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import mounts, strace
from tests.faults.scenario import TARGET_ERROR, Bundles, Lab, Scenario, judge_end, judge_instant
from tests.faults.view import look, snapshot
from tests.faults.zygote import Ended, Setup, Zygote
from tests.support import Builder

NOBODY = 65534


@pytest.fixture
def disk(lab: Lab) -> Iterator[Path]:
    """A folder for a file system of the test."""
    folder = lab.folder / "mount"
    folder.mkdir()
    yield folder
    folder.rmdir()


def fill(root: Path) -> None:
    """Take all the space that is left."""
    with (root / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 12)):
                pass
        except OSError:
            return


def used(root: Path) -> int:
    """Bytes of the file system below `root` that are in use."""
    status = os.statvfs(root)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


# No space


def test_adversary_48_a_disk_without_space_or_inodes(lab: Lab, small: dict[str, Scenario], disk: Path) -> None:
    scenario = small["patch"]
    for options in ("size=400k", "size=1m,nr_inodes=260", "size=800k"):
        with mounts.tmpfs(disk, options):
            subprocess.run(["cp", "-a", f"{scenario.start}/.", str(disk)], check=True)
            before = snapshot(disk)
            fill(disk)
            ended = lab.zygote.run(scenario.command(disk))
            (disk / "filler").unlink()
            assert ended.code == TARGET_ERROR, (options, ended)
            assert "make room" in ended.output or "free some space" in ended.output or "has room" in ended.output
            assert {path: value for path, value in snapshot(disk).items() if path in before} == before
            assert judge_instant(scenario, disk) == []
            if options == "size=800k":
                assert lab.judge_rerun(scenario, disk) == []


@pytest.mark.parametrize("name", ["patch", "layers"])
def test_adversary_48_the_disk_fills_up_at_every_write(
    lab: Lab, small: dict[str, Scenario], disk: Path, name: str
) -> None:
    """Somebody else takes the space after the check: the run is stopped at a call, and goes on on a full disk."""
    scenario = small[name]
    points = [point for point in lab.points(scenario) if point.main and point.name in ("mkdirat", "syncfs", "renameat")]
    failed = 0
    for point in points[:: len(points) // 8]:
        with mounts.tmpfs(disk, "size=1m"):
            subprocess.run(["cp", "-a", f"{scenario.start}/.", str(disk)], check=True)
            ended: list[Ended] = []
            with strace.stopped(lab.zygote, scenario.command(disk), point, lab.folder, ended):
                fill(disk)
            (disk / "filler").unlink()
            assert ended[0].code in (0, TARGET_ERROR), (point, ended)
            failed += ended[0].code == TARGET_ERROR
            assert judge_instant(scenario, disk) == []
            assert lab.judge_rerun(scenario, disk) == []
    assert failed > 2


def test_adversary_48_many_links_and_few_bytes(lab: Lab, disk: Path) -> None:
    """Links and their folders take inodes and blocks: a disk on which they do not fit is left as it is."""
    builder = Builder()
    for number in range(80):
        picture = builder.picture([b"%d of %d" % (layer, number) for layer in range(6)], config=b"%d" % number)
        builder.tag(f"many/a{number}/deep/below:1", picture)
    bundle = lab.folder / "many.tar.zst"
    bundle.write_bytes(builder.bundle())
    codes = []
    for options in ("size=2m", "size=6m", "size=12m,nr_inodes=1000", "size=12m,nr_inodes=2000", "size=32m"):
        for name in (bundle, "-"):
            with mounts.tmpfs(disk, options), bundle.open("rb") as file:
                words = [sys.executable, "-m", "airpatch", "apply", name, "--root", str(disk / "root")]
                ended = subprocess.run(words, stdin=file, capture_output=True, text=True, check=False)
                codes.append(ended.returncode)
                assert ended.returncode in (0, TARGET_ERROR), ended
                assert ended.returncode == 0 or ("are needed and" in ended.stderr and not list(disk.rglob("docker")))
    assert codes == [8] * 8 + [0] * 2


def test_adversary_48_no_room_for_scratch_files_and_outputs(
    lab: Lab, bundles: Bundles, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What unpacks layers or writes large files looks for room before it begins, and says where it looked."""
    old, new, root = (lab.folder / f"scratch-{name}" for name in ("old", "new", "root"))
    repacked = lab.folder / "scratch-repacked"
    lab.run("restore", bundles.base, "-o", old)
    lab.run("apply", bundles.base, bundles.layers, "--root", root)
    lab.run("restore", root, "-o", new)
    lab.run("create", new, "--repack", "-o", repacked)
    commands = [
        ("verify", bundles.layers, "--base", bundles.base),
        ("verify", repacked),
        ("merge", bundles.base, bundles.layers, "-o", "merged"),
        ("restore", repacked, "-o", "restored"),
        ("create", repacked, "-o", "created"),
        ("create", new, "--repack", "-o", "created"),
        ("diff", "--base", bundles.base, new, "-o", "patch"),
        ("create", old, "-o", "created"),
        ("restore", bundles.base, "--as", "oci-archive", "-o", "restored.tar"),
        ("restore", bundles.base, "-o", "restored"),
    ]
    for words in commands:
        with mounts.tmpfs(disk, "size=16k"):
            monkeypatch.chdir(disk)
            line = [sys.executable, "-m", "airpatch", *words]
            ended = subprocess.run(line, capture_output=True, text=True, check=False)
            left = list(disk.iterdir())
            monkeypatch.undo()
        assert ended.returncode == TARGET_ERROR, (words, ended)
        what = "" if words in commands[-3:] else " for scratch files"
        where = disk if what else words[-1]  # as it was named
        assert f": {where}" in ended.stderr, (words, ended)
        assert f"bytes are needed{what} and" in ended.stderr, (words, ended)
        assert left in ([], [disk / "restored"]), words


def test_adversary_48_prune_works_on_a_full_disk(lab: Lab, small: dict[str, Scenario], disk: Path) -> None:
    scenario = small["prune"]
    with mounts.tmpfs(disk, "size=2m"):
        subprocess.run(["cp", "-a", f"{scenario.start}/.", str(disk)], check=True)
        fill(disk)
        before = used(disk)
        ended = lab.zygote.run(scenario.command(disk))
        assert ended.code == 0, ended
        assert used(disk) < before
        (disk / "filler").unlink()
        assert judge_end(scenario, disk) == []


@pytest.mark.parametrize("limit", [0, 50, 4096, 60_000, 99_999])
def test_adversary_48_a_limit_of_file_sizes(lab: Lab, small: dict[str, Scenario], limit: int) -> None:
    """RLIMIT_FSIZE: a write stops short at the limit, and the next one fails with EFBIG."""
    scenario = small["full"]
    lab.copy(scenario.start, lab.root)
    ended = lab.zygote.run(lab.argv(scenario), Setup(file_size=limit))
    assert ended.code == TARGET_ERROR, ended
    assert "ulimit -f" in ended.output or limit < 4096  # the limit holds for the message, too
    assert judge_instant(scenario, lab.root) == []
    assert lab.judge_rerun(scenario, lab.root) == []


@pytest.mark.parametrize("size", [1000, 4097])
def test_adversary_49_short_writes(lab: Lab, small: dict[str, Scenario], size: int) -> None:
    scenario = small["patch"]
    lab.copy(scenario.start, lab.root)
    ended = lab.zygote.run(lab.argv(scenario), Setup(short_writes=size))
    assert ended.code == 0, ended
    assert judge_end(scenario, lab.root) == []


# Rights and mounts


def test_adversary_50_a_read_only_file_system(lab: Lab, small: dict[str, Scenario], disk: Path) -> None:
    for scenario in small.values():
        with mounts.tmpfs(disk, "size=4m"):
            subprocess.run(["cp", "-a", f"{scenario.start}/.", str(disk)], check=True)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            before = snapshot(disk)
            dry = [[*scenario.command(disk), "--dry-run"]] if {"apply", "prune"} & set(scenario.argv) else []
            for words in (scenario.command(disk), *dry):
                ended = lab.zygote.run(words)
                assert ended.code == TARGET_ERROR, (words, ended)
                assert "mount it writable" in ended.output
                assert snapshot(disk) == before
    with mounts.tmpfs(disk, "size=4m,ro"):
        ended = lab.zygote.run([*small["full"].command(disk / "new/root"), "--dry-run"])
        assert ended.code == TARGET_ERROR, ended
        assert "mount it writable" in ended.output


def test_adversary_50_a_root_of_somebody_else(lab: Lab, small: dict[str, Scenario]) -> None:
    for scenario in small.values():
        lab.copy(scenario.start, lab.root)
        before = snapshot(lab.root)
        ended = lab.zygote.run(lab.argv(scenario), Setup(owner=NOBODY))
        assert ended.code == TARGET_ERROR, (scenario.name, ended)
        assert "check owner and mode" in ended.output
        assert snapshot(lab.root) == before


@pytest.mark.parametrize("part", ["repositories", "blobs"])
def test_adversary_50_one_folder_of_somebody_else(lab: Lab, small: dict[str, Scenario], part: str) -> None:
    """All belongs to the user but for one folder, which would come up late: it is found before the first write."""
    scenario = small["patch"]
    lab.copy(scenario.start, lab.root)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(lab.root)], check=True)
    foreign = lab.root / "docker/registry/v2" / part / ("sha256" if part == "blobs" else "shop")
    os.chown(foreign, 0, 0)
    before = snapshot(lab.root)
    for options in ((), ("--dry-run",)):
        ended = lab.zygote.run([*lab.argv(scenario), *options], Setup(owner=NOBODY))
        assert ended.code == TARGET_ERROR, ended
        assert f"{foreign}" in ended.output
        assert "check owner and mode" in ended.output
        assert snapshot(lab.root) == before
    os.chown(foreign, NOBODY, NOBODY)
    assert lab.judge_rerun(scenario, lab.root) == []


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
def test_adversary_50_a_umask_changes_nothing(lab: Lab, small: dict[str, Scenario], umask: int) -> None:
    scenario = small["full"]
    lab.copy(scenario.start, lab.root)
    ended = lab.zygote.run(lab.argv(scenario), Setup(umask=umask))
    assert ended.code == 0, ended
    modes = {path: path.stat().st_mode & 0o7777 for path in lab.root.rglob("*")}
    assert modes.pop(lab.root / ".airpatch/lock") == 0o600
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o644}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}


@pytest.mark.parametrize(
    "part",
    [
        ".airpatch",
        "docker/registry/v2/blobs",
        "docker/registry/v2/blobs/sha256",
        "docker/registry/v2/repositories",
        "docker/registry/v2/repositories/shop",
    ],
)
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_adversary_50_a_part_of_the_root_on_another_file_system(
    lab: Lab, small: dict[str, Scenario], part: str, kind: str
) -> None:
    """Names cannot be given across mounts, of one file system or of two. That is told, and changes nothing."""
    scenario = small["patch"]
    lab.copy(scenario.start, lab.root)
    (lab.root / part).rename(lab.folder / "part")
    with (
        mounts.tmpfs(lab.root / part, "size=4m")
        if kind == "tmpfs"
        else mounts.bind(lab.folder / "aside", lab.root / part)
    ):
        subprocess.run(["cp", "-a", f"{lab.folder / 'part'}/.", str(lab.root / part)], check=True)
        before = snapshot(lab.root)
        for options in ((), ("--dry-run",)):
            ended = lab.zygote.run([*lab.argv(scenario), *options])
            assert ended.code == TARGET_ERROR, ended
            assert f"{lab.root / part}: is on another file system" in ended.output
            assert snapshot(lab.root) == before
        view = look(lab.root)
        assert (view.findings, view.tags) == ([], scenario.old)
    shutil.rmtree(lab.folder / "part")


def test_a_root_on_an_overlay(lab: Lab, small: dict[str, Scenario], disk: Path) -> None:
    """As containers have it: folders of a lower layer cannot be moved, and are filled or emptied instead."""
    for scenario in small.values():
        lower = lab.folder / "lower"
        lab.copy(scenario.start, lower)
        with mounts.overlay(lower, disk):
            ended = lab.zygote.run(scenario.command(disk))
            assert ended.code == 0, (scenario.name, ended)
            assert judge_end(scenario, disk) == []
        shutil.rmtree(lower)


# Others at work, and the end of runs


def test_adversary_51_two_appliers(lab: Lab, small: dict[str, Scenario], tmp_path: Path) -> None:
    """The second is refused at once, whatever the first is doing, and the first goes on."""
    other = Zygote(tmp_path)
    try:
        for scenario in (small["patch"], small["prune"]):
            points = [point for point in lab.points(scenario) if point.main]
            for point in points[:: len(points) // 5]:
                lab.copy(scenario.start, lab.root)
                ended: list[Ended] = []
                with strace.stopped(lab.zygote, lab.argv(scenario), point, lab.folder, ended):
                    commands = [small["patch"].command(lab.root), small["prune"].command(lab.root)]
                    for argv in (*commands, *([*words, "--dry-run"] for words in commands)):
                        second = other.run(argv)
                        assert second.code == TARGET_ERROR, second
                        assert "another airpatch is working" in second.output
                assert ended[0].code == 0, ended
                assert judge_end(scenario, lab.root) == []
    finally:
        other.close()


def test_adversary_51_the_lock_of_a_run_that_was_killed(lab: Lab, small: dict[str, Scenario]) -> None:
    scenario = small["patch"]
    point = next(point for point in lab.points(scenario) if point.name == "syncfs")
    lab.copy(scenario.start, lab.root)
    strace.inject(lab.zygote, lab.argv(scenario), point, "signal=SIGKILL", lab.folder)
    assert (lab.root / ".airpatch/lock").exists()
    assert list((lab.root / ".airpatch/staging").iterdir()) != []
    assert lab.judge_rerun(scenario, lab.root) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_adversary_51_signals_while_a_pipe_is_read(
    lab: Lab, bundles: Bundles, small: dict[str, Scenario], number: signal.Signals
) -> None:
    """The end of the bundle never comes; what has come was staged, and is swept."""
    scenario = small["patch"]
    lab.copy(scenario.start, lab.root)
    before = snapshot(lab.root)
    pipe = lab.folder / "pipe"
    os.mkfifo(pipe)
    try:
        run = lab.zygote.start([*lab.argv(scenario)[:3], pipe, "--root", lab.root])
        run.go()
        with pipe.open("wb", buffering=0) as file:
            file.write(bundles.patch.read_bytes()[:-100])
            while not any((lab.root / ".airpatch/staging").iterdir()):
                pass
            run.kill(number)
            ended = run.wait()
    finally:
        pipe.unlink()
    assert ended.code == 128 + number, ended
    assert snapshot(lab.root) == before


# Again, and damaged input


def test_adversary_56_applied_again_nothing_changes(lab: Lab, small: dict[str, Scenario]) -> None:
    scenario = small["patch"]
    lab.copy(scenario.start, lab.root)
    lab.run(*lab.argv(scenario))
    files = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in lab.root.rglob("*") if path.is_file()}
    lab.run(*lab.argv(scenario))
    again = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in lab.root.rglob("*") if path.is_file()}
    assert again == files


def test_adversary_57_the_bundle_cannot_be_read(lab: Lab, small: dict[str, Scenario]) -> None:
    """Manifests are also looked at ahead: a read that fails there alone does no harm, since it is done once more."""
    scenario = small["patch"]
    lab.copy(scenario.start, lab.root)
    calls = strace.record(lab.zygote, lab.argv(scenario), lab.folder, ["preadv", "preadv2"])
    reads = [call for call in calls if ".tar.zst>" in call.arguments]
    refused = 0
    for call in reads:
        lab.copy(scenario.start, lab.root)
        before = snapshot(lab.root)
        point = strace.Point(call.name, call.number, main=True)
        ended = strace.inject(lab.zygote, lab.argv(scenario), point, "error=EIO", lab.folder)
        if ended.code == 0:
            assert lab.judge_rerun(scenario, lab.root) == []
            continue
        assert ended.code == TARGET_ERROR, ended
        assert f"{scenario.argv[4]}: cannot be read: Input/output error" in ended.output
        assert snapshot(lab.root) == before
        refused += 1
    assert refused > 3


def test_adversary_57_the_bundle_shrinks(lab: Lab, bundles: Bundles, small: dict[str, Scenario]) -> None:
    scenario = small["patch"]
    bundle = lab.folder / "shrinking.tar.zst"
    argv = [*scenario.argv[:3], str(bundle), "--root", str(lab.root)]
    for size in (0, 100, bundles.patch.stat().st_size - 1000):
        shutil.copyfile(bundles.patch, bundle)
        lab.copy(scenario.start, lab.root)
        before = snapshot(lab.root)
        ended: list[Ended] = []
        with strace.stopped(lab.zygote, argv, strace.Point("flock", 1, main=True), lab.folder, ended):
            os.truncate(bundle, size)
        assert ended[0].code == 3, ended
        assert "shrank while it was being read" in ended[0].output
        assert snapshot(lab.root) == before


def test_adversary_58_leftovers_in_staging_are_swept(lab: Lab, small: dict[str, Scenario]) -> None:
    for name in ("patch", "rollback", "prune"):
        scenario = small[name]
        lab.copy(scenario.start, lab.root)
        staging = lab.root / ".airpatch/staging"
        (staging / "1/current").mkdir(parents=True)
        (staging / "1/current/link").write_text("")
        (staging / "2").symlink_to(lab.root / "docker")
        os.mkfifo(staging / "3")
        assert judge_instant(scenario, lab.root) == []
        assert lab.judge_rerun(scenario, lab.root) == []
