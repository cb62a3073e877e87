"""What is made on a root belongs to whom the registry's storage belongs to, at whatever moment a run ends."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airpatch.target import ownership
from airpatch.target.ownership import Ownership
from airpatch.target.root import Root
from tests.target import support
from tests.target.support import Killed, Sample, install, served

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
OWNER, GROUP = 4321, 1234
MAKING = ("mkdir", "fchmod", "fchown", "rename", "link", "open")


@pytest.fixture(autouse=True)
def strict_umask() -> Iterator[None]:
    old = os.umask(0o077)
    yield
    os.umask(old)


def storage(root: Path, mode: int = 0o755) -> Path:
    """An empty storage of somebody else, in a root of theirs."""
    path = root / "docker/registry/v2"
    path.mkdir(parents=True)
    for folder in (root, root / "docker", root / "docker/registry", path):
        folder.chmod(mode)
        os.chown(folder, OWNER, GROUP)
    return path


def strangers(root: Path) -> list[str]:
    """What lies below `root` with another owner or mode than it must have."""
    found = []
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        wanted = 0o755 if path.is_dir() else 0o600 if path.name == "lock" else 0o644
        if (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (OWNER, GROUP, wanted):
            found.append(f"{path.relative_to(root)}: {status.st_uid}:{status.st_gid} {status.st_mode:o}")
    return found


@needs_root
@pytest.mark.parametrize("call", MAKING)
def test_adversary_45_a_kill_between_two_calls_leaves_nothing_of_the_wrong_owner_or_mode(
    place: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    bundle = support.tiny(1)
    original = getattr(os, call)
    kills = 0
    for at in range(0, 400, 3):
        root = place / str(at)
        storage(root)
        calls = 0

        def killing(*args: object, at: int = at, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls > at:
                raise Killed
            return original(*args, **options)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, killing)
            try:
                install(root, bundle.full)
            except Killed:
                kills += 1
            else:
                break
        seen = [line for line in strangers(root) if not line.startswith(".airpatch/staging")]
        assert [line for line in seen if not line.startswith(".airpatch")] == [], at
        install(root, bundle.full)
        assert strangers(root) == [], at
        assert served(root) == bundle.tags
    assert kills > 1


@needs_root
def test_adversary_50_the_lock_is_for_its_owner_alone(place: Path, r1: Sample) -> None:
    root = place / "root"
    storage(root)
    install(root, r1.full)
    lock = root / ".airpatch/lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    lock.chmod(0o644)
    install(root, r1.full)
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    place.chmod(0o755)
    held = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "flock", "-n", str(lock), "true"],
        capture_output=True,
        check=False,
    )
    assert held.returncode != 0
    assert b"Permission denied" in held.stderr


@needs_root
def test_a_lock_that_is_a_second_name_of_another_file_is_refused_and_untouched(place: Path, r1: Sample) -> None:
    root = place / "root"
    storage(root)
    secret = place / "secret"
    secret.write_bytes(b"x")
    secret.chmod(0o640)
    (root / ".airpatch").mkdir()
    os.link(secret, root / ".airpatch/lock")
    with pytest.raises(support.TargetError, match="not a regular file of its own"):
        install(root, r1.full)
    status = secret.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o640)


@needs_root
def test_a_folder_that_hands_its_group_on_goes_on_doing_so(place: Path, r1: Sample) -> None:
    storage(place / "root", 0o2775)
    install(place / "root", r1.full)
    folder = (place / "root/docker/registry/v2/blobs/sha256").stat()
    assert (folder.st_gid, stat.S_IMODE(folder.st_mode)) == (GROUP, 0o2755)


# Access control lists and labels


def acl(user: int, permissions: int) -> bytes:
    """An ACL that names one more user (Linux `posix_acl_xattr.h`)."""
    none = 0xFFFFFFFF
    entries = [(0x01, 7, none), (0x02, permissions, user), (0x04, 5, none), (0x10, 7, none), (0x20, 5, none)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def permissions_of(path: Path, user: int) -> int:
    """What the ACL of `path` lets `user` do."""
    entries = list(struct.iter_unpack("<HHI", os.getxattr(path, "system.posix_acl_access")[4:]))
    (mask,) = (granted for tag, granted, _ in entries if tag == 0x10)
    (own,) = (granted for tag, granted, id_ in entries if (tag, id_) == (0x02, user))
    return int(own & mask)


@needs_root
@pytest.mark.parametrize("kind", ["default", "access"])
def test_whom_the_storage_s_acl_names_may_use_what_is_made_there(tmp_path: Path, r1: Sample, kind: str) -> None:
    root = tmp_path / "root"
    os.setxattr(storage(root), f"system.posix_acl_{kind}", acl(777, 7))
    install(root, r1.full)
    blobs = root / "docker/registry/v2/blobs"
    data = next(blobs.rglob("data"))
    assert [permissions_of(path, 777) for path in (blobs, data.parent, data)] == [7, 7, 6]
    assert stat.S_IMODE(data.stat().st_mode) >> 6 == 6
    assert ("system.posix_acl_default" in os.listxattr(data.parent)) is (kind == "default")


@needs_root
def test_attributes_and_security_labels_are_those_of_the_storage(tmp_path: Path, r1: Sample) -> None:
    root = tmp_path / "root"
    path = storage(root)
    label = b"system_u:object_r:container_file_t:s0\0"
    os.setxattr(path, "user.backup", b"weekly")
    os.setxattr(path, "security.selinux", label)
    install(root, r1.full)
    for made in (path / "blobs/sha256", next((path / "blobs").rglob("data")), next(path.rglob("current/link"))):
        assert os.getxattr(made, "user.backup") == b"weekly"
        assert os.getxattr(made, "security.selinux") == label


@needs_root
def test_what_a_file_system_or_a_process_may_not_give_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    marks = Ownership(OWNER, GROUP, inherits_group=False, access=acl(777, 7), default=None, labels=(("user.a", b"b"),))
    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(ownership, "set_attribute", refuse)
    fd = os.open(place / "file", os.O_CREAT | os.O_RDWR, 0o600)
    marks.give_file(fd)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o644
    os.close(fd)


@needs_root
def test_a_folder_that_somebody_makes_at_the_same_moment_is_taken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.mkdir

    def racing(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        if path == "new-folder" and not (place / "docker").exists():
            original(place / "docker", 0o700)
            (place / "docker/theirs").write_bytes(b"x")
        original(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", racing)
    with Root(place) as files:
        files.make_folder("docker/registry")
    assert (place / "docker/theirs").read_bytes() == b"x"
    assert stat.S_IMODE((place / "docker").stat().st_mode) == 0o700
    assert os.listdir(place / ".airpatch/staging") == []
