"""Reads a Bolt database (go.etcd.io/bbolt, file format 2), in which containerd keeps the names of its images.

The file is a tree of pages of one size: two metas that describe the last two transactions, branches and leaves. A
bucket is a key whose value names the bucket's root page, or holds that page itself. Everything is read at once and from
one transaction, so that a daemon may keep writing; the file is small.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from airpatch.errors import FormatError

MAX_DATABASE = 1 << 30
"""Largest database, in bytes. It also bounds the memory taken, since each page is held once."""
_MAGIC, _VERSION = 0xED0CDAED, 2
_HEADER = struct.Struct("<QHHI")
"""Page id, flags, count, overflow."""
_META = struct.Struct("<IIIIQQQQQQ")
"""Magic, version, page size, flags, root page, sequence, free list, page count, transaction, checksum."""
_BRANCH, _LEAF = 1, 2
_BRANCH_ELEMENT = struct.Struct("<IIQ")
"""Position of the key from here, its size, page."""
_LEAF_ELEMENT = struct.Struct("<IIII")
"""Flags, position of the key from here, sizes of key and value."""
_BUCKET = struct.Struct("<QQ")
"""Root page, sequence."""
_MAX_PATH = 64
"""Pages from a root to a leaf, more than any database has: branches have two pages below them at least."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of the database `data` with pages of `page_size` bytes; its root is page `root`, or `inline`."""

    data: bytes
    page_size: int
    root: int
    inline: bytes = b""

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Yield the keys that have values or buckets, in order. Raises FormatError."""
        try:
            if self.inline:
                yield from self._leaf(self.inline, 0)
            else:
                yield from self._walk(self.root, set(), 1)
        except struct.error:
            raise FormatError("the database is damaged or cut short") from None

    def bucket(self, key: bytes) -> Bucket | None:
        """Return the bucket `key`, None if there is none. Raises FormatError."""
        return next((value for name, value in self.items() if name == key and isinstance(value, Bucket)), None)

    def values(self) -> dict[bytes, bytes]:
        """Keys with plain values. Raises FormatError."""
        return {key: value for key, value in self.items() if isinstance(value, bytes)}

    def _walk(self, page: int, seen: set[int], path: int) -> Iterator[tuple[bytes, bytes | Bucket]]:
        start = page * self.page_size
        number, flags, count, _ = _HEADER.unpack_from(self.data, start)
        if number != page or page in seen or path > _MAX_PATH:
            raise FormatError(f"page {page} of the database is damaged")
        seen.add(page)
        if flags & _LEAF:
            yield from self._leaf(self.data, start)
        elif flags & _BRANCH:
            for index in range(count):
                _, _, child = _BRANCH_ELEMENT.unpack_from(
                    self.data, start + _HEADER.size + index * _BRANCH_ELEMENT.size
                )
                yield from self._walk(child, seen, path + 1)
        else:
            raise FormatError(f"page {page} of the database is damaged")

    def _leaf(self, data: bytes, start: int) -> Iterator[tuple[bytes, bytes | Bucket]]:
        _, _, count, _ = _HEADER.unpack_from(data, start)
        for index in range(count):
            place = start + _HEADER.size + index * _LEAF_ELEMENT.size
            flags, offset, key_size, value_size = _LEAF_ELEMENT.unpack_from(data, place)
            key_start = place + offset
            value = data[key_start + key_size : key_start + key_size + value_size]
            key = data[key_start : key_start + key_size]
            if len(key) != key_size or len(value) != value_size:
                raise FormatError("the database is damaged or cut short")
            if flags & 1:
                root, _ = _BUCKET.unpack_from(value)
                yield key, Bucket(self.data, self.page_size, root, b"" if root else value[_BUCKET.size :])
            else:
                yield key, value


def open_database(data: bytes) -> Bucket:
    """Return the root bucket of the last complete transaction in the database `data`. Raises FormatError."""
    first = _meta(data, 0)
    page_size = first[2] if first is not None else 4096
    metas = [meta for meta in (first, _meta(data, page_size)) if meta is not None]
    if not metas:
        raise FormatError("not a Bolt database of version 2, or a damaged one")
    last = max(metas, key=lambda meta: meta[8])
    return Bucket(data, last[2], last[4])


def _meta(data: bytes, start: int) -> tuple[int, ...] | None:
    place = start + _HEADER.size
    content = data[place : place + _META.size]
    if len(content) < _META.size:
        return None
    meta = _META.unpack(content)
    if meta[:2] != (_MAGIC, _VERSION) or meta[-1] != _fnv1a(content[:-8]) or not 512 <= meta[2] <= 1 << 16:
        return None
    return meta


def _fnv1a(data: bytes) -> int:
    """Return the 64-bit FNV-1a hash."""
    hash_ = 0xCBF29CE484222325
    for byte in data:
        hash_ = (hash_ ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return hash_
