"""The header of a part of a file that was split (spec/PARTS.md).

`emit_header` and `parse_header` are inverse; there is one encoding, and `parse_header` refuses all others. A part says
which whole it belongs to, where in it its payload stands, and what each chunk of that payload hashes to, so that it can
be verified alone, and used as far as it is undamaged. The first part also names the sums of all others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from airpatch.errors import FormatError
from airpatch.format import magics, sealed
from airpatch.model.digest import SIZE, Digest
from airpatch.model.printable import is_printable

VERSION = 1
LEAST_CHUNK, MOST_CHUNK = 4 << 10, 1 << 20
"""Bytes of payload under one sum, a power of two."""
MAX_PARTS = 1 << 16
"""Data parts and parity parts together."""
MAX_CODED_PARTS = 255
"""The same where there is parity: each has a number of its own in GF(2^8), and liberasurecode takes no more."""
MAX_NAME = 255
"""Bytes of the name of a file (NAME_MAX)."""
MAX_SIZE = 1 << 50
"""Bytes of the whole."""
MAX_DESCRIPTION = 64 << 20
"""Bytes: the sums of a part of 512 GiB in chunks of 256 KiB."""
_WHAT = "a part of a split file"


@dataclass(frozen=True, slots=True)
class WholeFile:
    """The file that was split, and how: `size` bytes in data parts of `part_size`, the last one shorter."""

    name: str
    size: int
    digest: Digest
    part_size: int
    chunk: int
    """Bytes of payload under one sum."""
    parity: int
    """Parity parts: as many parts may be lost."""

    @property
    def data_parts(self) -> int:
        return max(1, -(-self.size // self.part_size))

    @property
    def parts(self) -> int:
        """Data parts, then parity parts; they are numbered from 1."""
        return self.data_parts + self.parity

    def payload(self, number: int) -> int:
        """Return the payload's bytes of the part `number`: parity covers whole chunks of the longest data part."""
        if number > self.data_parts:
            return self.chunks(1) * self.chunk
        return min(self.part_size, self.size - (number - 1) * self.part_size)

    def chunks(self, number: int) -> int:
        """Return how many chunks the payload of the part `number` has."""
        return -(-self.payload(number if number <= self.data_parts else 1) // self.chunk)

    def part_name(self, number: int) -> str:
        """Return what the file of the part `number` is called; nothing depends on it."""
        width = len(str(self.data_parts))
        if number > self.data_parts:
            return f"{self.name}.parity-{number - self.data_parts}-of-{self.parity}"
        return f"{self.name}.part-{number:0{width}}-of-{self.data_parts}"


@dataclass(frozen=True, slots=True)
class Header:
    """What the part `number` says of itself. `sums` are the sha256 of its chunks, one after the other."""

    whole: WholeFile
    number: int
    sums: bytes = field(repr=False)
    parts: bytes = field(default=b"", repr=False)
    """In the first part: the sha256 of the `sums` of each part, one after the other. Empty in all others."""

    def sum(self, chunk: int) -> bytes:
        return self.sums[SIZE * chunk : SIZE * (chunk + 1)]

    @property
    def digest(self) -> bytes:
        """The sha256 of the sums: the first part knows each part by it."""
        return hashlib.sha256(self.sums).digest()

    def digest_of(self, number: int) -> bytes:
        """Return what the first part knows the part `number` by."""
        return self.parts[SIZE * (number - 1) : SIZE * number]


def header_size(whole: WholeFile, number: int) -> int:
    """Return the size in bytes of the header of the part `number`, whatever its sums are."""
    return len(emit_header(blank_header(whole, number)))


def blank_header(whole: WholeFile, number: int) -> Header:
    """Return a header as long as that of the part `number` will be, with zeros for sums."""
    return Header(whole, number, bytes(SIZE * whole.chunks(number)), bytes(SIZE * whole.parts if number == 1 else 0))


def emit_header(header: Header) -> bytes:
    """Return the encoding of `header`, which the payload follows."""
    whole = header.whole
    description = {
        "airpatch": VERSION,
        "name": whole.name,
        "size": whole.size,
        "whole": whole.digest.raw,
        "part_size": whole.part_size,
        "chunk": whole.chunk,
        "parity": whole.parity,
        "number": header.number,
        "sums": header.sums,
        "parts": header.parts,
    }
    return sealed.seal(magics.PART, description)


def size_of_header(prefix: bytes) -> int:
    """Return the size of the header that begins with `prefix`. Raises FormatError unless it is that of a part."""
    return sealed.sealed_size(prefix, magics.PART, MAX_DESCRIPTION, _WHAT)


def parse_header(content: bytes) -> Header:
    """Return the header that `content` encodes. Raises FormatError unless it is whole and canonical."""
    header = _from_plain(sealed.unseal(content, _WHAT))
    _check(header)
    if emit_header(header) != content:
        raise FormatError("the header of a part is not in its canonical form")
    return header


def _from_plain(plain: object) -> Header:
    match plain:
        case {"airpatch": version} if version != VERSION or isinstance(version, bool):
            raise FormatError(f"a part of format version {version!r:.20}; this airpatch reads version {VERSION}")
        case {
            "name": str(name),
            "size": int(size),
            "whole": bytes(whole),
            "part_size": int(part_size),
            "chunk": int(chunk),
            "parity": int(parity),
            "number": int(number),
            "sums": bytes(sums),
            "parts": bytes(parts),
        } if len(whole) == SIZE:
            return Header(WholeFile(name, size, Digest(whole), part_size, chunk, parity), number, sums, parts)
    raise FormatError("the header of a part lacks a member, or one of another kind")


def _check(header: Header) -> None:
    whole = header.whole
    if not is_file_name(whole.name):
        raise FormatError("a part of a file with an unusable name")
    if not LEAST_CHUNK <= whole.chunk <= MOST_CHUNK or whole.chunk & (whole.chunk - 1):
        raise FormatError(f"a part with chunks of {whole.chunk} bytes")
    if not 0 <= whole.size <= MAX_SIZE or whole.part_size < whole.chunk or whole.part_size % whole.chunk:
        raise FormatError(f"a part of {whole.part_size} bytes of a file of {whole.size}")
    if not 0 <= whole.parity < MAX_CODED_PARTS or whole.parts > (MAX_CODED_PARTS if whole.parity else MAX_PARTS):
        raise FormatError(f"a part of a file in {whole.parts} parts, which is too many")
    if not 1 <= header.number <= whole.parts:
        raise FormatError(f"part {header.number} of {whole.parts}")
    if len(header.sums) != SIZE * whole.chunks(header.number):
        raise FormatError("a part whose sums do not cover its payload")
    if len(header.parts) != (SIZE * whole.parts if header.number == 1 else 0):
        raise FormatError("a part whose sums of all parts are not as many as these")
    if header.parts and header.parts[:SIZE] != header.digest:
        raise FormatError("a first part that contradicts itself")


def is_file_name(name: str) -> bool:
    """Return whether `name` can name a file on the site without surprises."""
    return is_printable(name) and 0 < len(name.encode()) <= MAX_NAME and "/" not in name and name not in (".", "..")


def plan_parts(name: str, size: int, limit: int, parity: int) -> WholeFile:
    """Return how a file of `size` bytes is split into parts whose files are smaller than `limit` bytes (4 GiB fit on
    FAT).

    Its digest is blank. Raises FormatError if that would be too many parts.
    """
    chunk = min(max(1 << (limit >> 8).bit_length() - 1, LEAST_CHUNK), 256 << 10)
    parts = 1 + parity
    while True:
        blank = WholeFile(name, size, Digest(bytes(SIZE)), chunk, chunk, parity)
        # The longest header is that of the first part, with one sum for each chunk and one for each part.
        room = limit - 1 - len(emit_header(Header(replace(blank, size=MAX_SIZE), 1, b"", b""))) - SIZE * parts - 16
        chunks = room // (chunk + SIZE)
        if chunks < 1:
            raise FormatError(f"parts of less than {limit} bytes have no room for a payload")
        whole = replace(blank, part_size=chunks * chunk)
        most = MAX_CODED_PARTS if parity else MAX_PARTS
        if whole.parts > most:
            raise FormatError(f"that would be {whole.parts:,} parts, more than {most:,}; choose larger ones")
        if whole.parts <= parts:
            return whole
        parts = whole.parts
