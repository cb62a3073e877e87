"""gzip files (RFC 1952): what they hold, and how their blocks are made."""

import zlib
from dataclasses import dataclass, field

from .deflate import BitReader, Block, transfer
from .errors import refusing, require

MAX_HEADER, MAX_CONTENT = 1 << 20, 1 << 62


@dataclass
class Member:
    """A gzip member; `content` is its uncompressed data, `sums` are CRC-32 and size, as they are written."""

    header: bytes
    content: bytes
    sums: bytes
    blocks: list[Block] = field(default_factory=list)
    padding: int = 0


def begins_member(blob: bytes, at: int = 0) -> bool:
    """Whether a member follows another one here."""
    return len(blob) - at >= 10 and blob[at : at + 3] == b"\x1f\x8b\x08" and not blob[at + 3] & 0xE0


def sums(content: bytes) -> bytes:
    """What follows the stream of a member that holds this."""
    return zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")


def inflate(blob: bytes, at: int, window: int, limit: int = MAX_CONTENT) -> tuple[bytes, int]:
    """What a stream holds, or a byte more than the limit, and where it ends; zlib's `wbits` say what is around it."""
    unpacker, out = zlib.decompressobj(window), bytearray()
    while not unpacker.eof and len(out) <= limit:
        packed = blob[at : at + 65536]
        require(packed, "a deflate stream that is cut short")
        with refusing(zlib.error, "what does not decompress"):
            out += unpacker.decompress(packed, limit + 1 - len(out))
        at += len(packed) - len(unpacker.unconsumed_tail) - len(unpacker.unused_data)
    return bytes(out), at


def unpack(blob: bytes, limit: int) -> bytes:
    """The uncompressed data of a gzip file (FORMAT.md, Uncompressed data of a blob), or more than the limit."""
    out, at = inflate(blob, 0, 31, limit)
    while len(out) <= limit and begins_member(blob, at):
        content, at = inflate(blob, at, 31, limit - len(out))
        out += content
    return out


def parse(blob: bytes) -> tuple[list[Member], bytes]:
    """Read a gzip file into tokens, and what follows its members (DEFLATE.md, Files that are refused)."""
    members: list[Member] = []
    at = 0
    while not members or begins_member(blob, at):
        begin, at = at, _header_end(blob, at)
        content, end = inflate(blob, at, -15)
        member, bits = Member(blob[begin:at], content, blob[end : end + 8]), BitReader(blob, at)
        require(len(member.sums) == 8, "a member without its sums")
        while not (member.blocks and member.blocks[-1].final):
            member.blocks.append(transfer(bits, Block()))
        member.padding, at = bits.number(bits.free), end + 8
        members.append(member)
    return members, blob[at:]


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
