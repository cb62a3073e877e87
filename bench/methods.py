"""What a layer patch takes by each way to rebuild the blob, for each encoder that a layer may come from.

`python -m bench.methods [OLD NEW [NAME...]]` takes two gzip layers, by default those of a small image in `fixtures/`.
Their uncompressed layers are recompressed by the replica of each encoder, or of those named, which writes what the
encoder does. Sizes are in bytes.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from pathlib import Path

from airpatch.blobs.content import BytesBlob
from airpatch.deflate.parse import GzipParser
from airpatch.delta.decoder import decode
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.replicas import deflater
from airpatch.encoders.zstd_decisions import Covers, parse
from airpatch.encoders.zstd_layout import emit_part
from airpatch.encoders.zstd_replicas import frame_encoder, full_block
from airpatch.layers.frames import split
from airpatch.layers.recipe import Frames, emit_header
from airpatch.model.manifest import MAX_BLOB
from bench.run import PROJECT

ENCODERS = (
    "go1-flate-6",
    "go1-flate-1",
    "go1-flate-9",
    "klauspost-1.18.2-5",
    "klauspost-1.15.10-5",
    "klauspost-1.11.3-5",
    "pgzip/klauspost-1.18.2-5",
    "pgzip/klauspost-1.15.10-5",
    "pgzip/klauspost-1.12.3-5",
    "zlib-6",
    "zlib-9",
    "gzip-6",
    "gzip-9",
    "pigz-6",
    "pigz-9",
)
ZSTD_ENCODERS = (
    "kzstd-1.17.8-default",
    "kzstd-1.17.8-fastest",
    "kzstd-1.17.8-better",
    "kzstd-1.17.8-best",
    "libzstd-1.5.6-3-mt",
    "libzstd-1.5.7-3-mt",
)
_HEADER = b"\x1f\x8b\x08" + bytes(7)


def main() -> None:
    names = sys.argv[3:] or [*ENCODERS, *ZSTD_ENCODERS]
    if len(sys.argv) > 2:
        old, new = (gzip.decompress(Path(argument).read_bytes()) for argument in sys.argv[1:3])
    else:
        old, new = example()
    difference = _difference(new, old)
    print(f"{len(new):,} bytes of uncompressed data, which differ by {difference:,}")
    print(f"  {'encoder':<28}{'blob':>13}{'replay':>13}{'replica':>13}{'difference':>13}")
    for name in filter(ENCODERS.__contains__, names):
        blob, base = (_compress(name, uncompressed) for uncompressed in (new, old))
        decisions = sum(_difference(*columns) for columns in zip(_decisions(blob), _decisions(base), strict=True))
        replica = difference + len(name) + len(_HEADER)
        print(f"  {name:<28}{len(blob):>13,}{difference + decisions:>13,}{replica:>13,}{difference:>13,}")

    for name in filter(ZSTD_ENCODERS.__contains__, names):
        blob, base = (_frame(name, uncompressed) for uncompressed in (new, old))
        columns = [_difference(*pair) for pair in zip(_beside(name, blob), _beside(name, base), strict=True)]
        replica = sum((difference, *columns, len(emit_header(Frames(name, (0,)), (difference, *columns)))))
        decisions = difference + _frame_decisions(blob, base, new, old)
        print(f"  {name:<28}{len(blob):>13,}{decisions:>13,}{replica:>13,}{difference:>13,}")


def example() -> list[bytes]:
    """The uncompressed bytes of one image's first layer in two releases."""
    inputs = []
    for release in ("r1", "r2"):
        image = PROJECT / "fixtures" / "images" / release / f"infra/settings:{release}"
        layer = json.loads((image / "manifest.json").read_bytes())["layers"][0]["digest"].removeprefix("sha256:")
        inputs.append(gzip.decompress((image / layer).read_bytes()))
    return inputs


def _compress(name: str, uncompressed: bytes) -> bytes:
    encoder = deflater(name)
    body = encoder.feed(uncompressed) + encoder.finish()
    return _HEADER + body + zlib.crc32(uncompressed).to_bytes(4, "little") + len(uncompressed).to_bytes(4, "little")


def _frame(name: str, uncompressed: bytes) -> bytes:
    encoder = frame_encoder(name)
    encoder.begin(len(uncompressed))
    return encoder.feed(uncompressed) + encoder.finish()


def _beside(name: str, file: bytes) -> list[bytes]:
    """Layout and rest of a zstd file by that encoder."""
    parts = list(split(BytesBlob(file), len(file), MAX_BLOB, full_block(name)))
    return [b"".join(emit_part(part) for part, _ in parts), b"".join(rest for _, rest in parts)]


def _frame_decisions(blob: bytes, base: bytes, new: bytes, old: bytes) -> int:
    """How many bytes the decisions of a zstd file take beside those of another (spec/ENCODERS.md, Decisions)."""
    covers = Covers()
    delta = b"".join(encode(new, [old], Effort.DEFAULT))
    for _ in decode(io.BytesIO(delta), [old], len(new), lambda found: covers.add(found, 0, len(old))):
        pass
    others = list(parse(io.BytesIO(base).read, MAX_BLOB))
    alignment = covers.alignment(b"".join(part.matches for part in others))
    own = list(parse(io.BytesIO(blob).read, MAX_BLOB, alignment, io.BytesIO(new).read))
    columns = [
        [b"".join(column) for column in zip(*((p.layout, p.runs, p.hits, p.offsets) for p in parts), strict=True)]
        for parts in (own, others)
    ]
    similar = [_difference(*pair) for pair in zip(columns[0][:2], columns[1][:2], strict=True)]
    return sum(similar) + sum(len(b"".join(encode(column, [], Effort.DEFAULT))) for column in columns[0][2:])


def _decisions(file: bytes) -> list[bytes]:
    """The four columns of a gzip file (spec/DEFLATE.md)."""
    parser = GzipParser()
    parts = [*parser.feed(file), *parser.close()]
    return [
        b"".join(column) for column in zip(*((p.layout, p.runs, p.sources, p.distances) for p in parts), strict=True)
    ]


def _difference(new: bytes, old: bytes) -> int:
    return sum(map(len, encode(new, [old], Effort.DEFAULT)))


if __name__ == "__main__":
    main()
