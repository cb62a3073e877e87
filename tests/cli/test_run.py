"""Paths as hosts have them: names too long, loops of links, pipes and devices, folders too deep. No command hangs on
one, or takes it for an error of its own; each names it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from airpatch.linux import remove_all
from tests.cli.support import IMAGES, airpatch

LONG = "a" * 300
R1 = "r1.tar.zst"
PATCH = "r1-r2.tar.zst"

READING: dict[str, tuple[object, ...]] = {
    "create": ("create", "{}", "-o", "made"),
    "create by a prefix": ("create", "bundle:{}", "-o", "made"),
    "create with a list": ("create", IMAGES / "r1", "--images-list", "{}", "-o", "made"),
    "create with a key": ("create", IMAGES / "r1", "--sign", "{}", "-o", "made"),
    "diff": ("diff", "--base", R1, "{}", "-o", "made"),
    "diff from a base": ("diff", "--base", "{}", IMAGES / "r2", "-o", "made"),
    "diff with content": ("diff", "--base", R1, "--content", "{}", IMAGES / "r2", "-o", "made"),
    "explain": ("explain", "--base", "{}", IMAGES / "r2"),
    "apply": ("apply", "{}", "--root", "root"),
    "apply with trust": ("apply", PATCH, "--root", "root", "--trust", "{}"),
    "merge": ("merge", "{}", PATCH, "-o", "made"),
    "inspect": ("inspect", "{}"),
    "verify": ("verify", "{}"),
    "verify with a base": ("verify", PATCH, "--base", "{}"),
    "restore": ("restore", "{}", "-o", "images"),
    "inventory": ("inventory", "{}", "-o", "made"),
    "rollback": ("rollback", "{}"),
    "prune": ("prune", "{}"),
    "history": ("history", "{}"),
    "trust": ("trust", "root", "{}"),
    "sign": ("sign", "{}", "--key", "key"),
}
WRITING: dict[str, tuple[object, ...]] = {
    "create": ("create", IMAGES / "r1", "-o", "{}"),
    "diff": ("diff", "--base", R1, IMAGES / "r2", "-o", "{}"),
    "apply": ("apply", R1, "--root", "{}"),
    "apply a dry run": ("apply", R1, "--root", "{}", "--dry-run"),
    "apply with a request": ("apply", PATCH, "--root", "new", "--request", "{}"),
    "merge": ("merge", R1, PATCH, "-o", "{}"),
    "restore": ("restore", "root", "-o", "{}"),
    "restore an archive": ("restore", "root", "--as", "oci-archive", "-o", "{}"),
    "inventory": ("inventory", "root", "-o", "{}"),
}


def words(command: tuple[object, ...], path: str) -> list[object]:
    return [word.replace("{}", path) if isinstance(word, str) else word for word in command]


@pytest.fixture
def place(bundles: Path, root: Path, tmp_path: Path) -> Path:
    for name in (R1, PATCH):
        (tmp_path / name).symlink_to(bundles / name)
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize("path", [LONG, "loop"])
@pytest.mark.parametrize("name", [*READING])
@pytest.mark.usefixtures("place")
def test_what_cannot_be_reached_is_no_input(name: str, path: str) -> None:
    Path("folder").mkdir()
    ended = airpatch(*words(READING[name], path))
    assert ended.code == 8, ended.err
    assert path in ended.err
    assert not Path("made").exists()


@pytest.mark.parametrize("path", [f"folder/{LONG}", "loop", "loop/below"])
@pytest.mark.parametrize("name", [*WRITING])
@pytest.mark.usefixtures("place")
def test_what_cannot_be_made_is_no_output(name: str, path: str) -> None:
    Path("folder").mkdir()
    ended = airpatch(*words(WRITING[name], path))
    assert ended.code == 8, ended.err
    assert path in ended.err
    assert Path("loop").is_symlink()


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", [name for name in READING if name not in ("apply", "verify")])
@pytest.mark.usefixtures("place")
def test_nobody_waits_for_a_pipe_that_nobody_writes_to(name: str, kind: str) -> None:
    """A bundle may come through a pipe to `apply` and `verify`."""
    path = "pipe" if kind == "pipe" else "/dev/zero"
    os.mkfifo("pipe")
    ended = airpatch(*words(READING[name], path))
    assert ended.code in (2, 3, 8), ended.err
    assert path in ended.err


def test_a_list_may_come_through_a_pipe() -> None:
    """As the shell's `<(command)` makes one."""
    reading, writing = os.pipe()
    os.write(writing, b"shop/web:r1\n")
    os.close(writing)
    ended = airpatch("create", IMAGES / "r1", "--images-list", f"/dev/fd/{reading}", "-o", "made")
    os.close(reading)
    assert ended.code == 0, ended.err
    assert "1 image," in ended.out


def test_folders_that_are_too_deep(place: Path) -> None:
    """Deeper than a path can be long, and than a function can call itself."""
    deep = Path(shutil.copytree("root", "deep"))
    fd = os.open(deep / "docker/registry/v2/repositories", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    for command in (
        ("inspect", deep),
        ("verify", deep),
        ("prune", deep, "--keep", 1),
        ("rollback", deep, "--to", "r1"),
        ("inventory", deep, "-o", "made"),
        ("create", deep, "-o", "made"),
        ("apply", R1, "--root", deep),
        ("restore", deep, "-o", "images"),
    ):
        ended = airpatch(*command)
        assert ended.code in (0, 8), (command, ended.err)
    fd = os.open(deep, os.O_RDONLY)
    remove_all(fd)
    os.close(fd)


@pytest.mark.parametrize(
    "words",
    [
        ("create", "in", "-o", "in"),
        ("create", "bundle:in", "-o", "in"),
        ("diff", "--base", "in", IMAGES / "r2", "-o", "in"),
        ("diff", "--base", "other", "--content", "in", IMAGES / "r2", "-o", "in"),
        ("merge", "in", "patch", "-o", "in"),
        ("restore", "in", "-o", "in", "--as", "oci-archive"),
        ("topup", "in", "--request", "other", "-o", "in"),
    ],
    ids=str,
)
def test_no_command_replaces_what_it_reads(words: tuple[object, ...], bundles: Path, tmp_path: Path) -> None:
    for name, bundle in (("in", "r1"), ("other", "r1"), ("patch", "r1-r2")):
        shutil.copyfile(bundles / f"{bundle}.tar.zst", tmp_path / name)
    outcome = airpatch(*words)
    assert outcome.code == 2
    assert "which would be lost: name another file" in outcome.err
    assert (tmp_path / "in").read_bytes() == (bundles / "r1.tar.zst").read_bytes()


FOREIGN = ("docker-daemon:shop/web:1", "containers-storage:shop/web:1", "gs://bucket/x", "me@host:/srv/x", "sif:x.sif")
"""What other tools call images and places; no such path is there."""


@pytest.mark.parametrize("name", [name for name in READING if "key" not in name])
@pytest.mark.usefixtures("place")
def test_no_place_of_input_takes_another_tool_s_name_for_a_path(name: str) -> None:
    for spec in FOREIGN:
        outcome = airpatch(*words(READING[name], spec))
        assert outcome.code == 2, outcome.err
        assert "No such file" not in outcome.err
    assert not Path("made").exists()


@pytest.mark.parametrize("name", WRITING)
def test_no_place_of_output_takes_an_address_for_a_path(name: str, place: Path) -> None:
    before = sorted(place.iterdir())
    for spec in (*FOREIGN, "docker://host.example/shop", "oci:layout", "dir:images"):
        outcome = airpatch(*words(WRITING[name], spec))
        assert outcome.code == 2, outcome.err
        assert spec in outcome.err
    assert sorted(place.iterdir()) == before
