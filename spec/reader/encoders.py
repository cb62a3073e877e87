"""The small set of encoders by their names (ENCODERS.md): zlib, and libzstd in the version that is here."""

import re
import zlib

import zstandard

from .errors import Unsupported

ZLIB = r"zlib-([1-9])(?:-mem([1-79])|(-flushed))?"
LIBZSTD = r"libzstd-{}\.{}\.{}-([1-9]|1[0-9])(?:(-once)|(-mt)?(-sized)?)(-nosum)?".format(*zstandard.ZSTD_VERSION)
TAKES_OVER = r"zlib-[4-9].*"  # ENCODERS.md, Decisions taken over


def is_feature(feature: str) -> bool:
    """Whether a feature is an encoder that this reader has."""
    return re.fullmatch(f"encoder (?:{ZLIB}|{LIBZSTD})", feature) is not None


def _known(pattern: str, name: str) -> re.Match[str]:
    match = re.fullmatch(pattern, name)
    if match is None or "ng" in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng makes other streams
        raise Unsupported(f"encoder {name}")
    return match


def deflate(name: str, content: bytes) -> bytes:
    """The deflate stream that an encoder makes (Unsupported if it is not of the small set)."""
    match = _known(ZLIB, name)
    packer = zlib.compressobj(int(match[1]), zlib.DEFLATED, -15, int(match[2] or 8))
    return packer.compress(content) + (packer.flush(zlib.Z_SYNC_FLUSH) if match[3] else b"") + packer.flush()


def zstd_frame(name: str, parts: list[bytes]) -> bytes:
    """The frame that an encoder of zstd makes, flushed after each part but the last (else Unsupported)."""
    level, once, threads, sized, no_sum = _known(LIBZSTD, name).groups()
    encoder = zstandard.ZstdCompressor(
        level=int(level), write_checksum=not no_sum, write_content_size=bool(once or sized), threads=int(bool(threads))
    )
    if once:
        return bytes(encoder.compress(b"".join(parts)))
    packer = encoder.compressobj(size=sum(map(len, parts)) if sized else -1)
    out = b""
    for part in parts[:-1]:
        out += packer.compress(part) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return out + packer.compress(parts[-1]) + packer.flush()
