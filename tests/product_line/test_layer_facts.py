"""Facts are found once, and are those that the differ would find."""

from __future__ import annotations

import pytest

from airpatch.layers.compression import Compression
from airpatch.layers.unpacking import look
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from airpatch.product_line.layer_facts import facts_of, layers_of
from airpatch.store.layer_records import MOST, LayerRecord, emit_record, parse_record
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import ReleaseStore
from tests.layers.support import layer, zstd
from tests.support import Recorder, execution


def test_facts_are_those_of_the_layers(line: ReleaseStore) -> None:
    layers = layers_of(line.choose("r1", "amd64").release)
    for _ in range(2):  # as found, and as kept
        facts = facts_of(line, layers, execution())
        assert facts.keys() == {blob.digest for blob in layers}
        for blob in layers:
            found, known = look(line.content, blob, 1 << 30), facts[blob.digest]
            assert found is not None
            assert known is not None
            layer, sketch = found
            assert (known.compression, known.uncompressed_size) == (layer.compression, layer.uncompressed_size)
            assert known.sketch == sketch


def test_they_are_found_once(line: ReleaseStore) -> None:
    layers = layers_of(line.choose("r1", "amd64").release)
    for each in list(line.objects.list("records")):
        line.objects.delete(each.name)
    progress = Recorder()
    facts_of(line, layers, execution(2, progress))
    facts_of(line, layers, execution(2, progress))
    assert [(part.label, part.done) for part in progress.parts] == [
        ("looking at layers", sum(blob.size for blob in layers))
    ]


def test_what_is_no_layer_has_none(line: ReleaseStore) -> None:
    broken, foreign = b"\x1f\x8b\x08" + bytes(9000), zstd(layer(1, size=40_000))
    blobs = [Blob(Digest.of(content), len(content), "") for content in (broken, foreign)]
    for blob, content in zip(blobs, (broken, foreign), strict=True):
        line.objects.put(blob_name(blob.digest), content)
    facts = facts_of(line, blobs, execution())
    assert facts[blobs[0].digest] is None
    known = facts[blobs[1].digest]
    assert known is not None
    assert known.compression is Compression.ZSTD


@pytest.mark.parametrize(
    "value",
    [1, [], ["gzip", 1, 0, 0, bytes(7), bytes(4)], ["rar", 1, 0, 0, b"", b""], ["gzip", 1, 0, 0, bytes(8), b""]],
)
def test_records_that_are_not_right_are_made_again(line: ReleaseStore, value: object) -> None:
    blob = layers_of(line.choose("r1", "amd64").release)[0]
    facts = facts_of(line, [blob], execution())
    sound = {each.name: line.objects.get(each.name, MOST) for each in line.objects.list("records")}
    (name,) = [name for name in sound if parse_record(sound[name] or b"").of == (blob.digest,)]
    for record in (LayerRecord((blob.digest,), value), LayerRecord((Digest.of(b"other"),), None)):
        line.objects.put(name, emit_record(record))
        assert facts_of(line, [blob], execution()) == facts
        assert line.objects.get(name, MOST) == sound[name]
