"""Which encoder wrote a gzip file? The replicas that write what it begins with.

Where the first block ends rules most of them out, and what they make of its first bytes most of the rest. The others
are run on the beginning side by side, and dropped as soon as they differ, which shows where a block ends. Encoders that
frame blocks (pgzip: 1 MiB of uncompressed data, pigz: 128 KiB) differ from their unframed kin only after the first of
these.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

from airpatch.deflate.decompressor import RAW, DecompressionError, decompressor
from airpatch.deflate.gzip import header_size
from airpatch.deflate.inflate import Inflater, Status
from airpatch.deflate.tables import MAX_MATCH, STORED
from airpatch.encoders.first_blocks import FirstBlock
from airpatch.encoders.flushed import ends_flushed
from airpatch.encoders.race import race
from airpatch.encoders.replicas import (
    NEARBY,
    EncoderReplica,
    deflater,
    flushed_name,
    other_names,
    replica,
    usual_names,
)
from airpatch.errors import FormatError

COMPARED = 4 << 20  # bytes of content that are compared at most
_PIECE = 32 << 10
_BEGINNING = 8 << 10
"""Bytes of content at which other levels of an encoder decide otherwise as a rule."""
_IS_MATCH = (0xFF).__lt__  # of a token


def recognise(
    start: bytes, candidates: Sequence[str] | None = None, *, flushed: bool = False, enough: int = sys.maxsize
) -> list[str]:
    """Return the names of the replicas that write a gzip file which begins with `start`, the likeliest first.

    `start` should be the first MiB or more, or the whole file: then what is left of it after the first
    member is ignored. `candidates` restricts the names tried. A replica that is left alone after `enough` bytes of
    content is not asked for the rest, for callers who will see what it makes. `flushed` says whether the stream
    `ends_flushed`, where its end is not in `start`. Raises FormatError if `start` is not the beginning of a gzip file.
    """
    begin = header_size(start)
    if begin is None:
        raise FormatError("the gzip header is longer than the given beginning of the file")
    body = memoryview(start)[begin:]
    uncompressed, size, complete = _inflate(body)
    body = body[:size]
    flushed = ends_flushed(body) if complete else flushed
    beginning: array[int] = array("I")
    first = _first_block(body, len(uncompressed) if complete else None, beginning)
    groups = (usual_names(), other_names()) if candidates is None else (candidates,)
    for group in groups:
        names = [flushed_name(name) or name for name in group] if flushed else group
        names = [name for name in names if first is None or replica(name).may_begin(first)]
        names = [name for name in names if _begins_alike(replica(name), uncompressed, beginning)]
        encoders = ((name, deflater(name)) for name in names)
        running = race(encoders, uncompressed, body, _PIECE, complete=complete, enough=enough)
        if running:
            return [runner.name for runner in running]
    return []


def _first_block(body: memoryview, uncompressed_size: int | None, beginning: array[int]) -> FirstBlock | None:
    """Return where the first block ends, or None if it has no tokens or is not complete.

    `beginning` receives its first tokens.
    """
    inflater = Inflater()
    inflater.feed(bytes(body))
    block = inflater.block()
    if block is None or block.kind == STORED:
        return None
    tokens = 0
    shortest = MAX_MATCH
    uncompressed = bytearray()
    status = Status.MORE
    while status is Status.MORE:
        status = inflater.run()
        found = inflater.tokens()
        if len(uncompressed) < _BEGINNING:
            beginning += found
        tokens += len(found)
        shortest = min(shortest, min(filter(_IS_MATCH, found), default=MAX_MATCH << 16) >> 16)
        uncompressed += inflater.uncompressed()
    if status is Status.HUNGRY or len(uncompressed) > COMPARED:
        return None
    return FirstBlock(tokens, shortest, bytes(uncompressed), block.final, len(uncompressed) == uncompressed_size)


def _begins_alike(encoder: EncoderReplica, uncompressed: bytes, tokens: array[int]) -> bool:
    """Return whether the encoder may begin its first block with `tokens`, as far as the first bytes tell."""
    if not encoder.decides_nearby or len(uncompressed) <= _BEGINNING:
        return True
    deflater = encoder.make(None)
    inflater = Inflater()
    inflater.feed(deflater.feed(uncompressed[:_BEGINNING]) + deflater.finish())
    block = inflater.block()
    if block is None or block.kind == STORED:
        return True
    inflater.run()
    size = 0
    for token, made in zip(tokens, inflater.tokens(), strict=False):
        size += token >> 16 or 1
        if size > _BEGINNING - NEARBY:
            break
        if token != made:
            return False
    return True


def _inflate(body: memoryview) -> tuple[bytes, int, bool]:
    """Return the beginning's uncompressed data, the size of its deflate stream, and whether that is all of it."""
    inflater = decompressor(RAW)
    try:
        uncompressed = inflater.decompress(bytes(body), COMPARED)
    except DecompressionError as error:
        raise FormatError(f"not a deflate stream: {error}") from error
    used = len(body) - len(inflater.unused_data)
    return uncompressed, used, inflater.eof
