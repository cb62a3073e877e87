"""Which encoder wrote a zstd frame? The replicas that write what it begins with.

The header rules most of them out: klauspost/compress always adds a checksum, and the window tells the level, almost.
The others are run on the first blocks side by side, level by level, and dropped as soon as they differ, which takes one
block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import zstandard

from airpatch.encoders.libzstd_recognise import recognise_libzstd
from airpatch.encoders.race import race
from airpatch.encoders.zstd_frame import MAX_HEADER, Frame, find_frame, frame_end, length_log, read_header
from airpatch.encoders.zstd_replicas import zstd_names, zstd_replica
from airpatch.errors import FormatError

PLAINTEXT = 512 << 10  # as much is compared, at most: four blocks
_BLOCK = 128 << 10
_FRAMES = 1000  # of so many frames
_COMPARED = 3  # so many are compared that have no more than
_SHORT = 8 << 10  # bytes
_MAX_WINDOW = 128 << 20
_MOST_LOG = 8  # klauspost/compress makes no larger codes; libzstd does, of blocks of more than 2048 sequences


def recognise_frame(start: bytes, candidates: Sequence[str] | None = None) -> list[str]:
    """Return the names of the replicas that write a frame which begins with `start`, the likeliest first.

    `start` should be the first MiB or more, or all; what is left of it after the frame is ignored. `candidates`
    restricts the names tried. Raises FormatError if `start` is not the beginning of a zstd frame.
    """
    header = read_header(start[:MAX_HEADER])
    if header.dictionary or header.window > _MAX_WINDOW:
        return []
    end = frame_end(start)
    frame = memoryview(start)[:end]
    plaintext = _decompress(frame)
    complete = end is not None and len(plaintext) <= PLAINTEXT
    if not complete:
        plaintext = plaintext[: min(len(plaintext), PLAINTEXT) // _BLOCK * _BLOCK]
    if candidates is not None and any(name.startswith("libzstd") for name in candidates):
        return recognise_libzstd(header, plaintext, frame, complete, candidates)
    if not header.checksum or (length_log(start) or 0) > _MOST_LOG:
        return [] if candidates else recognise_libzstd(header, plaintext, frame, complete)
    names = [
        name
        for name in (zstd_names() if candidates is None else candidates)
        if complete or header.content is not None or header.window == zstd_replica(name).window
    ]
    if complete:  # as short as it is, other levels may agree, too
        found = _race(names, plaintext, frame, complete)
        return found if found or candidates else recognise_libzstd(header, plaintext, frame, complete)
    for _, level in groupby(names, lambda name: zstd_replica(name).level):
        if found := _race(level, plaintext, frame, complete):
            return found
    return [] if candidates else recognise_libzstd(header, plaintext, frame, complete)


def recognise_frames(start: bytes) -> list[str]:
    """Return the names of the replicas that write the frames of a zstd file which begins with `start`.

    Of many frames some are looked at: short ones, which take little time, then the largest.
    Raises FormatError if `start` is not the beginning of a zstd file.
    """
    whole: list[Frame] = []
    at = 0
    while at < len(start) and len(whole) < _FRAMES and (frame := find_frame(start, at)) is not None:
        if frame.skippable is None and not frame.ends_empty:
            whole.append(frame)
        at = frame.end
    if not whole:
        return recognise_frame(start)
    whole.sort(key=lambda frame: frame.begin - frame.end)
    names: list[str] | None = None
    for frame in [*[frame for frame in whole if frame.end - frame.begin <= _SHORT][:_COMPARED], whole[0]]:
        names = recognise_frame(start[frame.begin : frame.end], names)
    return names or []


def _race(candidates: Iterable[str], plaintext: bytes, frame: memoryview, complete: bool) -> list[str]:
    encoders = ((name, zstd_replica(name).make()) for name in candidates)
    running = race(encoders, plaintext, frame, _BLOCK, complete=complete)
    return [runner.name for runner in running if runner.written]


def _decompress(frame: memoryview) -> bytes:
    """Return what the beginning of a frame decompresses to, a byte more than `PLAINTEXT` at most."""
    out = bytearray()
    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(frame) as reader:
            while len(out) <= PLAINTEXT and (piece := reader.read(PLAINTEXT + 1 - len(out))):
                out += piece
    except zstandard.ZstdError as error:
        raise FormatError(f"not a zstd frame: {error}") from error
    return bytes(out)


def nearest_frame_encoders(start: bytes) -> list[str]:
    return []
