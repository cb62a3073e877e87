"""Fuzz views: fold(expand(x)) = x for every x that the writer finds streams in, and bad views end in FormatError.

Each case is a container, nested in others or not, and an older version of it; one of them or both are damaged, most of
the time. The writer chooses views, which must give the target back and must not fail on the source. Then the view's
description is damaged, and so is the view: readers may only refuse that or make some bytes of it. Most cases know few
encoders, since it takes long to find out that none is right.
Usage: python -m fuzz.views [--cases N] [--seed N]. A finding is written to stdout in hexadecimal.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import time
import zlib
from collections.abc import Callable

from airpatch.encoders.libbrotli import brotli_encoder, brotli_name
from airpatch.encoders.zstd_stream import ZstdStreamEncoder
from airpatch.errors import FormatError
from airpatch.views.choose import choose
from airpatch.views.description import emit_view, parse_view
from airpatch.views.expand import expand
from airpatch.views.fold import fold
from airpatch.views.jimage_index import hashed
from airpatch.views.prove import Prover
from fixtures.java_class import whole
from fixtures.jimage import RESOURCES, view_of
from fixtures.python_code import whole as whole_pyc
from fuzz.delta import mutate

LIMIT = 1 << 20
SLOW = 2.0  # seconds of CPU time for one case
_WORDS = [b"public", b"static", b"void", b"main", b"java/lang/", b"Code", b"=", b"\n", bytes(9), b"0123456789" * 4]

Make = Callable[[random.Random, int], bytes]


def words(chance: random.Random, _: int = 0) -> bytes:
    return b" ".join(chance.choices(_WORDS, k=chance.randrange(12)))


def deflated(chance: random.Random, held: bytes) -> bytes:
    level = chance.choice((6, 6, 9, 1, 0))
    strategy = zlib.Z_FILTERED if chance.random() < 0.05 else zlib.Z_DEFAULT_STRATEGY
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, chance.choice((8, 8, 9, 1)), strategy)
    return stream.compress(held) + stream.flush()


def named(chance: random.Random, name: bytes, held: bytes) -> tuple[bytes, bytes]:
    """A file, which is a brotli stream or a zstd frame now and then: then its name says so."""
    dice = chance.random()
    if dice < 0.1:
        version, level = chance.choice(("1.5.7", "1.5.6")), chance.choice((3, 3, 1, 9, 19))
        kind = chance.choice(("-sized", "", "-mt", "-once-nosum", "-nosum"))
        frame = ZstdStreamEncoder(f"libzstd-{version}-{level}{kind}")
        return name + b".zst", frame.feed(held) + frame.finish()
    if dice >= 0.2:
        return name, held
    encoder = brotli_encoder(brotli_name(chance.choice((11, 9, 5, 5)), chance.choice((22, 22, 16, 10))))
    return name + b".br", encoder.feed(held) + encoder.finish()


def gzipped(chance: random.Random, depth: int) -> bytes:
    out = b""
    for _ in range(chance.choice((1, 1, 1, 2))):
        held = anything(chance, depth - 1)
        out += b"\x1f\x8b\x08" + bytes(6) + b"\3" + deflated(chance, held)
        out += struct.pack("<II", zlib.crc32(held), len(held))
    return out


def zipped(chance: random.Random, depth: int) -> bytes:
    body = b"#!/bin/sh\n" if chance.random() < 0.1 else b""
    prefix = len(body)
    directory = b""
    count = chance.choice((1, 2, 3))
    for i in range(count):
        name, held = named(chance, b"entry%d" % i, anything(chance, depth - 1))
        is_stored = chance.random() < 0.2
        is_streamed = chance.random() < 0.3
        packed = held if is_stored else deflated(chance, held)
        fields = struct.pack("<III", zlib.crc32(held), len(packed), len(held))
        head = struct.pack("<HHHHH", 20, 8 if is_streamed else 0, 0 if is_stored else 8, 1, 2)
        directory += (
            b"PK\1\2\x14\0" + head + fields + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, len(body) - prefix)
        )
        directory += name
        body += (
            b"PK\3\4" + head + (bytes(12) if is_streamed else fields) + struct.pack("<HH", len(name), 0) + name + packed
        )
        body += b"PK\7\10" + fields if is_streamed else b""
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(directory), len(body) - prefix, 0)
    return body + directory + end


def tarred(chance: random.Random, depth: int) -> bytes:
    out = b""
    for i in range(chance.choice((1, 2))):
        name, held = named(chance, b"file%d" % i, anything(chance, depth - 1))
        head = bytearray(name).ljust(512, b"\0")
        head[124:136] = b"%011o\0" % len(held)
        head[156:157] = b"0"
        head[257:263] = b"ustar\0"
        out += head + held + bytes(-len(held) % 512)
    return out


def program(chance: random.Random, _: int) -> bytes:
    held = words(chance)
    packed = b"\x78\x9c" + deflated(chance, held) + zlib.adler32(held).to_bytes(4, "big")
    names = b"\0.debug_info\0.zdebug_line\0"
    sections = [
        (1, 0x800, struct.pack("<IIQQ", 1, 0, len(held), 1) + packed),
        (13, 0, b"ZLIB" + struct.pack(">Q", len(held)) + packed),
        (0, 0, names),
    ]
    body = bytearray(64)
    rows = bytes(64)
    for name, flags, content in sections:
        rows += struct.pack("<IIQQQQIIQQ", name, 1, flags, 0, len(body), len(content), 0, 0, 1, 0)
        body += content
    head = struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, len(body), 0, 64, 0, 0, 64, 4, 3)
    body[:64] = b"\x7fELF\2\1\1" + bytes(9) + head
    return bytes(body + rows)


def class_file(chance: random.Random, _: int) -> bytes:
    more = [word.decode() for word in chance.sample(_WORDS, chance.choice((0, 0, 1, 3)))]
    return whole(more, chance.choice((10, 11)))


def modules(chance: random.Random, _: int) -> bytes:
    some = chance.sample(RESOURCES, chance.randrange(len(RESOURCES)))
    try:
        return hashed(view_of(some, chance.choice((0, 1)))) + class_file(chance, 0)
    except FormatError:  # some names have no places in a table of just as many
        return words(chance)


def pyc(chance: random.Random, _: int) -> bytes:
    more = [word.decode() for word in chance.sample(_WORDS, chance.choice((0, 0, 1, 3)))]
    return whole_pyc(more, chance.choice((0, 2)), chance.choice((3413, 3495)), chance.choice((7, 8)))


_KINDS: tuple[Make, ...] = (gzipped, zipped, tarred, program, class_file, modules, pyc)


def anything(chance: random.Random, depth: int) -> bytes:
    if depth <= 0 or chance.random() < 0.4:
        return words(chance)
    return chance.choice(_KINDS)(chance, depth)


def check(chance: random.Random) -> str | None:
    """One case; return what is wrong, if anything is."""
    seed, edited = chance.getrandbits(32), chance.getrandbits(32)
    kind, depth = chance.choice(_KINDS), chance.choice((1, 1, 2, 3))
    old = kind(random.Random(seed), depth)  # noqa: S311
    new = kind(random.Random(edited if chance.random() < 0.7 else seed), depth)  # noqa: S311
    if chance.random() < 0.6:
        new = mutate(new, chance)
    if chance.random() < 0.3:
        old = mutate(old, chance)
    try:
        prover = Prover() if chance.random() < 1 / 64 else Prover(("zlib-2",))
        views = choose(memoryview(new), [memoryview(old)], prover=prover)
        if views is None:
            return None
        view = b"".join(expand([new], views.target, LIMIT))
        if b"".join(fold([view], views.target)) != new or len(view) != views.target_size:
            return f"not undone: {new.hex()} {old.hex()}"
        if len(b"".join(expand([old], views.source, LIMIT))) != views.source_size:
            return f"source of another size: {new.hex()} {old.hex()}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        return f"{error!r}: {new.hex()} {old.hex()}"
    try:
        bad = parse_view(mutate(emit_view(views.target), chance))
        for piece in expand([new], bad, LIMIT):
            del piece
        for piece in fold([mutate(view, chance)], bad):
            del piece
    except FormatError:
        pass
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - the same cases every time
    for number in range(options.cases):
        start = time.process_time()
        finding = check(chance)
        if finding is None and time.process_time() - start > SLOW:
            finding = "slow"
        if finding is not None:
            sys.stdout.write(f"case {number}: {finding}\n")
            return 1
    sys.stdout.write(f"{options.cases} cases, no findings\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
