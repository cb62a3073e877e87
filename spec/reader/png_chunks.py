"""IDAT chunks of PNG files with their size in place of their heads and sums (VIEWS.md, Codings), and back."""

import zlib

from .errors import require

MAX_CHUNK = 8388608


def convert(data: bytes, folding: bool) -> tuple[bytes, int]:
    """The view of the chunks that the bytes begin with, or what it is of; and how many of them that takes."""
    return (_to_chunks(data), len(data)) if folding else _from_chunks(data)


def _from_chunks(data: bytes) -> tuple[bytes, int]:
    size = length = at = 0
    out = bytearray()
    while length == size:
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] != b"IDAT" or not 1 <= length <= (size or MAX_CHUNK):
            break
        body, at = data[at + 4 : at + 8 + length], at + length + 12
        require(at <= len(data), "a chunk that is cut short")
        require(zlib.crc32(body).to_bytes(4, "big") == data[at - 4 : at], "a chunk with another CRC")
        size = size or length
        out += body[4:]
    require(size, "no IDAT chunk, or one over its limit")
    return size.to_bytes(4, "big") + out, at


def _to_chunks(content: bytes) -> bytes:
    size = int.from_bytes(content[:4], "big")
    require(len(content) >= 4 and 1 <= size <= MAX_CHUNK, "chunks without a size")
    bodies = [b"IDAT" + content[at : at + size] for at in range(4, len(content), size)]
    sizes = [(len(body) - 4).to_bytes(4, "big") for body in bodies]
    return b"".join(n + one + zlib.crc32(one).to_bytes(4, "big") for n, one in zip(sizes, bodies, strict=True))
