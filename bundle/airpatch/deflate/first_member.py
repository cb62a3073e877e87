"""The tokens of the first member of a gzip file (RFC 1952), as they are read, for whoever needs no more than that."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from airpatch.deflate.gzip import header_size
from airpatch.deflate.inflate import Block, Inflater, Status
from airpatch.errors import FormatError


def first_member_tokens(file: Iterable[bytes | memoryview]) -> Iterator[tuple[int, array[int]]]:
    """Yield tokens of the gzip `file`, which comes in pieces, with where their bytes begin in the uncompressed content.

    Stored blocks have none. Memory stays within a piece and some 100 KiB. Raises FormatError if the file is cut short,
    or not valid deflate.
    """
    pieces = map(bytes, file)
    header = b""
    while (size := header_size(header)) is None:
        header += _next(pieces)
    inflater = Inflater(keeps=False)
    inflater.feed(header[size:])
    position = 0
    block: Block | None = None
    while block is None or not block.final:
        while (block := inflater.block()) is None:
            inflater.feed(_next(pieces))
        status = Status.MORE
        while status is not Status.DONE:
            status = inflater.run()
            if tokens := inflater.tokens():
                yield position, tokens
            position += inflater.skip()
            if status is Status.HUNGRY:
                inflater.feed(_next(pieces))


def _next(pieces: Iterator[bytes]) -> bytes:
    piece = next(pieces, b"")
    if not piece:
        raise FormatError("gzip file is cut short")
    return piece
