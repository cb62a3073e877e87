"""Roots, images and bundles on NFS, as Linux's client shows it to a process.

The calls of this process are changed to what the client makes of them: a file that is removed while it is open stays
under another name until it is closed; names are not exchanged, files without a name and extended attributes not had;
what root makes belongs to somebody else (`root_squash`); a server may go away.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airpatch import linux
from airpatch.target import ownership
from tests.cli.support import airpatch

_listdir = os.listdir


class Client:
    """What Linux's NFS client does otherwise than a local file system (nfs(5), fs/nfs/unlink.c)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unlink, self.open = os.unlink, os.open
        self.renamed = 0
        for name in ("listdir", "scandir", "rmdir"):
            monkeypatch.setattr(os, name, self.after_closed(getattr(os, name)))
        monkeypatch.setattr(os, "unlink", self.unlink_open)
        monkeypatch.setattr(os, "open", self.open_named)
        monkeypatch.setattr(ownership, "attribute_names", failing(errno.EOPNOTSUPP))
        monkeypatch.setattr(linux, "_rename", failing(errno.EINVAL))

    def unlink_open(self, path: Any, *, dir_fd: int | None = None) -> None:
        """A file that is open gets another name in its folder, which cannot be removed as long as it is open."""
        status = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        if not is_open(status):
            self.unlink(path, dir_fd=dir_fd)
            return
        folder, name = os.path.split(os.fspath(path))
        if name.startswith(".nfs"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        self.renamed += 1
        os.rename(path, Path(folder, f".nfs{self.renamed:024}"), src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def open_named(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
        return self.open(path, flags, mode, dir_fd=dir_fd)

    def after_closed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call` of a folder, in which the client has removed files that are closed by now."""

        def called(path: Any = ".", *, dir_fd: int | None = None) -> Any:
            with suppress(FileNotFoundError, NotADirectoryError):
                self.remove_closed(path, dir_fd)
            return call(path) if dir_fd is None else call(path, dir_fd=dir_fd)

        return called

    def remove_closed(self, path: Any, dir_fd: int | None) -> None:
        folder = os.dup(path) if isinstance(path, int) else self.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=dir_fd)
        try:
            for name in _listdir(folder):
                if name.startswith(".nfs") and not is_open(os.stat(name, dir_fd=folder)):
                    self.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)


def is_open(status: os.stat_result) -> bool:
    """Whether this process has the file open."""
    for name in _listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(name)), status):
                return True
    return False


def failing(code: int) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return call


def hidden(folder: Path) -> list[str]:
    """What the client or airpatch has left below `folder`. By `os.walk`, which looks up `os.scandir` at each call."""
    return [f"{where}/{name}" for where, _, names in os.walk(folder) for name in names if name.startswith(".")]


@pytest.fixture
def client(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    assert bundles
    return Client(monkeypatch)


@pytest.fixture
def squashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process makes belongs to another user than its own, and it can give nothing away."""
    user = os.geteuid() + 4321
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))


def succeed(*commands: str) -> None:
    for command in commands:
        outcome = airpatch(*command.split())
        assert outcome.code == 0, (command, outcome.err)


def test_a_root(client: Client, bundles: Path, tmp_path: Path) -> None:
    succeed(
        f"apply {bundles}/r1.tar.zst --root new/root",
        f"apply {bundles}/r1-r2.tar.zst --root new/root",
        "rollback new/root",
        f"apply {bundles}/r2.tar.zst --root new/root",
        "prune new/root --keep 1",
        "verify new/root",
        "inventory new/root -o inventory",
    )
    assert client.renamed
    assert hidden(tmp_path) == []


@pytest.mark.usefixtures("client")
def test_images_over_those_of_another_release(bundles: Path, tmp_path: Path) -> None:
    succeed(
        f"restore {bundles}/r1.tar.zst -o images",
        f"restore {bundles}/r2.tar.zst -o images --exact",
        f"restore {bundles}/r1.tar.zst -o layout --as oci",
        f"restore {bundles}/r2.tar.zst -o layout --as oci",
        "create images --sequence 2 -o made",
    )
    assert Path("made").read_bytes() == (bundles / "r2.tar.zst").read_bytes()
    assert hidden(tmp_path) == []


@pytest.mark.usefixtures("client", "squashed")
def test_what_root_makes_belongs_to_somebody_else(bundles: Path, tmp_path: Path) -> None:
    succeed(
        f"apply {bundles}/r1.tar.zst --root new/root",
        f"apply {bundles}/r1-r2.tar.zst --root new/root",
        "restore new/root -o images",
        f"merge {bundles}/r1.tar.zst {bundles}/r1-r2.tar.zst -o merged",
    )
    assert hidden(tmp_path) == []


@pytest.mark.usefixtures("client")
def test_a_refusal_leaves_nothing(bundles: Path, tmp_path: Path) -> None:
    damaged = bytearray((bundles / "r1.tar.zst").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    Path("damaged").write_bytes(damaged)
    assert airpatch("apply", "damaged", "--root", "new/root").code == 3
    assert airpatch("restore", "damaged", "-o", "new/images").code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("call", "code"), [("write", errno.EDQUOT), ("link", errno.ESTALE), ("mkdir", errno.ETIMEDOUT)]
)
def test_a_server_that_fails(call: str, code: int, bundles: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in (root / "docker").rglob("*")}
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(code))
        outcome = airpatch("apply", bundles / "r1-r2.tar.zst", "--root", root)
    assert outcome.code == 8, outcome.err
    assert outcome.err.splitlines()[-1].startswith(f"airpatch: {root}")
    assert os.strerror(code) in outcome.err
    assert {path: path.stat().st_mtime_ns for path in (root / "docker").rglob("*")}.items() >= before.items()
    assert airpatch("apply", bundles / "r1-r2.tar.zst", "--root", root).code == 0
    assert airpatch("verify", root).code == 0
