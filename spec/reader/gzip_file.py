"""gzip files (RFC 1952): what they hold, and how their blocks are made."""

import zlib
from dataclasses import dataclass, field

from .deflate import Bits, Block, read_block
from .errors import refusing, require

MAX_HEADER = 1 << 20


@dataclass
class Member:
    """A gzip member; `begin` is the position of its first uncompressed byte."""

    header: bytes
    begin: int
    blocks: list[Block] = field(default_factory=list)
    padding: int = 0
    sums: bytes = b""  # CRC-32 and size


@dataclass
class File:
    """A gzip file: its members, what follows them, and its uncompressed data."""

    members: list[Member]
    tail: bytes
    content: bytes


def begins_member(blob: bytes, at: int = 0) -> bool:
    """Whether a member follows another one here."""
    return len(blob) - at >= 10 and blob[at : at + 3] == b"\x1f\x8b\x08" and not blob[at + 3] & 0xE0


def unpack(blob: bytes, limit: int) -> bytes:
    """The uncompressed data of a gzip file (FORMAT.md, Uncompressed data of a blob), or a byte more than the limit."""
    out = bytearray()
    is_member = True
    while is_member and len(out) <= limit:
        unpacker = zlib.decompressobj(31)
        with refusing(zlib.error, "a gzip file that does not decompress"):
            out += unpacker.decompress(blob, limit - len(out) + 1)
        require(unpacker.eof, "a gzip file that is cut short, or larger than the index says")
        blob = unpacker.unused_data
        is_member = begins_member(blob)
    return bytes(out)


def parse(blob: bytes) -> File:
    """Read a gzip file into tokens (DEFLATE.md, Files that are refused)."""
    out = bytearray()
    members: list[Member] = []
    at = 0
    while not members or begins_member(blob, at):
        end = _header_end(blob, at)
        member, bits = Member(blob[at:end], len(out)), Bits(blob, end)
        while not (member.blocks and member.blocks[-1].final):
            member.blocks.append(read_block(bits, out, member.begin))
        member.padding = bits.align()
        member.sums, at = bits.take_bytes(8), bits.at - bits.count // 8
        members.append(member)
    return File(members, blob[at:], bytes(out))


def sums(content: bytes) -> bytes:
    """What follows the stream of a member that holds this."""
    return zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")


def _header_end(blob: bytes, at: int) -> int:
    require(begins_member(blob, at), "no gzip file")
    flags, end = blob[at + 3], at + 10
    if flags & 4:
        end += 2 + int.from_bytes(blob[end : end + 2], "little")
    for flag in (8, 16):
        if flags & flag:
            end = blob.find(b"\0", end) + 1 or len(blob) + 1
    end += flags & 2
    require(end - at <= MAX_HEADER, "a gzip header over its limit")
    return end
