"""Scratch files: appended, read, mapped, put together, gone."""

from __future__ import annotations

import os
import resource
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.blobs.scratch import MemoryScratch, ScratchFile, ScratchStore, release_pages, scratch_files
from airpatch.errors import TargetError
from airpatch.linux import allow_open_files
from tests.layers.support import descriptors, left_open
from tests.support import scratch


@given(st.lists(st.binary(max_size=300)), st.integers(0, 400), st.integers(0, 400))
def test_what_was_appended_is_read(parts: list[bytes], offset: int, size: int) -> None:
    file = ScratchFile(scratch, "x")
    for part in parts:
        file.append(part)
    content = b"".join(parts)
    assert file.size == len(content)
    assert file.read(offset, size) == content[offset : offset + size]
    assert b"".join(file.pieces()) == content
    view = file.view()
    release_pages((view,))
    assert bytes(view) == content
    file.close()
    assert bytes(view) == content


def test_files_have_no_names_and_lie_beside_the_output(tmp_path: Path) -> None:
    file = ScratchFile(scratch_files(tmp_path), "x")
    file.append(b"content")
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(file._fd).st_dev == tmp_path.stat().st_dev
    file.close()


def test_adversary_50_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nowhere"):
        scratch_files(tmp_path / "nowhere")()


def test_adversary_48_no_room() -> None:
    class Full(ScratchFile):
        def __init__(self) -> None:
            super().__init__(lambda: os.open("/dev/full", os.O_RDWR), "sha256:abc")

    file = Full()
    with pytest.raises(
        TargetError, match=r"^scratch file of sha256:abc in /dev: No space left on device; free some space"
    ):
        file.append(b"x")
    file.close()


def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_adversary_50_the_limit_stays_where_it_may_not_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_what: int, _limits: tuple[int, int]) -> None:
        raise PermissionError

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


@given(st.lists(st.binary(max_size=9000), max_size=12), st.integers(0, 10_000), st.integers(0, 4))
def test_a_store_keeps_many_files_in_few(contents: list[bytes], small: int, few: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airpatch.blobs.scratch._SMALL", small)
        patch.setattr("airpatch.blobs.scratch._FEW", few)
        before = descriptors()
        store = ScratchStore(scratch)
        parts = []
        for content in contents:
            file = ScratchFile(scratch, "x")
            file.append(content)
            parts.append(store.keep(file))
        large = sum(len(content) > small for content in contents)
        assert descriptors() - before <= large + few + 1
        for part, content in zip(parts, contents, strict=True):
            buffer = bytearray(max(part.size - 2, 0))
            part.read_into(memoryview(buffer), 1)
            assert (part.size, bytes(part.view()), bytes(buffer)) == (len(content), content, content[1:-1])
        store.close()
        assert descriptors() == before


@pytest.mark.parametrize("few", [0, 2])
def test_what_a_store_gives_up_takes_no_space(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Alone in a file, and among others in one."""
    monkeypatch.setattr("airpatch.blobs.scratch._FEW", few)
    made: list[int] = []

    def new_file() -> int:
        made.append(os.memfd_create("scratch"))
        return made[-1]

    def taken() -> int:
        """Bytes in those that are open."""
        return sum(os.fstat(fd).st_blocks * 512 for fd in made if Path(f"/proc/self/fd/{fd}").exists())

    with closing(ScratchStore(new_file)) as store:
        ranges = []
        for content in (b"a" * 10_000, b"b" * 5_000):
            file = ScratchFile(new_file, "file")
            file.append(content)
            ranges.append(store.keep(file))
        assert taken() == (3 + 2) * 4096  # whole pages
        store.give_up(ranges[0])
        assert taken() == 2 * 4096
        buffer = bytearray(5_000)
        ranges[1].read_into(memoryview(buffer), 0)
        assert buffer == b"b" * 5_000
        store.give_up(ranges[1])
        assert taken() == 0


def test_adversary_48_no_room_in_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.blobs.scratch._FEW", 0)
    before = descriptors()
    fds = iter([os.memfd_create("x"), os.open("/dev/full", os.O_RDWR)])
    file = ScratchFile(fds.__next__, "sha256:abc")
    file.append(b"content")
    store = ScratchStore(fds.__next__)
    with pytest.raises(TargetError, match="No space left"):
        store.keep(file)
    store.close()
    assert left_open(before) == 0


def test_memory_has_room_for_so_many_bytes_until_files_are_closed() -> None:
    memory = MemoryScratch(100)
    first = memory.new(60, "first")
    assert first is not None
    first.append(bytes(60))
    assert memory.new(41, "second") is None
    second = memory.new(40, "second")
    assert second is not None
    assert memory.new(0, "empty") is None
    first.close()
    third = memory.new(60, "third")
    assert third is not None
    for file in (second, third):
        file.close()


def test_without_files_in_memory_there_are_those_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create")
    assert MemoryScratch(100).new(60, "first") is None
