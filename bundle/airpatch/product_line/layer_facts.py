"""What of a layer decides about sources: kept in the store, so that plans read no layers."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

from airpatch.encoders.zstd_recognise import recognise_frames
from airpatch.errors import FormatError
from airpatch.execution import Execution
from airpatch.format import canonical
from airpatch.format.fields import bytes_, integer, text
from airpatch.layers.compression import Compression
from airpatch.layers.differ import MIN_BLOB
from airpatch.layers.resemblance import Sketch
from airpatch.layers.unpacking import features_within, look
from airpatch.layers.ways import RECOGNISED, start_of
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.model.release import Blob, Release
from airpatch.product_line.codec import CODEC
from airpatch.product_line.spooled_blobs import SpooledBlobs
from airpatch.sketches.feature_sets import Features
from airpatch.store.layer_records import LayerRecord, LayerRecords
from airpatch.store.release_store import ReleaseStore
from airpatch.worker_pool import worker_pool

KIND = "layers"
_MOST_HALVINGS = 64


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer that decompresses to `uncompressed_size` bytes; `is_recognised`: if it is zstd, by a known encoder."""

    compression: Compression
    uncompressed_size: int
    is_recognised: bool
    sketch: Sketch


Facts = Mapping[Digest, LayerFacts | None]
"""What is known of layers; None of those that do not decompress."""


def layers_of(release: Release) -> list[Blob]:
    """Return the blobs of a release that may get patches or be sources of them."""
    return [blob for blob in release.blobs if not blob.is_manifest and blob.size >= MIN_BLOB]


def facts_of(store: ReleaseStore, layers: Iterable[Blob], execution: Execution) -> dict[Digest, LayerFacts | None]:
    """Return the facts of `layers`, blobs of `store`; those that it does not have yet are found and kept.

    Raises IntegrityError if a blob is damaged, SourceError if one is missing, TargetError.
    """
    records, execution = LayerRecords(store.objects), execution.task()
    wanted = {blob.digest: blob for blob in layers}
    with worker_pool(execution.threads, execution.cancellation) as pool:

        def get(digest: Digest) -> LayerRecord | None:
            record = records.get(KIND, _key(digest, execution))
            return record if record is not None and _is_of(digest, record) else None

        found = dict(zip(wanted, pool.map(get, wanted), strict=True))
        unknown = [blob for digest, blob in wanted.items() if found[digest] is None]
        if unknown:
            with execution.part("looking at layers", sum(blob.size for blob in unknown)) as part:

                def look(blob: Blob) -> LayerRecord:
                    with part.share(blob.size, blob.digest):
                        record = _look(store, blob, execution)
                        is_sound = partial(_is_of, blob.digest)
                        return records.publish(KIND, _key(blob.digest, execution), record, is_sound)

                found.update(zip((blob.digest for blob in unknown), pool.map(look, unknown), strict=True))
    return {digest: _from_plain(record.value) for digest, record in found.items() if record is not None}


def _is_of(digest: Digest, record: LayerRecord) -> bool:
    """Return whether a record has facts of the layer `digest`; one that has not can be made again."""
    try:
        _from_plain(record.value)
    except FormatError:
        return False
    return record.of == (digest,)


def _key(digest: Digest, execution: Execution) -> Digest:
    return Digest.of(canonical.pack([KIND, CODEC, features_within(execution.memory), digest.raw]))


def _look(store: ReleaseStore, blob: Blob, execution: Execution) -> LayerRecord:
    with closing(SpooledBlobs(store.content, execution)) as spooled:
        spooled.fetch(blob.digest, blob.size)
        found = look(spooled, blob, execution.memory)
        if found is None:
            return LayerRecord((blob.digest,), None)
        layer, sketch = found
        names: list[str] = []
        if layer.compression is Compression.ZSTD:
            with suppress(FormatError):
                names = recognise_frames(start_of(spooled, layer, RECOGNISED))
        facts = LayerFacts(layer.compression, layer.uncompressed_size, bool(names), sketch)
    return LayerRecord((blob.digest,), _to_plain(facts))


def _to_plain(facts: LayerFacts) -> list[object]:
    sketch = facts.sketch
    features = [_little(sketch.features.hashes), _little(sketch.features.weights)]
    kind = facts.compression.value
    return [kind, facts.uncompressed_size, int(facts.is_recognised), sketch.halvings, *features]


def _from_plain(value: object) -> LayerFacts | None:
    match value:
        case None:
            return None
        case [kind, size, is_recognised, halvings, hashes, weights]:
            features = Features(_array("Q", bytes_(hashes)), _array("I", bytes_(weights)))
            if text(kind) in {each.value for each in Compression} and len(features.hashes) == len(features.weights):
                size = integer(size, MAX_BLOB)
                sketch = Sketch(size, features, integer(halvings, _MOST_HALVINGS))
                return LayerFacts(Compression(kind), size, bool(integer(is_recognised, 1)), sketch)
    raise FormatError("a record of a layer that this airpatch does not read")


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def _array(kind: str, content: bytes) -> array[int]:
    values = array(kind)
    if len(content) % values.itemsize:
        raise FormatError("a record of a layer that is cut short")
    values.frombytes(content)
    if sys.byteorder == "big":
        values.byteswap()
    return values
