"""What another version of airpatch can carry out, and what a layer then does without."""

from __future__ import annotations

from airpatch.layers.reader_features import ReaderFeatures
from airpatch.model.digest import Digest
from airpatch.views.description import Coding

LAYER = Digest.of(b"layer")


def test_without_names_everything_is_known() -> None:
    reader = ReaderFeatures()
    assert reader.knows_encoder("zlib-6")
    assert reader.of_views(LAYER).knows(Coding("gzip", "zlib-6"))


def test_a_coding_is_known_by_its_framing_and_its_encoder() -> None:
    reader = ReaderFeatures(frozenset({"encoder zlib-6", "view gzip"}))
    views = reader.of_views(LAYER)
    assert views.knows(Coding("gzip", "zlib-6"))
    assert views.knows(Coding("gzip"))
    assert not views.knows(Coding("gzip", "zlib-9"))
    assert not views.knows(Coding("zlib", "zlib-6"))


def test_what_a_layer_does_without() -> None:
    reader = ReaderFeatures(frozenset({"encoder zlib-6"}))
    reader.miss_encoders([], LAYER)
    assert not reader.missed
    reader.miss_encoders(["zlib-9", "gzip-9"], LAYER)  # which write the same here
    reader.of_views(LAYER).note_unknown(Coding("gzip", "zlib-6"))
    assert reader.missed == {LAYER: {"encoder zlib-9", "view gzip"}}
