"""`airpatch inspect --layers`: the encoder of each layer."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.layers.plaintext import Compression
from airpatch.report.layers import Layer, layers
from airpatch.sources.gather import gather
from airpatch_cli.console import Console, Result, megabytes, table

_UNKNOWN = "-"


def inspect_layers(args: Namespace, console: Console) -> Result:
    """Look at the layers of the bundle, root or other source `args.subject`."""
    with_progress = {"jobs": args.jobs, "progress": console.progress.advance, "announce": console.progress.start}
    if Path(args.subject).is_file():
        with closing(BundleFile(args.subject)) as bundle:
            found = layers(bundle.index.release.images, bundle.manifests(), bundle, **with_progress)
    else:
        gathered = gather([args.subject])
        found = layers(gathered.release.images, gathered.manifests, gathered.content, **with_progress)
    return Result({"name": args.subject, "layers": [_data(layer) for layer in found]}, _lines(found))


def _data(layer: Layer) -> dict[str, object]:
    encoding = layer.encoding
    return {
        "digest": str(layer.digest),
        "bytes": layer.size,
        "compression": encoding.compression and encoding.compression.value,
        "plaintext_bytes": encoding.plaintext,
        "encoder": encoding.encoders[0] if encoding.encoders else None,
        "candidates": list(encoding.encoders),
        "compared_bytes": encoding.compared,
        "images": [str(name) for name in layer.images],
    }


def _lines(found: list[Layer]) -> list[str]:
    rows = [["LAYER", "SIZE", "PLAINTEXT", "KIND", "ENCODER", "COMPARED", "IMAGES"]]
    rows += [_row(layer) for layer in found]
    gzipped = [layer for layer in found if layer.encoding.compression is Compression.GZIP]
    known = sum(bool(layer.encoding.encoders) for layer in gzipped)
    return [*table(rows, right=[1, 2]), "", f"{len(found)} layers, {len(gzipped)} of gzip, {known} by known encoders"]


def _row(layer: Layer) -> list[str]:
    encoding = layer.encoding
    first, *others = encoding.encoders or (_UNKNOWN,)
    compared = "all" if encoding.compared == layer.size else f"first {megabytes(encoding.compared)}"
    return [
        layer.digest.short,
        megabytes(layer.size),
        _UNKNOWN if encoding.plaintext is None else megabytes(encoding.plaintext),
        encoding.compression.value if encoding.compression else _UNKNOWN,
        first + (f" or {len(others)} others" if others else ""),
        compared if encoding.compared else _UNKNOWN,
        ", ".join(map(str, layer.images)),
    ]
