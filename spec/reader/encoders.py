"""The small set of encoders (ENCODERS.md): zlib, and libzstd in the version that is here, with layouts of its files."""

import re
import struct
import zlib

import zstandard

from . import zstd
from .errors import Unsupported, require

ZLIB = r"zlib-([1-9])(?:-mem([1-79]))?"
LIBZSTD = r"libzstd-{}\.{}\.{}-([1-9]|1[0-9])(-mt)?(-sized)?(-nosum)?".format(*zstandard.ZSTD_VERSION)
ONCE = r"libzstd-{}\.{}\.{}-([1-9]|1[0-9])-once(-nosum)?".format(*zstandard.ZSTD_VERSION)
FRAME, PART, BYTES, CONTENTS = 0, 1, 2, 3
MIB = 1048576
TAKES_OVER = r"zlib-[4-9].*"  # ENCODERS.md, Decisions taken over


def is_feature(feature: str) -> bool:
    """Whether a feature is an encoder that this reader has."""
    return re.fullmatch(f"encoder (?:{ZLIB}|{LIBZSTD}|{ONCE})", feature) is not None


def _known(pattern: str, name: str) -> re.Match[str]:
    match = re.fullmatch(pattern, name)
    if match is None or "ng" in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng makes other streams
        raise Unsupported(f"encoder {name}")
    return match


def deflate(name: str, content: bytes) -> bytes:
    """The deflate stream that an encoder makes (Unsupported if it is not of the small set)."""
    match = _known(ZLIB, name)
    packer = zlib.compressobj(int(match[1]), zlib.DEFLATED, -15, int(match[2] or 8))
    return packer.compress(content) + packer.flush()


def zstd_frame(name: str, parts: list[bytes]) -> bytes:
    """The frame that an encoder of zstd makes, flushed after each part but the last (else Unsupported)."""
    level, threads, sized, no_sum = _known(LIBZSTD, name).groups()
    packer = zstandard.ZstdCompressor(
        level=int(level), write_checksum=not no_sum, write_content_size=bool(sized), threads=int(bool(threads))
    ).compressobj(size=sum(map(len, parts)) if sized else -1)
    out = b""
    for part in parts[:-1]:
        out += packer.compress(part) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return out + packer.compress(parts[-1]) + packer.flush()


def zstd_stream(name: str, content: bytes) -> bytes:
    """The frame that stands for a stream in a view, by an encoder of zstd, also one that sees all at once."""
    if not re.fullmatch(ONCE, name):
        return zstd_frame(name, [content])
    level, no_sum = _known(ONCE, name).groups()
    return bytes(zstandard.ZstdCompressor(level=int(level), write_checksum=not no_sum).compress(content))


def _parts(*parts: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<BBQ", kind, 0, size) for kind, size in parts)


def layout_of(blob: bytes) -> tuple[bytes, bytes]:
    """Layout and rest of a zstd file that is taken for one of libzstd."""
    layout = rest = b""
    frames = zstd.frames_of(blob)
    end = frames[-1].end if frames else 0
    for frame in [*frames, zstd.Frame(end, len(blob), [])]:
        ends = frame.ends
        if ends:
            size = len(zstd.unpack(blob, frame, 2**63))
            flushed = len(ends) > 2 and ends[-1] - ends[-2] == 3  # the last block is empty
            layout += _parts((PART, size), (FRAME, 0)) if flushed else _parts((FRAME, size))
            continue
        if blob.startswith(zstd.MAGIC, frame.begin + 8) and frame.begin < end:
            raise Unsupported("a table of contents")
        layout += _parts(*((BYTES, min(MIB, frame.end - at)) for at in range(frame.begin, frame.end, MIB)))
        rest += blob[frame.begin : frame.end]
    return layout, rest


def to_file(encoder: str, content: bytes, layout: bytes, rest: bytes) -> bytes:
    """The zstd file of this uncompressed data, layout and rest, whose frames the encoder makes."""
    require(len(layout) % 10 == 0, "a part of a layout that is cut short")
    out = b""
    parts: list[bytes] = []  # of a frame that is flushed
    for kind, magic, size in struct.iter_unpack("<BBQ", layout):
        require(magic <= 15 and kind <= CONTENTS, "a part of a layout that is none")
        require(not parts or kind in (FRAME, PART), "a flushed frame that does not go on")
        if kind == CONTENTS:
            raise Unsupported("a table of contents")
        if kind == BYTES:
            require(0 < size <= len(rest), "a part of the rest that is not there, or empty")
            out, rest = out + rest[:size], rest[size:]
            continue
        require(size <= len(content), "a part of uncompressed data that is not there")
        parts.append(content[:size])
        content = content[size:]
        if kind == FRAME:
            out += zstd_frame(encoder, parts)
            parts = []
    require(not (parts or content or rest), "uncompressed data or a rest that is left over")
    return out
