"""What layer patches ask of a reader is listed, and refused before anything is done where it is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airpatch.encoders.libbrotli import brotli_names
from airpatch.encoders.libzopfli import zopfli_names
from airpatch.encoders.libzstd import VERSIONS
from airpatch.encoders.replicas import flushed_names, other_names, usual_names
from airpatch.encoders.zstd_replicas import libzstd_name, zstd_names
from airpatch.errors import FormatError
from airpatch.format.index import Feature, Index
from airpatch.layers.recipe import Corrected, Frames, GzipMembers, Plain, Replay, Replica
from airpatch.layers.required_features import features, require_features
from airpatch.views.description import Coding
from tests.support import sample


def names(found: set[Feature]) -> set[str]:
    return {feature.name for feature in found}


def test_encoders_and_framings_are_features() -> None:
    assert names(features(Plain())) == names(features(Replay(()))) == set()
    assert names(features(Replica("zlib-6", b""))) == {"encoder zlib-6"}
    assert names(features(Corrected(Replica("gzip-9", b"")))) == {"encoder gzip-9"}
    assert names(features(Frames("kzstd-1.18.2-default", ()))) == {"encoder kzstd-1.18.2-default"}
    assert names(features(GzipMembers("go1-flate-9-flushed", ()))) == {"encoder go1-flate-9-flushed"}
    codings = [Coding("gzip", "zlib-9"), Coding("zip-archive"), Coding("gzip")]
    assert names(features(Plain(), codings)) == {"encoder zlib-9", "view gzip", "view zip-archive"}


def test_every_encoder_that_layer_patches_use_is_known() -> None:
    zstd = [*zstd_names(), *(libzstd_name(version, 3, True, True, False) for version in VERSIONS)]
    for name in (*usual_names(), *other_names(), *flushed_names(), *zstd, *brotli_names(), *zopfli_names()):
        require_features(replace(Index.full(sample().release), features=(Feature(f"encoder {name}", "0.1"),)))
    unknown = Feature("encoder libzstd-9.9.9-3", "0.1")
    with pytest.raises(FormatError, match="or newer"):
        require_features(replace(Index.full(sample().release), features=(unknown,)))


def test_what_is_not_known_is_refused_by_the_newest_version_that_it_takes() -> None:
    index = Index.full(sample().release)
    require_features(replace(index, features=tuple(sorted(features(Replica("zlib-6", b""), [Coding("zlib")])))))
    asked = (Feature("encoder zlib-6", "99.0"), Feature("encoder zopfli-15", "1.9"), Feature("view lzma", "1.10"))
    with pytest.raises(FormatError, match=r"needs airpatch 1\.10 or newer") as caught:
        require_features(replace(index, features=asked))
    assert tuple(caught.value.findings) == ("encoder zopfli-15", "view lzma")
