"""Encoders by their names (ENCODERS.md): this reader calls zlib, libzstd, libbrotli and zopfli, and declares these."""

import re
import zlib

import brotli
import zopfli.zlib
import zstandard

from .errors import FormatError, Unsupported

# Every name that ENCODERS.md assigns: what follows a dash is a level.
_KLAUSPOST = {
    "1.18.2": "1-9", "1.18.0": "4", "1.15.15": "7-9", "1.15.11": "1-3", "1.15.10": "56", "1.15.0": "4-6",
    "1.14.4": "5-9", "1.14.0": "56", "1.12.3": "56", "1.12.2": "56", "1.11.13": "56", "1.11.3": "56",
}  # fmt: skip
_KZSTD = {
    "fastest": "1.14.3 1.16.4 1.17.0 1.17.8 1.18.5",
    "default": "1.14.2 1.16.4 1.17.0 1.17.8 1.18.5",
    "better": "1.14.2 1.15.10 1.16.4 1.17.0 1.17.3 1.17.5 1.17.8 1.18.5",
    "best": "1.14.2 1.15.13 1.16.1 1.16.4 1.17.0 1.17.3 1.17.5 1.17.6 1.17.8 1.18.5",
}
_ZLIB = "zlib-[1-9](?:-mem[1-79])?"
_DEFLATE = [
    "go1-flate-[1-9]",
    "go1.27-flate-9",
    *(f"(?:pgzip/)?klauspost-{re.escape(version)}-[{levels}]" for version, levels in _KLAUSPOST.items()),
    _ZLIB,
    r"zlib-ng-(?:2\.2\.5|2\.3\.3)-[2-9]",
    r"zlib-ng-2\.2\.2-[3-6]",
    r"zlib-ng-(?:2\.2\.[25]|2\.3\.3)-[3-6]-8k",
    "gzip-[1-9]",
    "pigz-[1-9](?:-rsyncable)?",
    "pigz-[1-3]-p1(?:-rsyncable)?",
]
_LIBZSTD = r"libzstd-(1\.5\.[67])-([1-9]|1[0-9])(-mt)?(-sized)?(-nosum)?"
_BROTLI = r"libbrotli-1\.2\.1-([4-9]|1[01])-(1[0-9]|2[0-2])"
_ZOPFLI = "zopfli-1.0.3-15"
_ZSTD = [_LIBZSTD, *(f"kzstd-{re.escape(one)}-{level}" for level, names in _KZSTD.items() for one in names.split())]
# Those that take over decisions (ENCODERS.md, Decisions taken over).
_LIKE = r"(?:go1-flate|gzip)-[4-9]|zlib-[4-9](?:-mem[1-79])?"
FRAMINGS = ("raw", "gzip", "zlib", "zip-entry", "zip-streamed", "zip-archive", "zip-directory", "png-idat", "brotli")


def is_deflate(name: str) -> bool:
    """Whether it is the name of an encoder of deflate."""
    return any(re.fullmatch(pattern, name) for pattern in _DEFLATE)


def is_brotli(name: str) -> bool:
    """Whether it is the name of an encoder of brotli."""
    return re.fullmatch(_BROTLI, name) is not None


def is_packer(framing: str, name: str) -> bool:
    """Whether it is the name of an encoder of a framing of views that has one."""
    return is_brotli(name) if framing == "brotli" else is_deflate(name) or name == _ZOPFLI


def is_zstd(name: str) -> bool:
    """Whether it is the name of an encoder of zstd."""
    return any(re.fullmatch(pattern, name) for pattern in _ZSTD)


def takes_over(name: str) -> bool:
    """Whether an encoder can take over the decisions of a source."""
    return re.fullmatch(_LIKE, name) is not None


def is_feature(name: str) -> bool:
    """Whether this reader can do what a feature stands for."""
    kind, _, what = name.partition(" ")
    if kind == "view":
        return what in FRAMINGS
    libzstd = re.fullmatch(_LIBZSTD, what)
    mine = libzstd[1] == _zstd_version() if libzstd else re.fullmatch(_ZLIB, what) is not None
    mine = mine or (is_brotli(what) and _has_brotli()) or what == _ZOPFLI
    return kind == "encoder" and mine


def _has_brotli() -> bool:
    return bool(brotli.__version__ == "1.2.1")


def _zstd_version() -> str:
    return ".".join(map(str, zstandard.ZSTD_VERSION))


def deflate(name: str, content: bytes) -> bytes:
    """The deflate stream that an encoder makes.

    Raises:
        FormatError: nobody knows the encoder.
        Unsupported: this reader does not have it.
    """
    if not is_deflate(name):
        raise FormatError(f"an encoder that nobody knows: {name!r}")
    match = re.fullmatch("zlib-(.)(?:-mem(.))?", name)
    if match is None or "ng" in zlib.ZLIB_RUNTIME_VERSION:
        raise Unsupported(f"encoder {name}")
    packer = zlib.compressobj(int(match[1]), zlib.DEFLATED, -15, int(match[2] or 8))
    return packer.compress(content) + packer.flush()


def brotli_stream(name: str, content: bytes) -> bytes:
    """The brotli stream that an encoder makes (errors are those of `deflate`)."""
    match = re.fullmatch(_BROTLI, name)
    if match is None:
        raise FormatError(f"an encoder that nobody knows: {name!r}")
    if not _has_brotli():
        raise Unsupported(f"encoder {name}")
    return bytes(brotli.compress(content, quality=int(match[1]), lgwin=int(match[2])))


def packed(name: str, content: bytes) -> bytes:
    """The deflate stream in a view that an encoder makes (errors are those of `deflate`)."""
    if name == _ZOPFLI:
        return bytes(zopfli.zlib.compress(content, numiterations=15)[2:-4])
    return deflate(name, content)


def gzip(name: str, start: bytes, content: bytes) -> bytes:
    """A gzip file of one member with this header (errors are those of `deflate`)."""
    sums = zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")
    return start + deflate(name, content) + sums


def zstd_frame(name: str, parts: list[bytes]) -> bytes:
    """The frame that an encoder of zstd makes, flushed after each part but the last.

    Raises:
        Unsupported: this reader does not have it.
    """
    match = re.fullmatch(_LIBZSTD, name)
    if match is None or match[1] != _zstd_version():
        raise Unsupported(f"encoder {name}")
    packer = zstandard.ZstdCompressor(
        level=int(match[2]),
        write_checksum=not match[5],
        write_content_size=bool(match[4]),
        threads=1 if match[3] else 0,
    ).compressobj(size=sum(map(len, parts)) if match[4] else -1)
    out = b""
    for part in parts[:-1]:
        out += packer.compress(part) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return out + packer.compress(parts[-1]) + packer.flush()
