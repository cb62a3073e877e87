from __future__ import annotations

import resource

from airpatch.zeroed_memory import ZeroedTables, lazy_zeros

_LARGE = 1 << 30


def test_all_bytes_are_zero_and_can_be_written() -> None:
    zeros = lazy_zeros(10_000)
    assert zeros[:] == bytes(10_000)
    zeros[9_999] = 7
    assert zeros[9_999] == 7


def test_what_is_not_used_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    zeros = memoryview(lazy_zeros(_LARGE))
    zeros[0] = zeros[-1] = 1
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert used < _LARGE // 16


def test_tables_are_zero_and_do_not_overlap() -> None:
    tables = ZeroedTables(10_000)
    first, second = tables.take(4_000), tables.take(6_000)
    first[:] = b"x" * 4_000
    assert (len(first), bytes(second)) == (4_000, bytes(6_000))
