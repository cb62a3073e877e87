"""MessagePack in canonical form (FORMAT.md, Canonical form), decoded by hand.

The shortest form of everything is demanded while decoding, so that no document has two encodings. Depth and values are
compared with their limits, and elements are taken one by one: nothing is allocated for those that are not there.
"""

from typing import Any, TypeVar

from .errors import FormatError, require

T = TypeVar("T")

_UINTS = {0xCC: (1, 0x80), 0xCD: (2, 0x100), 0xCE: (4, 0x10000), 0xCF: (8, 0x100000000)}
# First byte: what it begins, the width of its length, and the smallest length that needs this form.
_SIZED = {
    0xC4: ("bin", 1, 0),
    0xC5: ("bin", 2, 0x100),
    0xC6: ("bin", 4, 0x10000),
    0xD9: ("str", 1, 0x20),
    0xDA: ("str", 2, 0x100),
    0xDB: ("str", 4, 0x10000),
    0xDC: ("array", 2, 0x10),
    0xDD: ("array", 4, 0x10000),
    0xDE: ("map", 2, 0x10),
    0xDF: ("map", 4, 0x10000),
}


class _Decoder:
    def __init__(self, data: bytes, max_depth: int, max_values: int) -> None:
        self.data, self.at, self.max_depth, self.values = data, 0, max_depth, max_values

    def take(self, count: int) -> bytes:
        require(count <= len(self.data) - self.at, "a document of MessagePack that is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def value(self, depth: int) -> object:
        self.values -= 1
        require(self.values >= 0, "too many values")
        first = self.take(1)[0]
        if first < 0x80:
            return first
        if first in _UINTS:
            width, least = _UINTS[first]
            number = int.from_bytes(self.take(width), "big")
            require(number >= least, "an integer that is not in its shortest form")
            return number
        if first in _SIZED:
            kind, width, least = _SIZED[first]
            size = int.from_bytes(self.take(width), "big")
            require(size >= least, "a length that is not in its shortest form")
        elif first < 0x90:
            kind, size = "map", first & 0x0F
        elif first < 0xA0:
            kind, size = "array", first & 0x0F
        elif first < 0xC0:
            kind, size = "str", first & 0x1F
        else:
            raise FormatError(f"a value of MessagePack that does not occur: 0x{first:02x}")
        if kind == "bin":
            return self.take(size)
        if kind == "str":
            try:
                return self.take(size).decode()
            except UnicodeDecodeError as error:
                raise FormatError("text that is not UTF-8") from error
        require(depth < self.max_depth, "lists and maps nested too deep")
        if kind == "array":
            return [self.value(depth + 1) for _ in range(size)]
        entries: dict[str, object] = {}
        for _ in range(size):
            key = of_type(self.value(depth + 1), str)
            require(key not in entries, f"a key twice: {key!r}")
            entries[key] = self.value(depth + 1)
        return entries


def decode(data: bytes, max_depth: int = 8, max_values: int = 1048576) -> object:
    """The value of a document: int, str, bytes, list or dict.

    Raises:
        FormatError: it is malformed, not canonical or over a limit.
    """
    decoder = _Decoder(data, max_depth, max_values)
    value = decoder.value(0)
    require(decoder.at == len(data), "bytes behind a document of MessagePack")
    return value


def of_type(value: object, kind: type[T]) -> T:
    """The value, which must be of the type.

    Raises:
        FormatError: it is of another one.
    """
    require(type(value) is kind, f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value  # type: ignore[return-value] # require has seen to it


def record(value: object, *kinds: type) -> list[Any]:
    """A list with values of these types.

    Raises:
        FormatError: it is something else.
    """
    values = of_type(value, list)
    require(len(values) == len(kinds), "a list of another length")
    return [of_type(one, kind) for one, kind in zip(values, kinds, strict=True)]


def fields(value: object, **kinds: type) -> list[Any]:
    """The values of a map that has these fields, in this order, and no others.

    Raises:
        FormatError: it has others, or values of other types.
    """
    entries = of_type(value, dict)
    require(list(entries) == list(kinds), f"fields {list(entries)} where {list(kinds)} belong")
    return [of_type(entries[key], kind) for key, kind in kinds.items()]
