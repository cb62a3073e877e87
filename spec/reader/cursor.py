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

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self, limit: int = 2**63 - 1) -> int:
        """A number of DELTA.md, which is in its shortest form, up to the limit."""
        begin, value = self.at, self.varint(limit, 9)
        require(self.at - begin == 1 or self.data[self.at - 1], "a number that is not in its shortest form")
        return value

    def varint(self, limit: int, most: int = 5) -> int:
        """A number of DEFLATE.md, in so many bytes at most, up to the limit."""
        value = shift = 0
        byte = 0x80
        while byte & 0x80:
            require(shift < 7 * most, "a number of too many bytes")
            byte = self.byte()
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        require(value <= limit, "a number over its limit")
        return value

    def count(self) -> int:
        """A count of DEFLATE.md: bytes 255, and one below."""
        total = 0
        while (byte := self.byte()) == 255:
            total += 255
        return total + byte
