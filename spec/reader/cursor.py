"""Bytes that are read from the beginning to the end."""

from dataclasses import dataclass

from .errors import require


@dataclass
class Cursor:
    """Bytes, and how many of them have been read."""

    data: bytes
    at: int = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        require(count <= self.left, "bytes that end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, limit: int = 2**63 - 1) -> int:
        """A number of DELTA.md in its shortest form, up to the limit."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            require(value < 2**63 and (byte or not shift), "a number that is too large, or not in its shortest form")
            if byte < 0x80:
                require(value <= limit, "a number over its limit")
                return value
            shift += 7

    def varint(self, limit: int) -> int:
        """A number of DEFLATE.md, in five bytes at most, up to the limit."""
        value = shift = 0
        byte = 0x80
        while byte & 0x80:
            require(shift < 35, "a number of more than five bytes")
            byte = self.take(1)[0]
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        require(value <= limit, "a number over its limit")
        return value

    def count(self) -> int:
        """A count of DEFLATE.md: bytes 255, and one below."""
        total = 0
        while (byte := self.take(1)[0]) == 255:
            total += 255
        return total + byte
