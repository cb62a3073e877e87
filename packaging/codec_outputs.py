"""Print digests of what codecs of zstd, zlib-ng, brotli and zopfli make of inputs in `fixtures/encoders`, a line each.

`try_aarch64.sh` compares those of two architectures, `try_musl.sh` those of two C libraries. There are the replicas of
klauspost/compress, of which level best reckons in floating point, and of zlib-ng; libzstd of each version, with and
without workers; the decisions of zstd files beside older ones, which must also give the file again; and libbrotli and
zopfli, which reckon in floating point, too.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.libbrotli import QUALITIES, brotli_encoder, brotli_name
from airpatch.encoders.libzopfli import zopfli_deflater, zopfli_names
from airpatch.encoders.libzstd import VERSIONS
from airpatch.encoders.replicas import deflater, other_names
from airpatch.encoders.zstd_decisions import Covers, emit, parse
from airpatch.encoders.zstd_replicas import frame_encoder, libzstd_name, zstd_names
from fixtures.encoders.inputs import CUTS, inputs

_INPUTS = ("mixed", "skewed")
_REPLAYED = ("kzstd-1.17.8-fastest", "kzstd-1.17.8-default", "kzstd-1.17.8-better", "libzstd-1.5.7-3-mt")


def main() -> None:
    libzstd = [
        libzstd_name(version, level, workers, False, True)
        for version in VERSIONS
        for level in (1, 3)
        for workers in (False, True)
    ]
    for name in (*zstd_names(), *libzstd):
        for label in _INPUTS:
            _print(f"{name} {label}", compress(name, inputs()[label]))
    for name in zstd_names():
        _print(f"{name} flushed", compress(name, inputs()["mixed"], CUTS))
    for name in _REPLAYED:
        _print(f"{name} replayed", replayed(name))
    for name in other_names():
        if name.startswith("zlib-ng-"):
            for label in (*_INPUTS, "tar"):
                encoder = deflater(name)
                _print(f"{name} {label}", encoder.feed(inputs()[label]) + encoder.finish())
    for quality in QUALITIES:
        for label in (*_INPUTS, "tar"):
            data = inputs()[label]
            encoder = brotli_encoder(brotli_name(quality, 22))
            _print(f"brotli {quality} {label}", encoder.feed(data) + encoder.finish())
    for name in zopfli_names():
        for label in (*_INPUTS, "tar"):
            zopfli = zopfli_deflater(name)
            _print(f"{name} {label}", zopfli.feed(inputs()[label]) + zopfli.finish())


def compress(name: str, data: bytes, cuts: tuple[int, ...] = ()) -> bytes:
    """Return the frame that the encoder makes of `data` if it is flushed at `cuts`."""
    encoder = frame_encoder(name)
    out = b""
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        out += encoder.feed(data[begin:end])
        if end in cuts:
            out += encoder.flush()
    return out + encoder.finish()


def replayed(name: str) -> bytes:
    """Return all columns of a file beside an older one. Raises SystemExit if the file does not follow from them."""
    old = inputs()["mixed"] + inputs()["tar"]
    new = old[:1000] + b"new" + old[1000:150_000] + old[150_100:] + inputs()["mixed"][:100_000]
    delta = b"".join(encode(new, [old], Effort.DEFAULT))
    covers = Covers()
    for _ in decode(io.BytesIO(delta), [old], len(new), lambda found: covers.add(found, 0, len(old))):
        pass
    older, file = compress(name, old), compress(name, new)
    matches = b"".join(part.matches for part in parse(io.BytesIO(older).read, len(old)))
    parts = list(parse(io.BytesIO(file).read, len(new), covers.alignment(matches), io.BytesIO(new).read))
    columns = [b"".join(column) for column in zip(*((p.layout, p.runs, p.hits, p.offsets) for p in parts), strict=True)]
    layout, runs, hits, offsets = (io.BytesIO(column).read for column in columns)
    if b"".join(emit(layout, io.BytesIO(new).read, runs, hits, offsets, covers.alignment(matches))) != file:
        raise SystemExit(f"{name}: another file is replayed")
    return delta + b"".join(columns)


def _print(title: str, output: bytes) -> None:
    print(title, len(output), hashlib.sha256(output).hexdigest())


if __name__ == "__main__":
    main()
