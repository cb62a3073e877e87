"""Reads the fields of an index: each function returns a value of the type that belongs there, or raises FormatError."""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.errors import FormatError


def fields(value: object, keys: tuple[str, ...], what: str) -> list[object]:
    """Return the values of a map that has exactly `keys`, in their order. Raises FormatError."""
    if not isinstance(value, dict) or tuple(value) != keys:
        raise FormatError(f"{what} must have the fields {', '.join(keys)}, in this order")
    return list(value.values())


def rows(value: object, width: int) -> Iterator[list[object]]:
    """Yield the rows of a list, each a list of `width` values. Raises FormatError."""
    for row in list_(value):
        if not isinstance(row, list) or len(row) != width:
            raise FormatError(f"the index has a row that is not a list of {width}")
        yield row


def list_(value: object) -> list[object]:
    """Return `value` if it is a list. Raises FormatError."""
    if not isinstance(value, list):
        raise FormatError("the index has something else where a list belongs")
    return value


def bytes_(value: object) -> bytes:
    """Return `value` if it is bytes. Raises FormatError."""
    if not isinstance(value, bytes):
        raise FormatError("the index has something else where bytes belong")
    return value


def text(value: object) -> str:
    """Return `value` if it is text. Raises FormatError."""
    if not isinstance(value, str):
        raise FormatError("the index has something else where text belongs")
    return value


def integer(value: object, limit: int) -> int:
    """Return `value` if it is an integer from 0 to `limit`. Raises FormatError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        raise FormatError(f"the index has something else where an integer from 0 to {limit} belongs")
    return value
