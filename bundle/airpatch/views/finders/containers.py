"""Recognises containers by the bytes that they begin with, or by their names, and collects the hints that they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airpatch.delta.tar_members import TarMember, members
from airpatch.views.finders import (
    ar_members,
    brotli_hints,
    class_hints,
    elf_hints,
    embedded_hints,
    gitpack_hints,
    gzip_hints,
    jimage_hints,
    pdf_hints,
    png_hints,
    pyc_hints,
    woff_hints,
    zip_hints,
    zstd_hints,
)
from airpatch.views.finders.hint import Hint

_END_OF_ZIP = b"PK\x05\x06"
_MAX_NESTED = 2
"""Depth of archives stored in archives; deeper ones are left as they are."""


_KINDS: dict[bytes, Callable[[memoryview, bytes], tuple[Hint, ...]]] = {
    gzip_hints.MAGIC: gzip_hints.find,
    b"\x7fELF": elf_hints.find,
    gitpack_hints.MAGIC: gitpack_hints.find,
    jimage_hints.MAGIC: jimage_hints.find,
    pdf_hints.MAGIC: pdf_hints.find,
    png_hints.MAGIC: png_hints.find,
    woff_hints.MAGIC: woff_hints.find,
    zstd_hints.MAGIC: zstd_hints.find,
    **dict.fromkeys(pyc_hints.MAGICS, pyc_hints.find),
}
"""By the bytes that they begin with."""


def may_hold_streams(start: bytes, name: bytes) -> bool:
    """Return whether bytes that begin like this, or are called like this, are a known container."""
    is_known = start.startswith((*_KINDS, ar_members.MAGIC, b"PK\x03\x04", b"PK\x05\x06")) or start[257:262] == b"ustar"
    return is_known or brotli_hints.is_name(name)


def may_hold(data: memoryview, name: bytes) -> bool:
    """Return whether `find` may give hints in a file."""
    start = bytes(data[:512])
    is_other = start.startswith((b"PK", class_hints.MAGIC)) or bytes(data[-22:-18]) == _END_OF_ZIP
    return is_other or may_hold_streams(start, name) or embedded_hints.may_hold(start)


def find(data: memoryview, name: bytes, depth: int = 0) -> tuple[Hint, ...]:
    """Return the hints in `data`, in order and without overlap; they are yet to be proven."""
    start = bytes(data[:512])
    for magic, finder in _KINDS.items():
        if start.startswith(magic):
            return finder(data, name)
    if start[257:262] == b"ustar":
        return _members(data, members(data), name, depth)
    if start.startswith(ar_members.MAGIC):
        return _members(data, ar_members.members(data), name, depth)
    if start.startswith(class_hints.MAGIC):
        return class_hints.find(data, name)
    if start.startswith(b"PK") or bytes(data[-22:-18]) == _END_OF_ZIP:
        return zip_hints.find(
            data, name, lambda inner, path: find(inner, path, depth + 1) if depth < _MAX_NESTED else ()
        )
    if brotli_hints.is_name(name):
        return brotli_hints.find(data, name)
    return embedded_hints.find(data, name) if embedded_hints.may_hold(start) else ()


def _members(data: memoryview, held: Iterable[TarMember], name: bytes, depth: int) -> tuple[Hint, ...]:
    hints: list[Hint] = []
    if depth < _MAX_NESTED:
        for member in held:
            at = member.content
            for hint in find(data[at : at + member.size], name + b"!" + member.path, depth + 1):
                hints.append(Hint(at + hint.start, hint.framing, at + hint.body, hint.size, hint.name, hint.inside))
    return tuple(hints)
