"""What `airpatch inspect --layers` reports: the encoder of each layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airpatch.units import count, megabytes
from airpatch_cli.console import Result, table

if TYPE_CHECKING:
    from airpatch import Layer

_UNKNOWN = "-"


def layer_table(name: str, found: Sequence[Layer]) -> Result:
    """Return the layers of the source `name`."""
    return Result({"kind": "layers", "name": name, "layers": [_data(layer) for layer in found]}, _lines(found))


def _data(layer: Layer) -> dict[str, object]:
    encoding = layer.encoding
    return {
        "digest": str(layer.digest),
        "bytes": layer.size,
        "compression": _kind(layer),
        "uncompressed_bytes": encoding.uncompressed_size,
        "encoder": encoding.encoders[0] if encoding.encoders else None,
        "candidates": list(encoding.encoders),
        "compared_bytes": encoding.compared,
        "images": [str(name) for name in layer.images],
    }


def _lines(found: Sequence[Layer]) -> list[str]:
    rows = [["LAYER", "SIZE", "UNCOMPRESSED", "KIND", "ENCODER", "COMPARED", "IMAGES"]]
    rows += [_row(layer) for layer in found]
    kinds = Counter(map(_kind, found))
    known = sum(bool(layer.encoding.encoders) for layer in found)
    kinds_shown = f"{kinds['gzip']:,} of gzip, {kinds['zstd']:,} of zstd"
    counts = f"{count(len(found), 'layer')}: {kinds_shown}; the encoder of {known:,} is known"
    return [*table(rows, right=[1, 2]), "", counts]


def _row(layer: Layer) -> list[str]:
    encoding = layer.encoding
    first, *others = encoding.encoders or (_UNKNOWN,)
    compared = "all" if encoding.compared == layer.size else f"first {megabytes(encoding.compared)}"
    return [
        layer.digest.short,
        megabytes(layer.size),
        _UNKNOWN if encoding.uncompressed_size is None else megabytes(encoding.uncompressed_size),
        _kind(layer) or _UNKNOWN,
        first + (f" or {count(len(others), 'other')}" if others else ""),
        compared if encoding.compared else _UNKNOWN,
        ", ".join(map(str, layer.images)),
    ]


def _kind(layer: Layer) -> str | None:
    compression = layer.encoding.compression
    return None if compression is None else compression.value
