"""Which libzstd wrote a zstd frame? The versions and levels that write what it begins with.

The header says whether there is a checksum, and whether the size was known; the window tells a few levels. All are run
on a part of the first block. There fast ones find the matches of the frame, if they are right; slow ones, with small
tables, nearly these. Only such ones are run on the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airpatch.encoders.libzstd import AVAILABLE, VERSIONS, LibzstdEncoder
from airpatch.encoders.zstd_frame import MAX_HEADER, FrameHeader, block_ends, read_header
from airpatch.encoders.zstd_matches import Matches, first_matches
from airpatch.encoders.zstd_replicas import LIBZSTD_LEVELS, libzstd_encoder, libzstd_name
from airpatch.errors import FormatError

_LEVELS = (3, 19, 1, 9, 6, 2, 5, 7, 8, 4, 10, 12, 15, 11, 13, 14, 16, 17, 18)
_WINDOW_LOGS = {1: 19, 2: 20, 3: 21, 4: 21, 5: 21, 6: 21, 7: 21, 8: 21, 17: 23, 18: 23, 19: 23}
_OTHER_WINDOW_LOG = 22
_BLOCK = 128 << 10  # the first block of input does not depend on what follows
_FAST = 8  # up to this level a block takes up to three milliseconds
_NEWEST_FIRST = VERSIONS[::-1]
_PROBE = 16 << 10  # bytes
_PROBE_LOGS = 17, 17
_PARTS = 16  # blocks into which a block of input may be cut
_NEAR = {12: 0.95, 18: 0.6, 19: 0.4}  # of the matches of a probe, up to each level: later ones look at all of a block
_FEW, _NEAR_FEW = 20, 0.4  # the same of fewer matches
_LAST_CHAINS = 12  # levels above have trees
_SAME, _MOST = 0.03, 3  # levels whose probes differ by no more are tried, so many of them
_ALIKE = 0.9  # of the matches of a probe: other versions of a fast level find most of the same ones
_BLOCK_CHAIN_LOG = 18  # a tree of the positions of one block


def recognise_libzstd(
    header: FrameHeader,
    uncompressed: bytes,
    frame: memoryview,
    complete: bool,
    matches: Matches | None = None,
) -> list[str]:
    """Return the names of libzstd that write a frame which begins as `frame`, the likeliest first.

    `uncompressed` is what that decompresses to, some blocks of it, or all if it is `complete`; `matches` are those of
    the first block, if they are known.
    """
    if not AVAILABLE or not uncompressed:
        return []
    candidate = _LibzstdCandidate(header, uncompressed, frame, complete, matches)
    levels = [level for level in _LEVELS if header.window == _window(level, header.content)]
    slow = [level for level in levels if level > _FAST]
    near = _nearest(slow, header, uncompressed, matches) if matches is not None else slow
    fast_names = (candidate.fast_names(level) for level in levels if level <= _FAST)
    return [name for names in (*fast_names, *map(candidate.slow_names, near)) for name in names]


def recognise_slowest(header: FrameHeader, first: bytes, frame: memoryview) -> list[str]:
    """Return the names of libzstd at its slowest level that write the `first` 128 KiB of content of a frame, or all of
    it. `recognise_libzstd` misses some of them in content of which there are few matches at first, as in programs.
    """
    if not AVAILABLE or header.window != _window(LIBZSTD_LEVELS, header.content):
        return []
    return list(_LibzstdCandidate(header, first, frame, False, None).slow_names(LIBZSTD_LEVELS))


@dataclass(frozen=True)
class _LibzstdCandidate:
    """What `recognise_libzstd` takes, and the names of one level that write it."""

    header: FrameHeader
    uncompressed: bytes
    frame: memoryview
    complete: bool
    matches: Matches | None

    def fast_names(self, level: int) -> Iterator[str]:
        """Yield those that write all blocks that are there. A version is run only if its probe finds the matches."""
        for version in _NEWEST_FIRST:
            if self.matches:
                probe = _probe(version, level, self.header, self.uncompressed)
                if not _may_find(self.matches, probe):
                    if probe is None or probe.share(self.matches) < _ALIKE:
                        return
                    continue
            names = self._names(version, level)
            if _begins(self.frame, self._first_block(names[-1], level)):
                for name in names:
                    encoder = libzstd_encoder(name)
                    if _agrees(encoder, self.uncompressed, self.header.content, self.frame, self.complete):
                        yield name

    def slow_names(self, level: int) -> Iterator[str]:
        """Yield those that write the first block."""
        for version in _NEWEST_FIRST:
            names = self._names(version, level)
            written = self._first_block(names[-1], level)
            if _begins(self.frame, written):
                yield from names
            elif self.matches and not _may_find(_matches(self.frame, self.matches), first_matches(written, _PARTS)):
                return  # all versions find the same

    def _names(self, version: str, level: int) -> list[str]:
        """Return the names with workers and without. The first block is the same."""
        sized = self.header.content is not None
        return [libzstd_name(version, level, workers, sized, self.header.checksum) for workers in (True, False)]

    def _first_block(self, name: str, level: int) -> bytes:
        return _first_block(name, level, self.uncompressed[:_BLOCK], self.header.content)


def _nearest(levels: Sequence[int], header: FrameHeader, uncompressed: bytes, matches: Matches) -> list[int]:
    """Return the level whose matches come closest to these, if they are close, and those hardly different from it."""
    shares = {
        level: probe.share(matches)
        for level in levels
        if (probe := _probe(VERSIONS[-1], level, header, uncompressed)) is not None
    }
    best = max(shares.values(), default=0.0)
    near = [
        level
        for level, share in shares.items()
        if share >= max(_NEAR_FEW if len(matches) < _FEW else _least_share(level), best - _SAME)
    ]
    return sorted(near, key=shares.__getitem__, reverse=True)[:_MOST]


def _least_share(level: int) -> float:
    return next(share for last, share in _NEAR.items() if level <= last)


def _probe(version: str, level: int, header: FrameHeader, uncompressed: bytes) -> Matches | None:
    """Return the matches that a level finds in the beginning of a frame; None if that is shorter than its header says.

    Of slow ones it is nearly these.
    """
    encoder = LibzstdEncoder(version, level, 0, False, header.content is not None)
    if level > _FAST:
        encoder.limit(*_PROBE_LOGS)
    encoder.begin(len(uncompressed) if header.content is None else header.content)
    try:
        return first_matches(encoder.feed(uncompressed[:_PROBE]) + encoder.flush(), _PARTS)
    except FormatError:
        return None


def _matches(frame: memoryview, first: Matches) -> Matches:
    """Return the matches of the first block of input, or the `first` ones of them if more are not there."""
    try:
        return first_matches(frame, _PARTS)
    except FormatError:
        return first


def _may_find(matches: Matches, written: Matches | None) -> bool:
    """Return whether matches are those that were `written`. What hardly gets smaller is written without."""
    return written is not None and (not written or written.agrees(matches))


def _first_block(name: str, level: int, begin: bytes, size: int | None) -> bytes:
    """Return how an encoder of that name begins a frame that begins with such content, with tables no larger than that
    needs.
    """
    encoder = libzstd_encoder(name)
    if level > _FAST and len(begin) <= _PROBE:
        encoder.limit(*_PROBE_LOGS)
    elif level > _LAST_CHAINS:
        encoder.limit(0, _BLOCK_CHAIN_LOG)
    encoder.begin(len(begin) if size is None else size)
    return encoder.feed(begin) + encoder.flush()


def _begins(frame: memoryview, written: bytes) -> bool:
    """Return whether a frame begins as what was written, the last block of which may be the frame's last one, too."""
    *_, last, end = (read_header(written[:MAX_HEADER]).size, *block_ends(written))
    closed = bytearray(written)
    closed[last] |= 1
    return bytes(frame[:end]) in (written, bytes(closed))


def _window(level: int, size: int | None) -> int:
    """Return the window of a level in bytes; frames of known size that fit into it have their size as their window."""
    log = _WINDOW_LOGS.get(level, _OTHER_WINDOW_LOG)
    if size is None:
        return 1 << log
    return size if size <= 1 << log else 1 << log


def _agrees(encoder: LibzstdEncoder, uncompressed: bytes, size: int | None, frame: memoryview, complete: bool) -> bool:
    """Return whether an encoder writes what the frame begins with."""
    encoder.begin(len(uncompressed) if size is None else size)
    out = encoder.feed(uncompressed)
    if complete:
        return out + encoder.finish() == frame
    out += encoder.flush()
    if len(uncompressed) == _BLOCK:
        return out == frame[: len(out)]
    ends = list(block_ends(out))
    # The last blocks of a beginning may be others than those of the whole, which are cut with regard to what follows.
    compared = ends[(len(ends) - 1) // 2] if len(ends) > 1 else 0
    return compared > 0 and out[:compared] == frame[:compared]
