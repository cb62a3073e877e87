"""Which encoder wrote a zstd frame? The replicas that write what it begins with.

The header rules most of them out: klauspost/compress always adds a checksum, and the window tells the level, almost.
Given its sequences, a block of klauspost/compress follows: that rules out all others, and most versions, without a
search. The rest is run on the first block side by side, level by level, and flushed where the frame was: at the end of
each block that is neither full nor the last one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby

import zstandard

from airpatch.encoders.kzstd import KlauspostZstd, lone_block_header, stream_header
from airpatch.encoders.kzstd_blocks import BlockRules, ZstdBlockWriter
from airpatch.encoders.kzstd_sequences import Sequences
from airpatch.encoders.libzstd import AVAILABLE
from airpatch.encoders.libzstd_recognise import recognise_libzstd
from airpatch.encoders.race import race
from airpatch.encoders.zstd_frame import (
    MAGIC_SIZE,
    MAX_HEADER,
    FrameExtent,
    FrameHeader,
    begins_frame,
    block_ends,
    find_frame,
    frame_end,
    read_header,
)
from airpatch.encoders.zstd_matches import Matches, first_matches, matches_of
from airpatch.encoders.zstd_read_blocks import BlockReader, UnusualBlock
from airpatch.encoders.zstd_replicas import (
    FrameEncoder,
    frame_encoder,
    full_block,
    libzstd_encoder,
    libzstd_name,
    zstd_names,
    zstd_replica,
)
from airpatch.errors import FormatError

COMPARED = 512 << 10  # bytes of content that are compared at most: four blocks
_BLOCK = 128 << 10
_FRAMES = 1000  # of so many frames
_SHORT = 8 << 10  # those that have no more bytes are compared,
_COMPARED = 3  # so many of the largest,
_SHORTEST = {"default": 300, "fastest": 300, "better": 300, "best": 60}  # and so many of the shortest by level,
_SHORT_CONTENT = 128 << 10  # but no more bytes of content in all
_SEARCHED = 10  # bytes of content, of which klauspost/compress looks for matches; less is raw, whoever wrote it
_MAX_WINDOW = 128 << 20
_COMPRESSED = 2
_PROBE = 4 << 10  # bytes, in which most searches are ruled out
_TELLING = 1000  # matches tell the level
_QUICK = ("default", "fastest")  # levels at which the other blocks are compared, too
_NEWEST, _TWIN = "-1.18.5-", "-1.17.8-"  # which differ in frames of nothing
_KIN = tuple(f"kzstd-1.17.8-{level}" for level in ("default", "fastest", "better", "best")) + tuple(
    libzstd_name("1.5.7", level, False, False, True) for level in (3, 1, 6, 9, 12, 15, 17, 19) if AVAILABLE
)
"""Of encoders that nobody knows, one of these may be a near relative."""
_LEAST_SHARE = 0.5


def recognise_frame(start: bytes) -> list[str]:
    """Return the names of the replicas that write a frame which begins with `start`, the likeliest first.

    `start` should be the first MiB or more, or all; what is left of it after the frame is ignored. Raises FormatError
    if `start` is not the beginning of a zstd frame.
    """
    header = read_header(start[:MAX_HEADER])
    if header.dictionary or header.window > _MAX_WINDOW:
        return []
    end = frame_end(start)
    frame = memoryview(start)[:end]
    blocks = list(_blocks(frame))
    uncompressed = b"".join(blocks)
    complete = end is not None and len(uncompressed) <= COMPARED
    if not complete:
        uncompressed = uncompressed[: min(len(uncompressed), COMPARED) // _BLOCK * _BLOCK]
    try:
        matches = first_matches(frame) if uncompressed else None
    except UnusualBlock:
        return []
    if header.checksum:
        found = _klauspost(header, list(map(len, blocks)), uncompressed, frame, complete, matches)
        if found is not None:
            return found
    return recognise_libzstd(header, uncompressed, frame, complete, matches)


def _klauspost(
    header: FrameHeader,
    blocks: Sequence[int],
    uncompressed: bytes,
    frame: memoryview,
    complete: bool,
    matches: Matches | None,
) -> list[str] | None:
    """Return which of the replicas of klauspost/compress it is, all of one level but where the first block hardly tells
    it; none if it is an unknown one, None if it may be another encoder.

    `blocks` are the sizes of the first blocks' content, `matches` those of the first of them.
    """
    alone = any(blocks) and frame[header.size] & 1 == 1
    content = uncompressed[: blocks[0]] if blocks else b""
    names = _possible(bytes(frame[: header.size]), blocks[0] if alone else None)
    first = _sequences(frame[header.size :], content) if names else None
    if first is not None:
        rules = _possible_rules(first, frame[header.size :], content)
        names = [name for name in names if zstd_replica(name).rules in rules]
    # A block with so many matches is written by klauspost/compress or by libzstd, never by both, and at one level.
    is_telling = matches is not None and len(matches) >= _TELLING
    found: list[str] = []
    for level, group in groupby(names, lambda name: zstd_replica(name).level):
        same = list(group)
        twins = {
            name: twin
            for name in same
            if uncompressed and (twin := name.replace(_NEWEST, _TWIN)) != name and twin in same
        }
        rest = [name for name in same if name not in twins]
        if first is not None and matches is not None:  # the rules are right, so that the search tells the rest
            finding = _finding(rest, content, alone, first, matches)
            rest = [name for name in rest if name in finding]
        if level in _QUICK or complete:
            if not (first is not None and alone):
                rest = _matching(rest, uncompressed, blocks, frame, complete)
        elif first is None or len(content) < _BLOCK:
            rest = _matching(rest, uncompressed[:_BLOCK], blocks, frame, False)
        found += rest + [name for name, twin in twins.items() if twin in rest]
        if rest and is_telling:
            break
    return found if found or (names and is_telling) else None


def _possible(header: bytes, lone: int | None) -> list[str]:
    """Return the replicas of klauspost/compress that write a header; `lone` is the size of the content of one block."""
    return [
        name
        for name in zstd_names()
        if header == (stream_header(zstd_replica(name).window) if lone is None else lone_block_header(lone))
    ]


def _sequences(blocks: memoryview, content: bytes) -> Sequences | None:
    """Return the sequences of the first of `blocks`, which has such content; None if it has only bytes."""
    word = int.from_bytes(blocks[:3], "little")
    if not content or word >> 1 & 3 != _COMPRESSED:
        return None
    reader = BlockReader()
    reader.read(bytes(blocks[3 : 3 + (word >> 3)]))
    reader.take_literals(content)
    return reader.found


def _possible_rules(sequences: Sequences, blocks: memoryview, content: bytes) -> set[BlockRules]:
    """Return the rules of klauspost/compress that write the first of `blocks`, which has such sequences and content."""
    word = int.from_bytes(blocks[:3], "little")
    block = bytes(blocks[: 3 + (word >> 3)])
    return {
        rules
        for rules in {zstd_replica(name).rules for name in zstd_names()}
        if ZstdBlockWriter(rules).block(sequences, bytearray(content), 0, len(content), bool(word & 1), False) == block
    }


def _finding(names: Iterable[str], block: bytes, alone: bool, first: Sequences, matches: Matches) -> set[str]:
    """Return the replicas of a level that find the sequences of the `first` block, and so its `matches`.

    What they find in its beginning rules most of them out, which take long otherwise.
    """
    columns = first.columns()
    is_run = block.count(block[:1]) == len(block)
    alike: dict[str, list[str]] = {}
    for name in names:
        replica = zstd_replica(name)
        alike.setdefault(replica.search if is_run else replica.plain_search, []).append(name)
    found: set[str] = set()
    one_of_each = _one_after_another(same[0] for same in alike.values())
    for same, (_, encoder) in zip(alike.values(), one_of_each, strict=True):
        probe = matches_of(encoder.search(block, _PROBE, alone), _PROBE)
        if probe.agrees(matches) and encoder.search(block, len(block), alone).columns() == columns:
            found.update(same)
    return found


def recognise_frames(start: bytes) -> list[str]:
    """Return the names of the replicas that write the frames of a zstd file which begins with `start`.

    Of many frames some are looked at: the largest that is compressed, which tells the level, then short ones, which
    tell versions apart: most changes were made for blocks that hardly get smaller. What follows the last frame tells
    nothing. Raises FormatError if `start` is not the beginning of a zstd file.
    """
    whole: list[FrameExtent] = []
    at = 0
    while begins_frame(start[at : at + MAGIC_SIZE]) and len(whole) < _FRAMES:
        frame = find_frame(start, at)
        if frame is None:
            break
        if frame.skippable is None:
            whole.append(frame)
        at = frame.end
    if not whole:
        return recognise_frame(start)
    whole.sort(key=lambda frame: (_kind_of_first_block(start, frame.begin) != _COMPRESSED, frame.begin - frame.end))
    names = recognise_frame(start[whole[0].begin : whole[0].end])
    frames = _short_frames(start, whole[1:])
    found: list[str] = []
    for level, group in groupby(names, _level):
        same = list(group)
        some = frames[: _COMPARED + _SHORTEST.get(level, 0)]
        encoders = _one_after_another(same) if level else ((name, libzstd_encoder(name)) for name in same)
        found += [name for name, encoder in encoders if all(_writes(encoder, *frame) for frame in some)]
    return found


def _level(name: str) -> str:
    """Return the level of a replica of klauspost/compress; nothing for libzstd."""
    return "" if full_block(name) is None else zstd_replica(name).level


def _short_frames(start: bytes, frames: Sequence[FrameExtent]) -> list[tuple[bytes, bytes]]:
    """Return some short frames of one block, and the content of each: the first few of `frames`, then the shortest."""
    decompressor = zstandard.ZstdDecompressor()
    short = [start[frame.begin : frame.end] for frame in frames if frame.end - frame.begin <= _SHORT]
    found: list[tuple[bytes, bytes]] = []
    left = _SHORT_CONTENT
    for frame in short[:_COMPARED] + sorted(short[_COMPARED:], key=len):
        header = read_header(frame[:MAX_HEADER])
        is_lone = frame[header.size] & 1
        if not is_lone or (header.content or 0) > left:
            continue
        try:
            content = decompressor.decompress(frame, max_output_size=left)
        except zstandard.ZstdError:  # of more content, or damaged
            continue
        if not 0 < len(content) < _SEARCHED:
            found.append((frame, content))
            left -= len(content)
    return found


def _writes(encoder: FrameEncoder, frame: bytes, content: bytes) -> bool:
    """Return whether an encoder makes the frame of its content."""
    encoder.begin(len(content))
    return encoder.feed(content) + encoder.finish() == frame


def _kind_of_first_block(start: bytes, begin: int) -> int:
    """Return the type of the first block of a frame (RFC 8878 3.1.1.2.2)."""
    return start[begin + read_header(start[begin : begin + MAX_HEADER]).size] >> 1 & 3


def _matching(
    candidates: Sequence[str], uncompressed: bytes, blocks: Sequence[int], frame: memoryview, complete: bool
) -> list[str]:
    """Return those that write what the frame begins with, or all of it if it is `complete`.

    They are of one level.
    """
    found: list[str] = []
    for name, encoder in _one_after_another(candidates):
        flushed = _Flushed(encoder, _flushes(blocks, zstd_replica(name).block))
        running = race([(name, flushed)], uncompressed, frame, _BLOCK, complete=complete)
        if any(runner.written for runner in running):
            found.append(name)
    return found


def _one_after_another(names: Iterable[str]) -> Iterator[tuple[str, KlauspostZstd]]:
    """Yield replicas of one level. Tables are large, so that each takes those of the one before, which is over."""
    last: KlauspostZstd | None = None
    for name in names:
        encoder = zstd_replica(name).make()
        if last is not None:
            encoder.take_tables(last)
        last = encoder
        yield name, encoder


def _flushes(blocks: Sequence[int], full: int) -> list[int]:
    """Return after how much content a frame with such blocks was flushed. The last block may be that of the frame."""
    return [end for end, size in zip(accumulate(blocks[:-1]), blocks, strict=False) if size != full]


class _Flushed:
    """An encoder that is flushed after so much content each time: `flushes` are bytes from the frame's beginning."""

    def __init__(self, encoder: FrameEncoder, flushes: Iterable[int]) -> None:
        self._encoder = encoder
        self._flushes = deque(flushes)
        self._position = 0

    def feed(self, data: bytes) -> bytes:
        out = b""
        end = self._position + len(data)
        while self._flushes and self._flushes[0] <= end:
            size = self._flushes.popleft() - self._position
            out += self._encoder.feed(data[:size]) + self._encoder.flush()
            data = data[size:]
            self._position += size
        self._position = end
        return out + self._encoder.feed(data)

    def finish(self) -> bytes:
        return self._encoder.finish()


def _blocks(frame: memoryview) -> Iterator[bytes]:
    """Yield the content of the first blocks of a frame, until that is more than `COMPARED` bytes.

    Raises FormatError if they do not decompress.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
    begin = size = 0
    try:
        for end in block_ends(frame):
            content = decompressor.decompress(frame[begin:end])
            yield content
            size += len(content)
            if size > COMPARED or end > len(frame):
                return
            begin = end
        if begin < len(frame):
            decompressor.decompress(frame[begin:])  # the checksum is compared
    except zstandard.ZstdError as error:
        raise FormatError(f"not a zstd frame: {error}") from error


def nearest_frame_encoders(start: bytes, may: Callable[[str], bool] = lambda _: True) -> list[str]:
    """Return the encoder whose matches are most like those at the `start` of a zstd file, if they are like them.

    Only encoders that `may` are considered. Raises FormatError if it is not the beginning of a zstd file.
    """
    frame = memoryview(start)[: frame_end(start)]
    uncompressed = b"".join(_blocks(frame))[:_BLOCK]
    matches = first_matches(frame)
    best, most = [], _LEAST_SHARE
    for name in filter(may, _KIN):
        encoder = frame_encoder(name)
        encoder.begin(len(uncompressed))
        share = first_matches(encoder.feed(uncompressed) + encoder.flush(), 16).share(matches)
        if share > most:
            best, most = [name], share
    return best
