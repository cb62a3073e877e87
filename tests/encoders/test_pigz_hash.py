"""Where `pigz --rsyncable` cuts: the hash of spec/ENCODERS.md, computed plainly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.encoders.pigz_hash import RollingHash


def cuts(data: bytes) -> list[int]:
    """Where pieces end."""
    value, found = 0x7FF, []
    for at, byte in enumerate(data, 1):
        value = (2 * value ^ byte) % 4096
        if value == 0x7FF:
            found.append(at)
    return found


@given(st.binary(max_size=30_000), st.integers(1, 7000))
def test_cuts_do_not_depend_on_the_pieces_that_are_fed(data: bytes, size: int) -> None:
    rolling, found, at = RollingHash(), [], 0
    while at < len(data):
        piece = data[at : at + size]
        taken = rolling.find_cut(piece)
        at += taken or len(piece)
        if taken:
            found.append(at)
    assert found == cuts(data)
