"""A value at the head of a file: magic, length, canonical msgpack, and the sha256 of all that (spec/PARTS.md)."""

from __future__ import annotations

import hashlib

from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.model.digest import SIZE

MAGIC = 8
"""Bytes of a magic. The first is 0x89, no ASCII: nobody takes the file for text, and a lost 8th bit shows."""
PREFIX = MAGIC + 4
"""Bytes before the value: magic, and the value's length."""


def seal(magic: bytes, value: object) -> bytes:
    """Return the head with `value`, of the types that msgpack has."""
    packed = canonical.pack(value)
    content = magic + len(packed).to_bytes(4, "little") + packed
    return content + hashlib.sha256(content).digest()


def sealed_size(prefix: bytes, magic: bytes, limit: int, what: str) -> int:
    """Return the size of the whole head that begins with `prefix`, whose value has at most `limit` bytes.

    Raises FormatError, which calls the file `what`, unless it begins so.
    """
    size = int.from_bytes(prefix[MAGIC:PREFIX], "little")
    if len(prefix) < PREFIX or not prefix.startswith(magic) or size > limit:
        raise FormatError(f"not {what}, or damaged at its beginning")
    return PREFIX + size + SIZE


def unseal(content: bytes, what: str) -> object:
    """Return the value of a whole head. Raises FormatError if it is damaged; the caller compares with `seal`."""
    if hashlib.sha256(content[:-SIZE]).digest() != content[-SIZE:]:
        raise FormatError(f"{what}, damaged at its beginning")
    return canonical.unpack(content[PREFIX:-SIZE], what)
