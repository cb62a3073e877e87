"""Helpers: deltas made and applied, tars and programs made by hand."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping, Sequence

from airpatch.delta import Effort, decode, encode

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
