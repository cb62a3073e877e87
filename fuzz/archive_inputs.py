"""Inputs of the target `archive` (fuzz/targets.py): a form, a bundle or what one is made of, up to `NEXT` each."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping

import msgpack

from airpatch.errors import AirpatchError
from airpatch.format import layout, tar, zstd
from airpatch.model import manifest as types
from fixtures.json_cases import json_cases
from fixtures.vector_kit import LAYER, LAYER_TYPE, Draft, describe, member, tiny, with_manifest
from fuzz.seeds import NEXT, varied, vectors
from tests.support import contents_of, join_frames

LONGEST = 1 << 13
"""Bytes of a seed: many small ones find more."""
BUNDLE, FRAMES, INDEX, MANIFEST = b"\0", b"\1", b"\2", b"\3"
"""Forms: as it is; the contents of its frames; these, but for the index, which comes first; a manifest of an image."""
_HEADER = tar.header(layout.INDEX_PATH, 0)[:100]


def bundle(data: bytes) -> bytes:
    """Return the bundle that an input stands for."""
    make = _MAKERS.get(data[:1])
    return data[1:] if make is None else make(data[1:])


def _of_frames(data: bytes) -> bytes:
    return join_frames(zstd.compress(content) for content in data.split(NEXT))


def _of_index(data: bytes) -> bytes:
    index, *contents = data.split(NEXT)
    return join_frames(map(zstd.compress, (member(layout.INDEX_PATH, index), *contents)))


def _of_manifest(data: bytes) -> bytes:
    return with_manifest(data, (LAYER, LAYER_TYPE))


_MAKERS: Mapping[bytes, Callable[[bytes], bytes]] = {FRAMES: _of_frames, INDEX: _of_index, MANIFEST: _of_manifest}


def inputs() -> Iterator[bytes]:
    return (each for each in _inputs() if len(each) < LONGEST)


def _inputs() -> Iterator[bytes]:
    for vector in vectors():
        yield BUNDLE + vector
        with contextlib.suppress(AirpatchError, ValueError):
            if contents := contents_of(vector):
                yield FRAMES + NEXT.join(contents)
                yield INDEX + NEXT.join((_index(contents[0]), *contents[1:]))
    index, *contents = tiny().contents()
    for document in varied(msgpack.unpackb(_index(index), strict_map_key=False)):
        yield INDEX + NEXT.join((msgpack.packb(document), *contents))
    yield from (MANIFEST + case.content for case in json_cases())
    image = Draft().picture(
        LAYER, annotations={"a": "b"}, subject=describe(b"", types.OCI_MANIFEST), artifactType="a/b"
    )
    for manifest in (image, Draft().index(LAYER)):
        yield from (MANIFEST + json.dumps(value, default=bytes.hex).encode() for value in varied(manifest))


def _index(frame: bytes) -> bytes:
    """Return the index in the first frame of a bundle, as far as it is there."""
    size = int(frame[124:135], 8) if frame[:100] == _HEADER else 0
    return frame[512 : 512 + size]
