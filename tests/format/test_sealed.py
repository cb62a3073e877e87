"""A value at the head of a file comes back, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format.sealed import PREFIX, seal, sealed_size, unseal
from airpatch.model.digest import SIZE

MAGIC = b"\x89MAGIC\0\0"
VALUES = st.recursive(
    st.integers(0, 2**63) | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_sealed_comes_back(value: object) -> None:
    head = seal(MAGIC, value)
    value_size = len(head) - PREFIX - SIZE
    assert sealed_size(head[:PREFIX], MAGIC, value_size, "a file") == len(head)
    with pytest.raises(FormatError):
        sealed_size(head[:PREFIX], MAGIC, value_size - 1, "a file")
    assert unseal(head, "a file") == value


@given(VALUES, st.data())
def test_a_changed_bit_is_noticed(value: object, data: st.DataObject) -> None:
    head = bytearray(seal(MAGIC, value))
    head[data.draw(st.integers(0, len(head) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError, match=r"^a file, damaged at its beginning"):
        unseal(bytes(head), "a file")


@pytest.mark.parametrize("prefix", [b"", MAGIC, b"OTHER\0\0\0\1\0\0\0", MAGIC + b"\xff\0\0\0"])
def test_what_does_not_begin_so_is_refused(prefix: bytes) -> None:
    with pytest.raises(FormatError, match=r"^not a file, or damaged"):
        sealed_size(prefix, MAGIC, 254, "a file")


def test_a_head_that_is_cut_short_is_refused() -> None:
    with pytest.raises(FormatError):
        unseal(seal(MAGIC, [])[:-1], "a file")
