"""The sha256 of an input is that of its bytes in order, wherever it is computed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from airpatch.archive.input_hash import InputHash
from airpatch.model.digest import Digest


@given(st.lists(st.binary(max_size=20)), st.integers(0, 10), st.sampled_from([1, 3]))
def test_all_bytes_count_in_their_order(pieces: list[bytes], at_once: int, threads: int) -> None:
    hash_ = InputHash(is_wanted=True)
    with ThreadPoolExecutor(threads) as pool:
        for number, piece in enumerate(pieces):
            if number == at_once:
                hash_.run_on(pool)
            hash_.update(piece)
        assert hash_.digest() == Digest(hashlib.sha256(b"".join(pieces)).digest())


def test_last_says_when_a_buffer_may_be_used_again() -> None:
    hash_ = InputHash(is_wanted=True)
    with ThreadPoolExecutor(1) as pool:
        hash_.run_on(pool)
        assert hash_.last is None
        buffer = bytearray(b"one")
        hash_.update(buffer)
        assert hash_.last is not None
        hash_.last.result()
        buffer[:] = b"two"
        hash_.update(buffer)
        hash_.settle()
        assert hash_.last.done()
    assert hash_.digest() == Digest.of(b"onetwo")


def test_one_that_is_not_wanted_does_nothing() -> None:
    hash_ = InputHash(is_wanted=False)
    with ThreadPoolExecutor(1) as pool:
        hash_.run_on(pool)
        hash_.update(b"bytes")
    assert (hash_.is_wanted, hash_.last, hash_.digest()) == (False, None, None)
