"""More that the target `layer_patches` begins with than vectors: what many encoders write, and views of many files."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, product

import zstandard

from airpatch.blobs.content import BytesBlob
from airpatch.encoders.flushed import FLUSHED
from airpatch.encoders.gzip_layout import emit_part as emit_member
from airpatch.encoders.libzopfli import zopfli_deflater, zopfli_names
from airpatch.encoders.replicas import flushed_names, other_names, replica, usual_names
from airpatch.encoders.zstd_layout import emit_part
from airpatch.encoders.zstd_replicas import frame_encoder, full_block, libzstd_names, zstd_names
from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.layers.frames import split
from airpatch.layers.members import split as split_members
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Plain,
    Replay,
    Replica,
    ViewSizes,
)
from airpatch.views.choose import choose
from airpatch.views.description import emit_view
from airpatch.views.expand import expand
from airpatch.views.prove import Prover
from fixtures.delta.generate import bad, good
from fixtures.vector_layers import delta as delta_of
from fuzz import corpora, deflate, delta_inputs, views, zstd
from fuzz.layer_inputs import DIGITS, LETTERS, LINES, MOST, NOISE, REPEATED, Parts, content_of, stretched, whole
from fuzz.layers import HEADER, columns_of, delta, made, take_apart
from tests.views.test_finders import KINDS

_TEXT = b"".join(b"line %d of a layer, and of its file\n" % number for number in range(40))
_SHORT = (
    b"",
    b"a",
    b"abc" * 3,
    bytes(range(256)),
    *(content_of(stretched(kind, 300, b"1")) for kind in (NOISE, LETTERS, DIGITS)),
)
_MUCH = (
    stretched(NOISE, 100_000, b"1"),
    stretched(NOISE, 300_001, b"1"),
    stretched(LETTERS, 300_000, b"1"),
    stretched(DIGITS, 300_000, b"1"),
    stretched(LINES, 300_001, b"line "),
    stretched(REPEATED, 300_000, b""),
    stretched(REPEATED, 1 << 17, b"ab"),
)
"""More than a block of any encoder, in one piece or in many."""
_GZIP = (
    *("zlib-6", "zlib-ng-2.2.5-2", "zlib-ng-2.2.5-3-8k", "zlib-ng-2.2.5-6", "go1-flate-1", "go1-flate-6"),
    *("pigz-1", "pigz-6", "pigz-6-rsyncable", "klauspost-1.18.2-1", "pgzip/klauspost-1.18.2-9"),
    *("pgzip/klauspost-1.18.2-5", "pgzip/klauspost-1.12.3-5", "pgzip/klauspost-1.11.3-5", "pgzip/klauspost-1.14.4-7"),
)
"""Encoders of each kind."""
_ZSTD = ("kzstd-1.17.8-default", "kzstd-1.17.8-fastest", "kzstd-1.14.2-better", *libzstd_names()[:8])


def inputs() -> Iterator[bytes]:
    for parts in (_gzip_files, _gzip_encoders, _gzip_members, _zstd_files, _zstd_encoders, _views, _deltas):
        yield from (each.input() for each in parts())
    yield from (whole(header) for header in _headers())


def _gzip_files() -> Iterator[Parts]:
    """Gzip files, whole and cut, as sources of their own decisions and without any."""
    files = [*deflate.seeds(), *(made(name, _TEXT) for name in _GZIP), *map(_zopfli, zopfli_names()[:4])]
    for file in files:
        other_sums = (file[:-1] + b"!", file[:-5] + b"!" + file[-4:])
        for source in (file, file + b"tail", file[: len(file) // 2], *other_sums):
            try:
                content, decisions = take_apart(source).uncompressed, columns_of(source)
            except FormatError:
                content, decisions = b"", (b"",) * 4
            yield Parts(Replay((0,)), (content, *decisions), source=source, unpacked=len(content))
        yield Parts(Replay(()), (content, *decisions))
        yield Parts(Corrected(Replica("zlib-6", HEADER)), (content, *decisions))


def _zopfli(name: str) -> bytes:
    encoder = zopfli_deflater(name)
    return HEADER + encoder.feed(_TEXT) + encoder.finish() + struct.pack("<II", zlib.crc32(_TEXT), len(_TEXT))


def _gzip_encoders() -> Iterator[Parts]:
    for name in (*usual_names(), *other_names(), *flushed_names()):
        yield from (Parts(Replica(name, HEADER), (content,)) for content in (_TEXT, *_SHORT[-3:]))
    for name in _GZIP:
        like = (0,) if replica(name).heed else ()
        for content in (_TEXT, *_SHORT):
            file, size = made(name, content), len(content)
            yield Parts(Replica(name, HEADER, like), (content,), source=file, unpacked=size)
            yield Parts(Replica(name, HEADER), (delta(content, [content]),), size, source=file, unpacked=size)
            yield Parts(Corrected(Replica(name, HEADER)), (content, *columns_of(file)))
        for content in _MUCH:
            yield Parts(Replica(name, HEADER, like), (content,), source=content)
            yield Parts(Corrected(Replica(name, HEADER)), (content, *[b""] * 4))


def _gzip_members() -> Iterator[Parts]:
    for name in (*flushed_names()[:2], "zlib-6", "gzip-9"):
        for texts in ((_TEXT, _TEXT[:90], b""), (b"", _TEXT)):
            content = b"".join(texts)
            encoders = (name, name.removesuffix(FLUSHED), name)
            first, *others = (made(encoder, text) for encoder, text in zip(encoders, texts, strict=False))
            file, other_sum = (b"".join((each, *others, b"tail")) for each in (first, first[:-5] + b"!" + first[-4:]))
            found = list(split_members(BytesBlob(file), len(file), len(content), name))
            layout = b"".join(emit_member(part) for part, _ in found), b"".join(rest for _, rest in found)
            yield Parts(GzipMembers(name, ()), (content, *layout))
            for source in (file, file[: len(file) // 2], file[:-12], file[:9], b"no" + file, other_sum):
                for unpacked in (len(content), len(content) // 2):
                    yield Parts(GzipMembers(name, (0,)), (content, *layout), source=source, unpacked=unpacked)
    for file in (_named_at_length(_TEXT), _named_at_length(b""), gzip.compress(bytes(2 * MOST), 6, mtime=0)):
        for unpacked in (len(_TEXT), 0, MOST):
            sections = (_TEXT, b"", b"")
            yield Parts(GzipMembers("zlib-6", (0,)), sections, source=file, unpacked=unpacked)


def _named_at_length(content: bytes) -> bytes:
    """A gzip file whose header is longer than is read at first."""
    file = made("zlib-6", content)
    return file[:3] + b"\x08" + file[4:10] + b"n" * 600 + b"\0" + file[10:]


def _zstd_files() -> Iterator[Parts]:
    encoder = "kzstd-1.17.8-default"
    for file, content in _frames():
        size = len(content)
        adjacent = ((b"", 0, size // 3), (b"", size // 3, size // 3), (content[size // 3 * 2 :], 0, 0))
        for source in (file, file[: len(file) // 2]):
            with suppress(FormatError):
                found = zstd.take_apart(source, content)
                decisions = (found.layout, found.runs, found.hits, found.offsets)
                yield Parts(CorrectedFrames(encoder), (content, *decisions))
                yield Parts(FrameReplay(()), (content, *decisions))
                for instructions in (adjacent if size > 3 else (), ((content, 0, 0),) if size else ()):
                    section = delta_of(size, (content,), *instructions)
                    yield Parts(FrameReplay((0,)), (section, *decisions), size, source=source, unpacked=size)
            with suppress(FormatError):
                yield Parts(Frames(encoder, ()), (content, *_layout(source, size, encoder)))
                yield Parts(
                    Frames(encoder, (0,)), (content, *_layout(source, size, encoder)), source=source, unpacked=size
                )


def _frames() -> Iterator[tuple[bytes, bytes]]:
    """Zstd files and their contents."""
    for seed in zstd.seeds():
        yield seed.file, seed.content
    for kind in (0, 1):
        for table in (b'{"offset":0,"end": 13, "no": 99, "\xfd\xfe": "\xfd"}', b"\xfd\xfe\xfd" * 9, b""):
            inner = zstandard.ZstdCompressor(write_content_size=kind > 0).compress(table)
            skippable = b"\x51\x2a\x4d\x18" + len(inner).to_bytes(4, "little") + inner
            yield zstandard.compress(_TEXT) + skippable + zstandard.compress(b"more"), _TEXT + b"more"


def _zstd_encoders() -> Iterator[Parts]:
    for name in (*zstd_names(), *libzstd_names()[::19]):
        yield Parts(CorrectedFrames(name), (_TEXT, b"", b"", b"", b""))
    for name in _ZSTD:
        for content in (_TEXT, *_SHORT, *_MUCH):
            yield Parts(CorrectedFrames(name), (content, b"", b"", b"", b""))
            encoder, full = frame_encoder(name), content_of(content)
            half = len(full) // 2
            file = encoder.feed(full[:half]) + encoder.flush() + encoder.feed(full[half:]) + encoder.flush()
            file += encoder.finish()
            with suppress(FormatError):
                layout = _layout(file, len(full), name)
                yield Parts(Frames(name, ()), (content, *layout))
                yield Parts(Frames(name, (0,)), (content, *layout), source=file, unpacked=len(full))


def _layout(file: bytes, size: int, encoder: str) -> tuple[bytes, bytes]:
    """Return the layout of a zstd file, and the rest. Raises FormatError if it has none."""
    found = list(split(BytesBlob(file), len(file), size, full_block(encoder)))
    return b"".join(emit_part(part) for part, _ in found), b"".join(rest for _, rest in found)


def _views() -> Iterator[Parts]:
    """Views of containers, of which some are made by chance."""
    pairs = [(kind([_TEXT, b"b"]), kind([_TEXT + b"more", b"b" * 9])) for kind in KINDS.values()]
    for seed in range(200):
        chance = random.Random(seed)  # noqa: S311
        pairs.append((views.anything(chance, 2), views.anything(chance, 3)))
    zeros = (_tar_of_zeros(level, size) for level in (1, 19) for size in (9, 300_000))
    prover = Prover(("zlib-6", "zlib-9", "zlib-1"))
    for old, new in (*pairs, *((new, new) for _, new in pairs), *((file, file) for file in zeros)):
        found = choose(memoryview(new), [memoryview(old)], prover=prover)
        if found is not None and old:
            target = b"".join(expand([new], found.target, MOST))
            source = b"".join(expand([old], found.source, MOST))
            sections = (target, emit_view(found.target), emit_view(found.source))
            yield Parts(Plain(), sections, len(new), ViewSizes(len(target), len(source)), old, len(old))


def _tar_of_zeros(level: int, size: int) -> bytes:
    file = zstandard.ZstdCompressor(level).compress(bytes(size))
    head = bytearray(b"zeros.zst").ljust(512, b"\0")
    head[124:136], head[156:157], head[257:263] = b"%011o\0" % len(file), b"0", b"ustar\0"
    return bytes(head) + file + bytes(-len(file) % 512)


def _deltas() -> Iterator[Parts]:
    """Deltas, as those of layers."""
    vectors = ((vector.sources, vector.delta) for vector in (*good(), *bad()))
    for sources, stored in (*vectors, *islice(delta_inputs.others(), 0, None, 7), *_found_deltas()):
        if len(sources) == 1 and sources[0]:
            (source,) = sources
            for size in (len(source), MOST):
                yield Parts(Plain(), (stored,), size, source=source, unpacked=len(source))
    swapped = delta_of(len(_TEXT), (_TEXT,), (b"", 90, len(_TEXT) - 90), (b"", 0, 90))
    for size in (len(_TEXT), MOST):
        yield Parts(Plain(), (swapped,), size, source=_TEXT, unpacked=len(_TEXT))


def _found_deltas() -> Iterator[tuple[tuple[bytes, ...], bytes]]:
    """Yield what the target `deltas` has found: sources, and the delta."""
    choice = delta_inputs.choice()
    for data in corpora.found("deltas"):
        with suppress(FormatError):
            stored, sources = delta_inputs.delta(data, choice)
            yield sources, stored


def _headers() -> Iterator[bytes]:
    """Headers of layer patches that are wrong, or of unusual shapes."""
    like: tuple[object, ...] = ([], [0, 0], [0, 1], [True], [-1], 1)
    methods: list[object] = [["replica", *rest, each] for each in like for rest in ((1, b""), ("a", 1), ("a", b""))]
    methods += [["replica"], ["corrected", "a"], ["corrected", 1, b""], ["frames", "a"], ["corrected frames", b""]]
    methods += [[name, *rest, each] for each in like for name, *rest in (["replay"], ["frames", "a"], ["frame replay"])]
    methods += [[name, 1] for name in ("plain", "raw", "whole")]
    methods += [["plain"], ["raw"], ["frames", 1, []], ["other"], [1], [["plain"]], [], "plain"]
    sizes: list[dict[str, object]] = [{}, {"views": [1, 1]}, {"views": []}]
    for method, more in product(methods, sizes):
        yield canonical.pack({"airpatch": 1, "method": method, "sections": [0], **more})
    yield canonical.pack({"airpatch": 2, "method": ["plain"], "sections": [0]})
    yield canonical.pack([]) + b"\0"
    yield from (b"", b"\xc1", b"\x91" * 99 + b"\0", b"\xdd\xff\xff\xff\xff", b"\xde\xff\xff", b"\x82\0\0", b"\xa9a")
