"""Headers of tars within copies, whose times and checksums are foretold (DELTA.md, Tar headers)."""

from collections.abc import Iterator

SIZE, TIME, CHECKSUM, MAGIC = 512, slice(136, 147), slice(148, 154), 257


def find(stretch: bytes) -> list[int]:
    """Where headers begin in a stretch of a source."""
    found, at = [], stretch.find(b"ustar", MAGIC)
    while 0 <= at <= len(stretch) - SIZE + MAGIC:
        header = stretch[at - MAGIC : at - MAGIC + SIZE]
        is_one = _is_number(header[TIME]) and _is_number(header[CHECKSUM])
        if is_one:
            found.append(at - MAGIC)
        at = stretch.find(b"ustar", at + (SIZE if is_one else 1))
    return found


def _is_number(digits: bytes | bytearray) -> bool:
    return all(0x30 <= digit <= 0x37 for digit in digits)


class Times:
    """What became of the times of headers: for each slot a time, and what it became."""

    def __init__(self) -> None:
        self.table: dict[int, tuple[int, int]] = {}
        self.shift = 0

    def parts(self, source: bytes, copy: bytearray, headers: list[int]) -> Iterator[slice]:
        """The parts of a stretch with headers: what is foretold is in the copy before the part is to be corrected."""
        begin = 0
        for at in headers:
            header, end = slice(at, at + SIZE), at + CHECKSUM.start
            copy[header] = self._with_time(source[header])
            yield slice(begin, end)
            copy[header] = self._with_checksum(source[header], copy[header])
            begin = end
        yield slice(begin, len(copy))

    def _with_time(self, source: bytes) -> bytes:
        """A header with its time foretold."""
        time = int(source[TIME], 8)
        before, became = self.table.get(time % 4096, (-1, 0))
        foretold = became if before == time else time + self.shift
        return source[: TIME.start] + b"%011o" % (foretold % 8**11) + source[TIME.stop :]

    def _with_checksum(self, source: bytes, header: bytearray) -> bytes:
        """A header that is right before its checksum with that foretold; its time is learned."""
        time = int(source[TIME], 8)
        if _is_number(header[TIME]):
            became = int(header[TIME], 8)
            if self.table.get(time % 4096, (-1, 0))[0] != time:
                self.shift = became - time
            self.table[time % 4096] = time, became
        start = CHECKSUM.start
        total = int(source[CHECKSUM], 8) + sum(header[:start]) - sum(source[:start])
        return bytes(header[:start]) + b"%06o" % (total % 8**6) + source[CHECKSUM.stop :]
