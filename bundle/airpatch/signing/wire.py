"""The data types of the SSH protocol (RFC 4251 section 5), read within bounds and written in their only form."""

from __future__ import annotations

from airpatch.errors import FormatError


def string(content: bytes) -> bytes:
    """`content` as an SSH `string`: its length in four bytes, big endian, then the bytes."""
    return len(content).to_bytes(4, "big") + content


class WireReader:
    """Takes values off the front of `data`. `what` names the data in errors; every method raises FormatError."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._offset = 0
        self._what = what

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self._offset + size
        if end > len(self._data):
            raise FormatError(f"{self._what}: cut short after {len(self._data)} bytes")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def number(self, size: int) -> int:
        """Return a `byte` (size 1), `uint32` (4) or `uint64` (8)."""
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number(4))

    def text(self) -> str:
        """Return a `string` that holds UTF-8."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise FormatError(f"{self._what}: holds text that is not UTF-8") from None

    def mpint(self) -> int:
        """Return a `mpint` that is not negative, without needless leading zeros."""
        raw = self.string()
        value = int.from_bytes(raw, "big")
        if raw and (raw[0] & 0x80 or not value or len(raw) != value.bit_length() // 8 + 1):
            raise FormatError(f"{self._what}: holds a number that is negative or not in its shortest form")
        return value

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._offset

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._offset < len(self._data)

    def end(self) -> None:
        """Nothing may be left."""
        if self.more:
            raise FormatError(f"{self._what}: has {len(self._data) - self._offset} bytes after its end")
