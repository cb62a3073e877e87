"""A gzip file rebuilt from its uncompressed data and decisions, byte for byte; the inverse of `parse`.

`emit` pulls uncompressed data and columns through functions and gives the file in pieces; it holds a few MiB
whatever the file's size. Any input leads to some bytes or to a FormatError: whether they are the right bytes
is for the caller to check, by their digest, and so is a limit on their number.
"""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.deflate.blocks import BlockWriter, count_symbols
from airpatch.deflate.layout_column import OTHER, BlockPiece, LayoutReader, MemberStart, Tail, Trailer, compute_header
from airpatch.deflate.matches import Read, TokenDecoder
from airpatch.deflate.tables import DYNAMIC, FIXED, LONG_258, MAX_MATCH, STORED
from airpatch.errors import FormatError


def emit(uncompressed: Read, layout: Read, runs: Read, sources: Read, distances: Read) -> Iterator[bytes]:
    """Yield the file's bytes. Each function returns up to so many bytes, none only at the end of its data.

    Raises FormatError if uncompressed data and decisions do not fit together, or are not used up at the end of the
    layout.
    """
    writer = BlockWriter()
    decoder = TokenDecoder(uncompressed, runs, sources, distances)
    reader = LayoutReader(layout)
    ended = False
    while (record := reader.record()) is not None:
        if isinstance(record, MemberStart):
            if ended:
                raise FormatError("gzip member after what follows the last one")
            writer.raw(record.header)
            yield from _member(reader, decoder, writer)
        elif isinstance(record, Tail):
            ended = True
            writer.raw(record.data)
            yield writer.take()
        else:
            raise FormatError("block outside of a gzip member")
    decoder.end()
    yield writer.take()


def _member(reader: LayoutReader, decoder: TokenDecoder, writer: BlockWriter) -> Iterator[bytes]:
    """Yield the blocks and the trailer of a gzip member."""
    decoder.restart()
    final = False
    more = False
    while isinstance(record := reader.record(), BlockPiece):
        if more is not (record.kind == OTHER) or (final and not more):
            raise FormatError("block or piece of a block out of place")
        if not more:
            final = record.final
        more = record.more
        if record.kind == STORED:
            writer.stored(decoder.skip(record.count), record.final, record.padding)
        else:
            _write_piece(record, decoder, writer)
        yield writer.take()
    if not isinstance(record, Trailer) or not final or more:
        raise FormatError("gzip member without an end")
    writer.pad(record.padding)
    writer.raw((decoder.crc if record.crc is None else record.crc).to_bytes(4, "little"))
    size = decoder.size & 0xFFFFFFFF if record.size is None else record.size
    writer.raw(size.to_bytes(4, "little"))


def _write_piece(piece: BlockPiece, decoder: TokenDecoder, writer: BlockWriter) -> None:
    tokens = decoder.tokens(piece.count)
    for index in piece.long:
        if tokens[index] >> 16 != MAX_MATCH:
            raise FormatError("long spelling of a match that is not of length 258")
        tokens[index] |= LONG_258
    if piece.kind == DYNAMIC:
        header = piece.header or compute_header(piece.code, *count_symbols(tokens))
        writer.begin_dynamic(header, piece.final)
    elif piece.kind == FIXED:
        writer.begin_fixed(piece.final)
    writer.tokens(tokens)
    if not piece.more:
        writer.end()
