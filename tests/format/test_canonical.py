"""One encoding for each value, memory bounded by the input's size."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.format.canonical import MAX_DEPTH, pack, unpack

_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
VALUES = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner), max_leaves=30
)


@pytest.fixture
def few_values(monkeypatch: pytest.MonkeyPatch) -> int:
    """The limit of values, made small."""
    monkeypatch.setattr(limits.VALUES, "value", 1000)
    return 1000


def depth(value: object) -> int:
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(depth, items), default=0)


@given(VALUES.filter(lambda value: depth(value) <= MAX_DEPTH))
def test_unpacking_is_inverse_to_packing(value: object) -> None:
    data = pack(value)
    assert unpack(data, "it") == value
    assert pack(unpack(data, "it")) == data


@given(VALUES.filter(lambda value: depth(value) <= MAX_DEPTH), st.binary(min_size=1, max_size=3))
def test_a_tail_is_refused(value: object, tail: bytes) -> None:
    with pytest.raises(FormatError, match=f"it has {len(tail)} bytes after its end"):
        unpack(pack(value) + tail, "it")


@given(VALUES.filter(lambda value: depth(value) <= MAX_DEPTH))
def test_adversary_37_cut_at_every_byte(value: object) -> None:
    data = pack(value)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            unpack(data[:length], "it")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_format_error(data: bytes) -> None:
    with suppress(FormatError):
        unpack(data, "it")


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (127, "7f"),
        (128, "cc80"),
        (65536, "ce00010000"),
        (2**63 - 1, "cf7fffffffffffffff"),
        ("a" * 31, "bf" + "61" * 31),
        ("a" * 32, "d920" + "61" * 32),
        (b"", "c400"),
        ([1] * 15, "9f" + "01" * 15),
        ([1] * 16, "dc0010" + "01" * 16),
        ({"a": []}, "81a16190"),
        (dict.fromkeys("abcdefghijklmnop"), "de0010" + "".join(f"a1{ord(key):02x}c0" for key in "abcdefghijklmnop")),
    ],
)
def test_shortest_forms(value: object, data: str) -> None:
    assert pack(value).hex() == data
    assert unpack(bytes.fromhex(data), "it") == value


def test_only_plain_types_are_packed() -> None:
    with pytest.raises(TypeError):
        pack((1, 2))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xc1", id="the byte that is never used"),
        pytest.param(b"\xd9\x01\xff", id="bad UTF-8"),
        pytest.param(b"\xa3\xed\xa0\x80", id="a surrogate"),
        pytest.param(b"\x81\x01\x02", id="an integer as a key"),
        pytest.param(b"\x81\x90\x02", id="a list as a key"),
        pytest.param(b"\xd4\x01\x00", id="ext type"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x00", id="timestamp"),
        pytest.param(b"\xc7\x05\x01abcde", id="ext type with a length"),
    ],
)
def test_adversary_42_what_no_index_has(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpack(data, "it")


@pytest.mark.parametrize("code", [0xDD, 0xDF, 0xDB, 0xC6, 0xC9], ids=["list", "map", "text", "bytes", "ext"])
def test_adversary_41_lengths_of_four_gigabytes(code: int) -> None:
    with pytest.raises(FormatError):
        unpack(struct.pack(">BI", code, 2**32 - 1) + b"\x01" * 10, "it")


def test_adversary_41_millions_of_empty_maps_take_no_memory(few_values: int) -> None:
    """As maps they would take 64 bytes each; shown on fewer, because tracing is slow."""
    data = struct.pack(">BI", 0xDD, 200_000) + b"\x80" * 200_000
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="more values than"):
            unpack(data, "it")
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data)
    finally:
        tracemalloc.stop()


def test_the_limit_of_values(few_values: int) -> None:
    inner = b"\x90" * (few_values - 1)
    assert unpack(struct.pack(">BI", 0xDD, len(inner)) + inner, "it")
    with pytest.raises(FormatError):
        unpack(struct.pack(">BI", 0xDD, len(inner) + 1) + inner + b"\x90", "it")


def test_adversary_42_depth() -> None:
    value: list[object] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert unpack(pack(value), "it") == value
    for levels in (MAX_DEPTH + 1, 1000, 100_000):
        with pytest.raises(FormatError):
            unpack(b"\x91" * (levels - 1) + b"\x90", "it")
