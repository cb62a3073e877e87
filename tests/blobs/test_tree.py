"""Files below a folder are read, and no path and no symbolic link leads out of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from airpatch import linux
from airpatch.blobs import tree as module
from airpatch.blobs.tree import Entry, Tree
from airpatch.errors import SourceError


@pytest.fixture(params=["openat2", "stepwise"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With openat2, and as where a kernel or sandbox has none."""

    def unavailable(*_: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if request.param == "stepwise":
        monkeypatch.setattr(module, "open_beneath", unavailable)
    return str(request.param)


@pytest.fixture
def tree(way: str, tmp_path: Path) -> Tree:
    (tmp_path / "tree/a/b").mkdir(parents=True)
    (tmp_path / "tree/a/b/file").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "tree/out").symlink_to(tmp_path)
    (tmp_path / "tree/in").symlink_to("a/b/file")
    (tmp_path / "tree/chain").symlink_to("out")
    os.mkfifo(tmp_path / "tree/fifo")
    return Tree(tmp_path / "tree")


def test_files_are_read(tree: Tree) -> None:
    assert tree.read("a/b/file", 7) == b"content"
    assert tree.size("a/b/file") == 7
    buffer = bytearray(3)
    blob = tree.blob("a/b/file", 7)
    blob.read_into(memoryview(buffer), 4)
    blob.close()
    assert buffer == b"ent"
    assert tree.is_folder("a/b")
    assert tree.is_folder("")


@pytest.mark.parametrize(
    "path", ["out/secret", "in", "chain/secret", "../secret", "a/../../secret", "a/b/../b/../../../secret"]
)
def test_18_19_no_path_leads_out(path: str, tree: Tree) -> None:
    with pytest.raises(SourceError):
        tree.read(path, 100)
    assert tree.size(path) is None
    assert not tree.is_folder(path.rpartition("/")[0] or path)


def test_18_absolute_paths_lead_nowhere(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        tree.read(str(tmp_path / "secret"), 100)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a/b/none", "is missing"),
        ("none/file", "is missing"),
        ("in", "symbolic link"),
        ("fifo", "is not a file"),
        ("a/b/file/below", "Not a directory"),
    ],
)
def test_errors_say_what_is_wrong(path: str, message: str, tree: Tree) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        tree.read(path, 100)
    assert caught.value.message.startswith(f"{tree.path}/{path}: ")


def test_limits(tree: Tree) -> None:
    with pytest.raises(SourceError, match="more than 6 bytes"):
        tree.read("a/b/file", 6)
    with pytest.raises(SourceError, match="has 7 bytes, not 8"):
        tree.blob("a/b/file", 8)
    with pytest.raises(SourceError, match="is not a file"):
        tree.blob("a/b", 8)


def test_scan(tree: Tree) -> None:
    entries = tree.scan()
    assert [entry.name for entry in entries] == ["a", "chain", "fifo", "in", "out"]
    assert [entry.is_folder for entry in entries] == [True, False, False, False, False]
    assert [entry.is_link for entry in entries] == [False, True, False, True, True]
    assert tree.scan("a/b") == [Entry("file", 0o100000)]
    with pytest.raises(SourceError, match="is missing"):
        tree.scan("none")


def test_57_a_file_that_shrinks_while_it_is_read(tree: Tree) -> None:
    blob = tree.blob("a/b/file", 7)
    os.truncate(tree.path / "a/b/file", 3)
    with pytest.raises(SourceError, match="shrank while"):
        blob.read_into(memoryview(bytearray(7)), 0)
    blob.close()


def test_the_directory_is_closed_with_its_last_user(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    Tree(tmp_path)
    held = Tree(tmp_path)
    held.close()
    held.close()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(SourceError, match="is missing"):
        Tree(tmp_path / "none")


def test_open_beneath_tells_links_from_other_errors(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        for path, code in (("link", errno.ELOOP), ("../x", errno.EXDEV), ("none", errno.ENOENT)):
            with pytest.raises(OSError, match=r"\w") as caught:
                linux.open_beneath(path, os.O_RDONLY, fd)
            assert caught.value.errno == code
    finally:
        os.close(fd)
