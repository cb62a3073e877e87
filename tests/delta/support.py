"""Helpers: deltas made and applied, tars and programs made by hand."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode

ENTRIES = 1 << 12  # a small index suffices for small inputs


def delta(target: bytes, sources: Sequence[bytes], effort: Effort = Effort.DEFAULT) -> bytes:
    return b"".join(encode(target, sources, effort, ENTRIES))


def rebuild(data: bytes, sources: Sequence[bytes], max_size: int = 1 << 30) -> bytes:
    return b"".join(decode(io.BytesIO(data), sources, max_size))


def noise(size: int, seed: int) -> bytes:
    """Bytes that do not compress, the same every time (xorshift64*, Marsaglia and Vigna)."""
    state = seed * 0x9E3779B97F4A7C15 % 2**64 or 1
    out = bytearray()
    while len(out) < size:
        state ^= state >> 12
        state ^= state << 25 & 2**64 - 1
        state ^= state >> 27
        out += (state * 0x2545F4914F6CDD1D % 2**64).to_bytes(8, "little")
    return bytes(out[:size])


def tar(files: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def program(functions: Sequence[bytes], calls: Sequence[tuple[int, int]], base: int = 0x400000) -> bytes:
    """An ELF file of one loaded segment: `functions` one after another, each ended by its calls.

    `calls` are pairs (caller, callee); a call is E8 and a 32-bit displacement (Intel SDM volume 2, CALL).
    """
    starts = []
    at = 0
    for number, body in enumerate(functions):
        starts.append(at)
        at += len(body) + 5 * sum(caller == number for caller, _ in calls)
    code = bytearray()
    for number, body in enumerate(functions):
        code += body
        for caller, callee in calls:
            if caller == number:
                code += b"\xe8" + struct.pack("<i", starts[callee] - len(code) - 5)
    head = 64 + 56
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, head + len(code), head + len(code), 4096)
    return header + load + bytes(code)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a made program: `address` is that of its place in the file if it is None."""

    name: str
    content: bytes
    kind: int = 1  # SHT_PROGBITS
    flags: int = 2  # SHF_ALLOC
    address: int | None = None


def sections(parts: Sequence[Section], machine: int = 62, base: int = 0x400000) -> bytes:
    """An ELF file of these sections, each at an address that 16 divides; what is loaded is one segment."""
    head = 64 + 56
    names = b"\0" + b"\0".join(part.name.encode() for part in parts) + b"\0"
    table = bytearray(64)
    body = bytearray(head)
    at = 1
    loaded = head
    for part in parts:
        body += bytes(-len(body) % 16)
        address = base + len(body) if part.address is None else part.address
        table += struct.pack(
            "<IIQQQQIIQQ", at, part.kind, part.flags, address, len(body), len(part.content), 0, 0, 16, 0
        )
        body += part.content
        at += len(part.name.encode()) + 1
        loaded = len(body) if part.flags & 2 else loaded
    table += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, len(body), len(names), 0, 0, 1, 0)
    body += names
    count = len(parts) + 2
    body[:head] = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\x02\x01\x01", 3, machine, 1, base, 64, len(body), 0, 64, 56, 1, 64, count, count - 1),
    ) + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, loaded, loaded, 4096)
    return bytes(body + table)
