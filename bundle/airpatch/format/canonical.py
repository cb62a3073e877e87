"""The only user of msgpack: one encoding for each value, every other refused, memory bounded by the input's size.

`pack` gives the shortest form of each integer and string and keeps the order of map keys as given; a parser that
re-packs what it understood and compares has thereby refused duplicate or misplaced keys, long forms, floats that
stand for integers and the like (spec/FORMAT.md, Canonical form).
"""

from __future__ import annotations

import msgpack

from airpatch import limits
from airpatch.errors import FormatError

MAX_DEPTH = 8
"""Levels of lists and maps; the index has five."""


def pack(value: object) -> bytes:
    """Return the canonical encoding of `value`: None, bool, int, str, bytes, list and dict with str keys."""
    packed: bytes = msgpack.packb(value, use_bin_type=True, strict_types=True)
    return packed


def unpack(data: bytes, what: str) -> object:
    """Return the value that `data` encodes; `what` names it in errors.

    Raises FormatError for anything but one whole document of plain types with `limits.VALUES` of them at most. It does
    not check that the encoding is canonical: the caller compares with what it packs.
    """
    _check_shape(data, what)
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, max_ext_len=0)
    except (ValueError, UnicodeDecodeError, msgpack.exceptions.UnpackException):
        raise FormatError(f"{what} is not well-formed msgpack") from None


def _check_shape(data: bytes, what: str) -> None:
    """Walk the headers of `data` without building values: what lists declare counts before any of it is looked at."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(data) or 1)
    unpacker.feed(data)
    pending = [1]
    values = 1
    try:
        while pending:
            if not pending[-1]:
                pending.pop()
                continue
            pending[-1] -= 1
            kind = data[unpacker.tell()] if unpacker.tell() < len(data) else 0xC1
            if 0x80 <= kind <= 0x9F or 0xDC <= kind <= 0xDF:
                is_map = kind <= 0x8F or kind >= 0xDE
                length = unpacker.read_map_header() * 2 if is_map else unpacker.read_array_header()
                values += length
                if values > limits.VALUES.value:
                    raise FormatError(f"{what} has more values than {limits.VALUES}")
                if len(pending) > MAX_DEPTH or length > len(data):
                    raise FormatError(f"{what} is nested or filled beyond its limits")
                pending.append(length)
            else:
                unpacker.skip()
    except (ValueError, msgpack.exceptions.UnpackException):
        raise FormatError(f"{what} is not well-formed msgpack") from None
    if unpacker.tell() != len(data):
        raise FormatError(f"{what} has {len(data) - unpacker.tell()} bytes after its end")
