"""Inventories and requests: emitting and parsing are inverse, everything else is refused."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.format import canonical, inventories, zstd
from airpatch.format.inventories import Inventory, Request, content_id
from airpatch.model.digest import Digest
from tests.format.support import DIGESTS

_blobs = st.dictionaries(DIGESTS, st.integers(0, 2**63 - 1), max_size=20)
VALUES = st.builds(Inventory, st.sampled_from(["", "r1"]), st.just(("a", "b")), _blobs) | st.builds(
    Request, st.just("r1"), DIGESTS, _blobs
)
SAMPLE = Inventory(
    "r1", ("shop/web",), {Digest.of(b"x"): 1, Digest.of(b"y"): 2}, version="0.1", features=("view gzip", "view zlib")
)


@given(VALUES)
def test_parsing_is_inverse_to_emitting(value: Inventory | Request) -> None:
    file = inventories.emit(value)
    assert inventories.parse(file) == value
    assert inventories.emit(inventories.parse(file)) == file


def test_the_content_id_names_the_content() -> None:
    body = zstd.decompress(inventories.emit(SAMPLE))[32:]
    assert content_id(SAMPLE) == Digest.of(body)
    assert content_id(Inventory("r1", (), SAMPLE.blobs)) != content_id(SAMPLE)


def test_a_real_root_takes_a_few_kilobytes() -> None:
    blobs = {Digest.of(str(i).encode()): 1_000_000 + i for i in range(200)}
    assert len(inventories.emit(Inventory("r1", ("shop/web",), blobs))) < 200 * 40


def test_several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "MAX_WINDOW", 64)
    assert inventories.parse(inventories.emit(SAMPLE)) == SAMPLE


def test_adversary_37_cut_at_every_byte_and_with_a_tail() -> None:
    file = inventories.emit(SAMPLE)
    for changed in (*(file[:length] for length in range(len(file))), file + b"\0", file + file):
        with pytest.raises(FormatError):
            inventories.parse(changed)


def test_adversary_38_every_bit_flipped() -> None:
    file = inventories.emit(SAMPLE)
    for bit in range(8 * len(file)):
        flipped = bytearray(file)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert inventories.parse(bytes(flipped)) == SAMPLE
        except FormatError:
            continue


def packed(document: object) -> bytes:
    body = canonical.pack(document)
    return zstd.compress(hashlib.sha256(body).digest() + body)


GOOD = {
    "airpatch": 1,
    "product": "shop",
    "name": "r1",
    "sequence": 3,
    "version": "0.1",
    "features": ["encoder zlib-6", "view gzip"],
    "repositories": ["a"],
    "digests": b"x" * 32,
    "sizes": [7],
}


@pytest.mark.parametrize(
    "change",
    [
        {"airpatch": 2},
        {"airpatch": True},
        {"product": ""},
        {"product": b"shop"},
        {"product": "a\nb"},
        {"sequence": -1},
        {"sequence": True},
        {"sequence": 2**63},
        {"sequence": "3"},
        {"name": b"r1"},
        {"version": 1},
        {"version": "new"},
        {"version": ""},
        {"features": ["view gzip", "encoder zlib-6"]},
        {"features": ["view gzip", "view gzip"]},
        {"features": [1]},
        {"features": ["view\n"]},
        {"features": None},
        {"repositories": [1]},
        {"repositories": "a"},
        {"repositories": ["../a"]},
        {"digests": b"x" * 31},
        {"digests": b"x" * 64},
        {"digests": b"x" * 64, "sizes": [7, 7]},
        {"digests": b"y" * 32 + b"x" * 32, "sizes": [1, 2]},
        {"sizes": [-1]},
        {"sizes": [2**63]},
        {"sizes": [True]},
        {"sizes": ["7"]},
        {"extra": 1},
    ],
    ids=repr,
)
def test_adversary_42_what_is_refused(change: dict[str, object]) -> None:
    assert inventories.parse(packed(GOOD))
    with pytest.raises(FormatError):
        inventories.parse(packed(GOOD | change))


@pytest.mark.parametrize("document", [[1], "airpatch", None, {}, GOOD | {"airpatch": 2}])
def test_what_is_neither_is_told(document: object) -> None:
    with pytest.raises(FormatError, match="that this airpatch reads"):
        inventories.parse(packed(document))


def test_adversary_41_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.INVENTORY, "value", 1 << 20)
    monkeypatch.setattr(zstd, "MAX_WINDOW", 512 << 10)
    with pytest.raises(FormatError, match="more than"):
        inventories.parse(zstd.compress(bytes(512 << 10)) * 3)


def test_a_blob_may_be_empty_and_a_file_as_large_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    file = packed(GOOD | {"sizes": [0]})
    assert list(inventories.parse(file).blobs.values()) == [0]
    size = len(zstd.decompress(file))
    monkeypatch.setattr(limits.INVENTORY, "value", size)
    assert inventories.parse(file)
    monkeypatch.setattr(limits.INVENTORY, "value", size - 1)
    with pytest.raises(FormatError, match="more than"):
        inventories.parse(file)
