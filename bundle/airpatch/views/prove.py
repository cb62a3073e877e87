"""Which encoder made a stream, proven by reproducing it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

from airpatch.encoders import libbrotli
from airpatch.encoders.flushed import FLUSHED, ends_flushed
from airpatch.encoders.libbrotli import QUALITIES, SLOW, WINDOWS, brotli_name
from airpatch.encoders.libzopfli import AVAILABLE, EACH_STREAM, USUAL, zopfli_effort, zopfli_names
from airpatch.encoders.libzstd import AVAILABLE as ZSTD_AVAILABLE
from airpatch.encoders.libzstd import VERSIONS
from airpatch.encoders.libzstd_recognise import recognise_slowest
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import flushed_name, other_names, usual_names
from airpatch.encoders.zstd_frame import MAX_HEADER, read_header
from airpatch.encoders.zstd_recognise import recognise_frame
from airpatch.encoders.zstd_stream import MAX_SIZED, ZstdStreamEncoder, once_name, zstd_effort
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.conversions import CONVERSIONS
from airpatch.views.description import Coding
from airpatch.views.inflating import inflate
from airpatch.views.stream_encoders import stream_encoder
from airpatch.views.survey import FoundLevel

_HEADER = b"\x1f\x8b\x08" + bytes(7)
_RECOGNISED = 1 << 20
"""Packed bytes by which an encoder is recognised."""
_PATIENCE = 16
"""After this many streams in a row that no replica reproduces, only one in this many is tried with all replicas."""
_SYSTEM = {"zlib-6": 6, "zlib-9": 9, "zlib-1": 1}
"""The likeliest encoders, for which the system's zlib is tried first: it is fast, and a match is proof."""
_FLUSHED_SYSTEM = {name + FLUSHED: level for name, level in _SYSTEM.items()}

LIKELY = tuple(
    name
    for name in (*usual_names(), *other_names())
    if re.fullmatch(r"zlib-.(-mem9)?|zlib-ng-.*-[69](-8k)?|gzip-.|go1-flate-.|klauspost-1\.18\.2-.", name)
)
"""Encoders that write streams within files: libraries, of which only today's versions are met, not pigz or pgzip."""


MAX_SLOW = 32 << 20
"""Bytes of content that a target will make by libbrotli at slow qualities, or that were tried: half a minute. What
takes zstd's encoders as long counts as much; and so long may zopfli take besides.
"""
_ZSTD_DEFAULT = "3"
"""The level of what is packed at once: sections of programs."""
_ZSTD_BLOCK = 128 << 10
_ZSTD_JOB = 512 << 10
_ZOPFLI_PATIENCE = 3
"""After so many streams that were small enough for zopfli, and not its own, no other is tried."""
_LIKELY_QUALITIES = (11, 9, 5, 6, 4)


class ViewReader(Protocol):
    """Who will make views and fold them: another version of airpatch may know fewer codings."""

    def knows(self, coding: Coding) -> bool:
        """Return whether a view may have this coding."""
        ...

    def note_unknown(self, coding: Coding) -> None:
        """Take note that a stream is not expanded because its coding is not known."""
        ...


class _Likewise:
    """A reader like this one."""

    def knows(self, coding: Coding) -> bool:
        return True

    def note_unknown(self, coding: Coding) -> None:
        raise NotImplementedError


LIKEWISE: ViewReader = _Likewise()


class Prover:
    """Finds encoders among the `likely` ones; those that were right before are tried first.

    `pause` is called before a stream is made by a slow library, so that a caller may end the work.
    """

    def __init__(self, likely: Sequence[str] = LIKELY, pause: Callable[[], None] = lambda: None) -> None:
        self._likely = likely
        room = _Room(pause)
        self._brotli = _BrotliProver(room)
        self._zstd = _ZstdProver(room)
        self._zopfli = _ZopfliProver(pause)
        self._recent = list(_SYSTEM)
        self._failed = 0

    def encoder(self, level: FoundLevel, reader: ViewReader = LIKEWISE) -> str | None:
        """Return the name of a replica that makes a stream from its content and that `reader` knows, None if there is
        none.
        """
        if level.framing == framings.BROTLI:
            return self._brotli.encoder(level, reader)
        if level.framing == framings.ZSTD:
            return self._zstd.encoder(level, reader)
        if level.framing in CONVERSIONS:
            return _no_encoder(Coding(level.framing), reader)
        packed = level.data[level.body : level.end - framings.trailer_size(level.framing)]
        recent = _that_may_end(self._recent, packed)
        for name in recent:
            if reader.knows(Coding(level.framing, name)) and _makes(_encode(name), packed, level.framing):
                self._found(name)
                return name
        return self._other(level, packed, recent, reader) or self._zopfli.encoder(level, packed, reader)

    def _other(self, level: FoundLevel, packed: memoryview, tried: Sequence[str], reader: ViewReader) -> str | None:
        """Return an encoder that is none of those `tried`."""
        self._failed += 1
        if self._failed > _PATIENCE and self._failed % _PATIENCE:
            return None
        try:
            names = recognise(_HEADER + bytes(packed[:_RECOGNISED]), self._likely, flushed=ends_flushed(packed))
        except FormatError:
            return None
        known = {name for name in names if reader.knows(Coding(level.framing, name))}
        for name in sorted(names, key=lambda name: name not in known):
            if not (name in known and name in tried) and _makes(_encode(name), packed, level.framing):
                if name in known:
                    self._found(name)
                    return name
                reader.note_unknown(Coding(level.framing, name))
                return None
        return None

    def _found(self, name: str) -> None:
        self._failed = 0
        if name in self._recent:
            self._recent.remove(name)
        self._recent.insert(0, name)


def _no_encoder(coding: Coding, reader: ViewReader) -> str | None:
    """Return the empty name if the reader knows the coding, which takes no encoder."""
    if reader.knows(coding):
        return ""
    reader.note_unknown(coding)
    return None


class _Room:
    """What may still be left to libbrotli and the encoders of zstd, or be tried."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._left = MAX_SLOW

    def take(self, effort: int) -> bool:
        """Return whether there is room for an effort, which is taken then."""
        if self._left < effort:
            return False
        self._left -= effort
        self._pause()
        return True


class _ZstdProver:
    """Finds the encoders of zstd frames. Those that were right before come first."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._failed = 0
        self._recent: list[str] = []

    def encoder(self, level: FoundLevel, reader: ViewReader) -> str | None:
        """Return the name of the encoder that makes a frame and that `reader` knows, None if there is none."""
        self._failed += 1
        if self._failed > _PATIENCE and self._failed % _PATIENCE:
            return None
        packed = level.data[level.body : level.end]
        names = _zstd_names(packed, level.size)
        for name in sorted(names, key=lambda name: (name not in self._recent, _is_workers(name, level.size))):
            if not reader.knows(Coding(level.framing, name)):
                reader.note_unknown(Coding(level.framing, name))
                return None
            if not self._room.take(zstd_effort(name, level.size)):
                return None
            encoder = ZstdStreamEncoder(name, size=level.size)
            if _makes((encoder.feed, encoder.finish), packed, level.framing):
                self._recent = [name, *(each for each in self._recent if each != name)]
                self._failed = 0
                return name
        return None


def _is_workers(name: str, size: int) -> bool:
    """Return whether an encoder has workers for what is less than a job: without, it makes the same in less memory."""
    return "-mt" in name and size < _ZSTD_JOB


def _zstd_names(packed: memoryview, size: int) -> list[str]:
    """Return the names of encoders that may have made a frame, a valid one, of `size` bytes of content."""
    header = read_header(packed[:MAX_HEADER])
    if header.content is not None and size > MAX_SIZED:
        return []
    try:
        names = recognise_frame(bytes(packed[:_RECOGNISED]))
    except FormatError:
        return []
    if not names and ZSTD_AVAILABLE and size:
        names = recognise_slowest(header, _beginning(packed, _ZSTD_BLOCK), packed)
    if ZSTD_AVAILABLE and header.content is not None and size > _ZSTD_BLOCK:
        levels = {name.split("-")[2] for name in names if name.startswith("libzstd-")} or {_ZSTD_DEFAULT}
        names += [once_name(version, int(level), header.checksum) for level in levels for version in VERSIONS[::-1]]
    return names


def _beginning(packed: memoryview, size: int) -> bytes:
    """Return the first `size` bytes of what a frame holds, or all of it."""
    held = bytearray()
    for piece, _ in inflate(packed, 0, framings.ZSTD):
        held += piece
        if len(held) >= size:
            break
    return bytes(held[:size])


class _BrotliProver:
    """Finds the quality of brotli streams; the window is in their header. Those that were right before come first."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._failed = 0
        self._qualities = sorted(QUALITIES, key=lambda each: (each not in _LIKELY_QUALITIES, -each))

    def encoder(self, level: FoundLevel, reader: ViewReader) -> str | None:
        """Return the name of the encoder that makes a stream and that `reader` knows, None if there is none."""
        packed = level.data[level.body : level.end]
        window = _brotli_window(packed[0])
        if window not in WINDOWS:
            return None
        self._failed += 1
        if self._failed > _PATIENCE and self._failed % _PATIENCE:
            return None
        for quality in self._qualities:
            name = brotli_name(quality, window)
            if not reader.knows(Coding(level.framing, name)):
                reader.note_unknown(Coding(level.framing, name))
                return None
            if quality >= SLOW and not self._room.take(level.size + libbrotli.EACH_STREAM):
                continue
            if _makes(_encode(name, level.framing), packed, level.framing):
                self._qualities.remove(quality)
                self._qualities.insert(0, quality)
                self._failed = 0
                return name
        return None


class _ZopfliProver:
    """Finds streams of zopfli among those that are smaller than zlib makes them."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._room = MAX_SLOW
        self._failed = 0

    def encoder(self, level: FoundLevel, packed: memoryview, reader: ViewReader) -> str | None:
        """Return the name of the encoder that makes a stream and that `reader` knows, None if there is none."""
        (name,) = zopfli_names()
        if not AVAILABLE or self._failed == _ZOPFLI_PATIENCE or self._room < USUAL * level.size:
            return None
        effort = _zopfli_effort(packed)
        if effort is None or effort > self._room:
            return None
        if not reader.knows(Coding(level.framing, name)):
            reader.note_unknown(Coding(level.framing, name))
            return None
        self._room -= effort
        self._pause()
        if _makes(_encode(name), packed, level.framing):
            self._failed = 0
            return name
        self._failed += 1
        return None


def _zopfli_effort(packed: memoryview) -> int | None:
    """Return what zopfli takes for the content of a deflate stream; None if the stream is not smaller than that of zlib
    at its highest level.
    """
    best = zlib.compressobj(9, zlib.DEFLATED, -15)
    size, effort = 0, EACH_STREAM
    for piece, _ in inflate(packed, 0, framings.RAW):
        size += len(best.compress(piece))
        effort += zopfli_effort(piece)
    return None if len(packed) >= size + len(best.flush()) else effort


def _brotli_window(first: int) -> int:
    """Return the logarithm of the window's size that the first byte of a stream says (RFC 7932 9.1), 0 for none."""
    if not first & 1:
        return 16
    high, low = first >> 4 & 7, first >> 1 & 7
    if low:
        return 17 + low
    return 17 if not high else 8 + high if high > 1 else 0


_Encoder = tuple[Callable[[bytes], bytes], Callable[[], bytes]]


def _that_may_end(names: Sequence[str], packed: memoryview) -> list[str]:
    """Return the names of encoders that may have ended a stream as it ends, those of `names` that were flushed if need
    be.
    """
    if ends_flushed(packed):
        return list(dict.fromkeys(flushed_name(name) or name for name in names))
    return [name for name in names if not name.endswith(FLUSHED)]


def _encode(name: str, framing: str = framings.RAW) -> _Encoder:
    if name in _FLUSHED_SYSTEM:
        flushed = zlib.compressobj(_FLUSHED_SYSTEM[name], zlib.DEFLATED, -15)
        return flushed.compress, lambda: flushed.flush(zlib.Z_SYNC_FLUSH) + flushed.flush()
    if name in _SYSTEM:
        system = zlib.compressobj(_SYSTEM[name], zlib.DEFLATED, -15)
        return system.compress, system.flush
    encoder = stream_encoder(Coding(framing, name))
    return encoder.feed, encoder.finish


def _makes(encoder: _Encoder, packed: memoryview, framing: str) -> bool:
    feed, finish = encoder
    at = 0
    for piece, _ in inflate(packed, 0, framing):
        out = feed(piece)
        if bytes(packed[at : at + len(out)]) != out:  # a memoryview would be compared byte by byte
            return False
        at += len(out)
    return bytes(packed[at:]) == finish()
