"""Memory that workers share: never more than there is, none lost, and none that waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.layers.budget import Budget


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


@settings(max_examples=20)
@given(st.lists(st.integers(0, 300), max_size=30), st.integers(1, 200))
def test_everybody_gets_a_turn(sizes: list[int], total: int) -> None:
    """Those that need more than there is work alone."""
    budget = Budget(total)

    def work(size: int) -> int:
        with budget.taken(size):
            return size

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, sizes)) == sizes
    with budget.taken(total):
        pass
