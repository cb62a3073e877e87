"""Bolt databases, with one that containerd wrote (`fixtures/containerd`)."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.sources.bolt import Bucket, open_database

DATA = gzip.decompress((Path(__file__).parents[2] / "fixtures/containerd/meta.db.gz").read_bytes())
PAGE = struct.unpack_from("<I", DATA, 24)[0]
ROOT_PAGES = [struct.unpack_from("<Q", DATA, start + 32)[0] for start in (0, PAGE)]


def images(root: Bucket, namespace: bytes) -> list[bytes]:
    version = root.bucket(b"v1")
    assert version is not None
    found = version.bucket(namespace)
    assert found is not None
    bucket = found.bucket(b"images")
    assert bucket is not None
    return [name for name, _ in bucket.items()]


def everything(bucket: Bucket, depth: int = 0) -> int:
    """Values at and below a bucket. A damaged one may hold itself."""
    if depth > 6:
        return 0
    return sum(everything(value, depth + 1) if isinstance(value, Bucket) else 1 for _, value in bucket.items())


def test_buckets_in_leaves_and_across_branches_are_read_in_order() -> None:
    root = open_database(DATA)
    few, many = images(root, b"k8s.io"), images(root, b"many")
    assert b"docker.io/infra/settings:r1" in few
    assert len(many) == 122
    assert many == sorted(many)


def test_values_are_read() -> None:
    version = open_database(DATA).bucket(b"v1")
    assert version is not None
    assert version.values() == {b"version": b"\x06"}
    assert version.bucket(b"nowhere") is None


def test_the_last_transaction_that_is_whole_counts() -> None:
    transactions = [struct.unpack_from("<Q", DATA, start + 64)[0] for start in (0, PAGE)]
    last = transactions.index(max(transactions))
    damaged = bytearray(DATA)
    damaged[last * PAGE + 40] ^= 1
    assert open_database(DATA).root == ROOT_PAGES[last]
    assert open_database(bytes(damaged)).root == ROOT_PAGES[1 - last]
    damaged[(1 - last) * PAGE + 40] ^= 1
    with pytest.raises(FormatError, match="not a Bolt database"):
        open_database(bytes(damaged))


def test_a_tree_that_is_a_circle_ends() -> None:
    page = struct.pack("<QHHI", 0, 1, 1, 0) + struct.pack("<IIQ", 16, 0, 0)
    with pytest.raises(FormatError, match="page 0 of the database is damaged"):
        list(Bucket(page, 4096, 0).items())


def test_a_chain_of_branches_is_damaged() -> None:
    pages = b"".join(
        (struct.pack("<QHHI", number, 1, 1, 0) + struct.pack("<IIQ", 16, 0, number + 1)).ljust(512, b"\0")
        for number in range(3000)
    )
    with pytest.raises(FormatError, match="page 64 of the database is damaged"):
        list(Bucket(pages, 512, 0).items())


@given(st.lists(st.tuples(st.integers(2 * PAGE, len(DATA) // 3), st.binary(min_size=1, max_size=8)), max_size=4))
def test_a_damaged_database_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(DATA)
    for position, change in changes:
        data[position : position + len(change)] = change
    try:
        assert everything(open_database(bytes(data))) >= 0
    except FormatError:
        return
