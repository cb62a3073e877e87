"""Scratch files: appended, read, mapped, gone; and the memory that workers share."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.errors import TargetError
from bundle.layers.budget import Budget
from bundle.layers.scratch import ScratchFile, files_beside, relax
from bundle.linux import allow_open_files
from tests.layers.support import scratch


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
    relax((view,))
    assert bytes(view) == content
    file.close()
    assert bytes(view) == content


def test_files_have_no_names_and_lie_beside_the_output(tmp_path: Path) -> None:
    file = ScratchFile(files_beside(tmp_path), "x")
    file.append(b"content")
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(file._fd).st_dev == tmp_path.stat().st_dev
    file.close()


def test_adversary_50_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nowhere"):
        files_beside(tmp_path / "nowhere")()


def test_adversary_48_no_room() -> None:
    class Full(ScratchFile):
        def __init__(self) -> None:
            super().__init__(lambda: os.open("/dev/full", os.O_RDWR), "sha256:abc")

    file = Full()
    with pytest.raises(TargetError, match="sha256:abc: No space left on device; free some space"):
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


def test_workers_share_memory() -> None:
    budget = Budget(100)
    used = most = 0
    lock = threading.Lock()

    def work(size: int) -> None:
        nonlocal used, most
        for _ in range(50):
            with budget.taken(size):
                with lock:
                    used += min(size, 100)
                    most = max(most, used)
                with lock:
                    used -= min(size, 100)

    threads = [threading.Thread(target=work, args=(size,)) for size in (10, 30, 60, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 100


def test_memory_comes_back_after_an_error() -> None:
    budget = Budget(100)
    with pytest.raises(KeyError), budget.taken(100):
        raise KeyError
    with budget.taken(100):
        pass
