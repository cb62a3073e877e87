"""History and journal have one form and hold nothing else; the lock is exclusive; staging is swept."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch import limits
from airpatch.errors import FormatError, TargetError
from airpatch.format.receipts import Receipt, emit_receipt
from airpatch.target.audit import audit_root
from airpatch.target.history import Action, History, Outcome
from airpatch.target.root import Root
from airpatch.target.state import (
    Origin,
    State,
    current,
    history,
    interrupted,
    locked,
    receipts,
    require_unlocked,
)
from tests.support import execution
from tests.target import support
from tests.target.support import Sample, install, opened, snapshot, staging, try_out

RELEASE = support.r1().release
RECEIPT = emit_receipt(Receipt(RELEASE, 1_700_000_000))
APPLY = Origin()

# Files


def test_adversary_24_a_giant_state_file_is_refused_unread(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    for name in ("history", "journal", f"releases/{r1.id.hex}"):
        path = root / ".airpatch" / name
        before = path.read_bytes() if path.exists() else None
        with path.open("wb") as file:
            file.truncate(1 << 40)
        with Root(root) as files, pytest.raises(TargetError, match=r"more than the|remove it"):
            (receipts(files), history(files), interrupted(files))
        path.unlink() if before is None else path.write_bytes(before)


def test_adversary_41_receipts_are_bounded_in_all(
    root: Path, r1: Sample, r2: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(root, r1.full, r2.full)
    size = sum(path.stat().st_size for path in (root / ".airpatch/releases").iterdir())
    monkeypatch.setattr(limits.RECEIPTS, "value", size)
    with Root(root) as files:
        assert receipts(files).keys() == {r1.id, r2.id}
        assert audit_root(files, execution()).findings == ()
        monkeypatch.setattr(limits.RECEIPTS, "value", size - 1)
        with pytest.raises(FormatError, match=f"receipts of more than {size - 1} .*--limit receipts raises that"):
            receipts(files)
        (finding,) = audit_root(files, execution()).findings
    assert f"has receipts of more than {size - 1}" in finding


@pytest.mark.parametrize("name", ["README", "0" * 64, "x.receipt", os.fsdecode(b"\xff")])
def test_what_is_no_receipt_is_named(root: Path, r1: Sample, name: str) -> None:
    install(root, r1.full)
    (root / ".airpatch/releases" / name).write_bytes(RECEIPT)
    with Root(root) as files, pytest.raises(TargetError, match="remove it") as caught:
        receipts(files)
    assert name in str(caught.value)


def test_adversary_18_a_receipt_that_is_a_link_is_refused(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    path = root / ".airpatch/releases" / r1.id.hex
    path.rename(root / "elsewhere")
    path.symlink_to(root / "elsewhere")
    with Root(root) as files, pytest.raises(TargetError, match="not a regular file"):
        receipts(files)


def test_an_empty_root_has_no_state(place: Path) -> None:
    with Root(place) as files:
        assert (receipts(files), history(files), current(files), interrupted(files)) == ({}, History(), None, None)
    assert snapshot(place) == {}


# Writing


def test_record_makes_a_release_current_and_ends_the_journal(root: Path, r1: Sample, r2: Sample) -> None:
    with opened(root) as (files, held):
        held.begin(r1.release, APPLY)
        held.sync()
        journal = interrupted(files)
        assert journal is not None
        assert journal.release == r1.release
        assert current(files) is None
        held.record(r1.release, APPLY)
        held.record(r2.release, APPLY)
        held.record(r1.release, Origin(Action.ROLLBACK))
        assert interrupted(files) is None
        assert set(receipts(files)) == {r1.id, r2.id}
        assert current(files) == r1.id
        held.forget(r2.release)
        assert set(receipts(files)) == {r1.id}
        assert current(files) == r1.id
        assert [event.outcome for event in history(files).events] == [Outcome.BEGUN, *[Outcome.DONE] * 4]
        done = [(event.action, event.release and event.release.name) for event in history(files).events[1:]]
    assert done == [(Action.APPLY, "r1"), (Action.APPLY, "r2"), (Action.ROLLBACK, "r1"), (Action.PRUNE, "r2")]


def test_a_receipt_keeps_the_time_of_the_first_install(root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(root) as (files, held):
        monkeypatch.setattr("time.time", lambda: 1000.5)
        held.record(r1.release, APPLY)
        monkeypatch.setattr("time.time", lambda: 2000.5)
        held.record(r1.release, APPLY)
        assert receipts(files)[r1.id].installed == 1000
        assert [event.time for event in history(files).events] == [1000, 2000]


def test_adversary_46_state_is_on_disk_before_it_has_its_name(
    root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    with opened(root) as (files, held):
        for name in ("write", "sync", "rename", "unlink"):
            original = getattr(files, name)

            def traced(*args: object, name: str = name, original: Callable[..., object] = original) -> object:
                calls.append(name if name == "sync" else f"{name} {args[-1 if name == 'rename' else 0]}")
                return original(*args)

            monkeypatch.setattr(files, name, traced)
        held.record(r1.release, APPLY)
    shown = [call.replace(r1.id.hex, "ID") for call in calls if "lock" not in call]
    assert [call for call in shown if not call.startswith("write")][:6] == [
        "sync",
        "rename .airpatch/releases/ID",
        "sync",
        "rename .airpatch/history",
        "unlink .airpatch/journal",
        "sync",
    ]


# The lock


def holder(root: Path) -> subprocess.Popen[str]:
    code = (
        "import sys\nfrom pathlib import Path\nfrom airpatch.target.root import Root\n"
        "from airpatch.target.state import locked\n"
        "with Root(Path(sys.argv[1]), create=True) as root, locked(root):\n"
        "    print('held', flush=True)\n    sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_adversary_51_one_of_two_processes_gets_the_lock_and_a_stale_one_does_not_hold(root: Path, r1: Sample) -> None:
    process = holder(root)
    try:
        (root / ".airpatch/staging/theirs").write_bytes(b"x")
        with pytest.raises(TargetError, match="another airpatch is working"):
            install(root, r1.full)
        assert staging(root) == ["theirs"]
        assert not (root / "docker").exists()
    finally:
        process.kill()
        process.communicate()
    assert (root / ".airpatch/lock").exists()
    install(root, r1.full)
    assert staging(root) == []


def test_adversary_51_two_in_one_process_exclude_each_other(root: Path) -> None:
    with opened(root), Root(root) as second, pytest.raises(TargetError, match="another airpatch"), locked(second):
        pass
    with opened(root):
        pass


def test_the_lock_is_left_when_the_work_fails(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened(root):
        raise ZeroDivisionError
    with opened(root):
        pass


def test_a_file_system_without_locks_is_a_target_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(TargetError, match="No locks available"), opened(place):
        pass


@pytest.mark.parametrize("path", [".airpatch", ".airpatch/staging", ".airpatch/lock"])
def test_adversary_18_links_in_the_state_are_refused(place: Path, r1: Sample, path: str) -> None:
    (place / "elsewhere").mkdir()
    (place / "elsewhere/staging").mkdir()
    (place / "elsewhere/staging/precious").write_bytes(b"x")
    root = place / "root"
    (root / path).parent.mkdir(parents=True)
    (root / path).symlink_to(place / "elsewhere")
    before = snapshot(place / "elsewhere")
    with pytest.raises(TargetError):
        install(root, r1.full)
    assert snapshot(place / "elsewhere") == before
    assert not (root / "docker").exists()


def test_adversary_58_staging_is_swept_before_and_after(root: Path, place: Path) -> None:
    (place / "precious").mkdir()
    (place / "precious/file").write_bytes(b"x")
    left = root / ".airpatch/staging"
    (left / "folder/deep/er").mkdir(parents=True)
    (left / "folder/deep/file").write_bytes(b"x")
    (left / "1").write_bytes(b"x")
    (left / "link").symlink_to(place / "precious")
    (left / "folder/link").symlink_to("../../../..")
    (left / os.fsdecode(b"\xff")).write_bytes(b"x")
    os.mkfifo(left / "fifo")
    with opened(root) as (files, held):
        assert staging(root) == []
        files.write(held.staged(), b"x")
        files.make_folder(f"{held.staged()}/below")
    assert staging(root) == []
    assert (place / "precious/file").read_bytes() == b"x"


def test_what_cannot_be_swept_afterwards_does_not_hide_the_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: State) -> None:
        raise TargetError("cannot sweep")

    def work() -> None:
        with opened(root):
            monkeypatch.setattr(State, "clear", fail)
            raise TargetError("the first")

    with pytest.raises(TargetError, match="the first"):
        work()


def test_adversary_51_a_dry_run_is_refused_while_another_works(root: Path, r1: Sample) -> None:
    with opened(root), pytest.raises(TargetError, match="another airpatch is working"):
        try_out(root, r1.full)


def test_adversary_51_a_lock_that_vanishes_in_a_dry_run_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".airpatch").mkdir(parents=True)
    with Root(root) as files:
        monkeypatch.setattr(files, "size", lambda _path: 0)  # as it was a moment ago
        require_unlocked(files)
    assert list((root / ".airpatch").iterdir()) == []


def test_adversary_51_a_file_system_without_locks_is_told_in_a_dry_run(
    root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(root, r1.full)
    (root / ".airpatch/lock").touch()

    def fail(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    with Root(root) as files, pytest.raises(TargetError, match="No locks available"):
        require_unlocked(files)


def test_adversary_53_the_folder_of_the_lock_may_be_removed_while_it_is_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever held the lock before; then it is made again."""
    open_lock = Root.open_lock
    calls = []

    def removed_at_first(self: Root, path: str, *, create: bool = True) -> int:
        calls.append(path)
        if len(calls) == 1:
            (self.path / ".airpatch/staging").rmdir()
            (self.path / ".airpatch").rmdir()
        return open_lock(self, path, create=create)

    monkeypatch.setattr(Root, "open_lock", removed_at_first)
    with opened(root):
        assert (root / ".airpatch/staging").is_dir()
    assert len(calls) == 2


def test_adversary_53_a_root_that_vanishes_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_self: Root) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(Root, "make_workplace", gone)
    with pytest.raises(TargetError, match="vanished while airpatch was running"), opened(root):
        pass


def test_an_interrupted_wait_for_the_lock_leaves_nothing_open(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted_wait(*_: object) -> None:
        raise KeyboardInterrupt

    root.mkdir()
    before = support.descriptors()
    monkeypatch.setattr(fcntl, "flock", interrupted_wait)
    with pytest.raises(KeyboardInterrupt), opened(root):
        pass
    assert support.descriptors() == before


def test_a_receipt_that_is_none_is_named_by_who_needs_it(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    path = root / f".airpatch/releases/{r1.id.hex}"
    path.write_bytes(b"no receipt")
    with Root(root) as files, pytest.raises(TargetError, match=f"{path}: .*; remove it"):
        receipts(files)
