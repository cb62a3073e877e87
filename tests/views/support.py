"""Helpers: containers made by hand and by Python's modules, views made and undone."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views.choose import Views, choose
from airpatch.views.expand import expand
from airpatch.views.fold import fold

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LIMIT = 1 << 30


def text(size: int, seed: int) -> bytes:
    """Text that compresses about as sources do, the same every time."""
    out = bytearray()
    state = seed * 7919 + 1
    while len(out) < size:
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        out += b"%s_%d = %s(%d)\n" % (
            (b"value", b"count", b"name")[state % 3],
            state % 97,
            b"abc"[state % 3 :],
            state % 13,
        )
    return bytes(out[:size])


def archive(
    files: Mapping[str, bytes], level: int = 6, streamed: bool = False, stored: Sequence[str] = (), year: int = 2020
) -> bytes:
    """A zip archive, with data descriptors if `streamed`; files named `stored` are not deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(_Pipe(buffer) if streamed else buffer, "w") as out:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (year, 1, 2, 3, 4, 6))
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            out.writestr(info, content, compresslevel=level)
    return buffer.getvalue()


class _Pipe(io.RawIOBase):
    """Where nobody can seek."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        return self._out.write(data)


def gz(content: bytes, level: int = 6) -> bytes:
    return gzip.compress(content, level, mtime=0)


def ar(members: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, content in members.items():
        out += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name.encode(), 0, 0, 0, 0o100644, len(content))
        out += content + b"\n" * (len(content) % 2)
    return out


def elf(sections: Mapping[str, bytes], old_style: bool = False) -> bytes:
    """A 64-bit ELF file of sections compressed by zlib: SHF_COMPRESSED, or `.zdebug_` in the older style."""
    names = bytearray(b"\0")
    body = bytearray(64)
    rows = [bytes(64)]
    for name, content in sections.items():
        packed = zlib.compress(content, 6)
        head = b"ZLIB" + struct.pack(">Q", len(content)) if old_style else struct.pack("<IIQQ", 1, 0, len(content), 1)
        rows.append(
            struct.pack(
                "<IIQQQQIIQQ", len(names), 1, 0 if old_style else 0x800, 0, len(body), len(head + packed), 0, 0, 1, 0
            )
        )
        names += name.encode() + b"\0"
        body += head + packed
    rows.append(struct.pack("<IIQQQQIIQQ", len(names), 3, 0, 0, len(body), len(names) + 10, 0, 0, 1, 0))
    names += b".shstrtab\0"
    body += names
    table = len(body)
    body += b"".join(rows)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    body[:64] = ident + struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, len(rows), len(rows) - 1)
    return bytes(body)


def views(target: bytes, *sources: bytes) -> Views:
    """The views that the writer chooses, which must be some; proven to be reversible."""
    found = choose(memoryview(target), [memoryview(source) for source in sources])
    assert found is not None
    undo(target, found)
    return found


def undo(target: bytes, found: Views) -> bytes:
    """Make the target's view, and fold it; returns the view."""
    view = b"".join(expand([target], found.target, LIMIT))
    assert len(view) == found.target_size
    assert b"".join(fold([view], found.target)) == target
    return view


def source_view(found: Views, *sources: bytes) -> bytes:
    view = b"".join(expand(sources, found.source, LIMIT))
    assert len(view) == found.source_size
    return view


def damaged(chance: st.DataObject, content: bytes, start: int) -> bytes:
    """Return `content`, with a few bytes from `start` on changed, taken out or put in; 20 bytes at least."""
    changed = bytearray(content)
    for _ in range(chance.draw(st.integers(1, 3))):
        at = chance.draw(st.integers(start, len(changed) - 1))
        match chance.draw(st.integers(0, 2)):
            case 0:
                changed[at] = chance.draw(st.sampled_from([0, 1, 255, changed[at] ^ 1, changed[at] ^ 128]))
            case 1:
                del changed[at : at + chance.draw(st.integers(1, 4))]
            case _:
                changed[at:at] = bytes(chance.draw(st.integers(1, 4)))
        changed = changed.ljust(20, b"\0")
    return bytes(changed)


def refused_or_back(data: bytes, view: Callable[[bytes], bytes], packed: Callable[[bytes], bytes]) -> None:
    """Check that a conversion of `data`, and the one back, refuse it or are undone by the other."""
    for one, other in ((view, packed), (packed, view)):
        try:
            made = one(data)
        except FormatError:
            continue
        assert other(made) == data
