"""Inputs of the target `layer_patches` (fuzz/targets.py): a form, a choice of surroundings, and a patch or its parts.

Of the parts a patch is made whose header is canonical and fits; a section may be what a delta would make, since
hardly a mutant of a delta is one still. Deltas have a target of their own.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from unittest import mock

from airpatch.blobs.content import BytesBlob, BytesContent
from airpatch.blobs.receiver import Discard
from airpatch.blobs.scratch import MemoryScratch
from airpatch.delta import decoder
from airpatch.delta.columns import ByteReader
from airpatch.delta.source_space import Buffer
from airpatch.errors import AirpatchError, FormatError, IntegrityError
from airpatch.execution import Cancellation
from airpatch.format import layout, registry
from airpatch.format.index import Step
from airpatch.layers import blob_builder
from airpatch.layers.blob_builder import BlobBuilder, See
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Method,
    Plain,
    Raw,
    Replay,
    Replica,
    ViewSizes,
    Whole,
    emit_header,
    read_header,
    section_count,
)
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.model.digest import Digest
from fuzz.at_once import AtOnce
from fuzz.seeds import NEXT, Choice, vectors
from tests.support import frame_reader, read_bundle, scratch

WHOLE, PARTS = b"\0", b"\1"
MOST = 1 << 20
"""Bytes that a blob, a layer and a view may have."""
_KINDS: tuple[Callable[[str, bytes, tuple[int, ...]], Method], ...] = (
    lambda encoder, start, like: Plain(),
    lambda encoder, start, like: Replica(encoder, start, like[:1]),
    lambda encoder, start, like: Replay(like),
    lambda encoder, start, like: Corrected(Replica(encoder, start)),
    lambda encoder, start, like: Frames(encoder, like),
    lambda encoder, start, like: FrameReplay(like[:1]),
    lambda encoder, start, like: CorrectedFrames(encoder),
    lambda encoder, start, like: Raw(),
    lambda encoder, start, like: Whole(),
    lambda encoder, start, like: GzipMembers(encoder, like),
)
_NAMES = (Plain, Replica, Replay, Corrected, Frames, FrameReplay, CorrectedFrames, Raw, Whole, GzipMembers)
_VIEWS = 0x10
"""In the byte of a kind: whether there are views."""
_SIZES = struct.Struct("<4I")
_STRETCHED = struct.Struct("<2sBI")
"""What much content begins with that a few bytes stand for: a mark, its kind and its size."""
_MARK = b"\xff\xfb"
_PIECE = 50_000
_ONCE = 1 << 16
"""Bytes of a blob that is not made once more: that would take long."""
_LONGEST = 3 << 17
"""Bytes of such content: several blocks of any encoder."""
_STRETCHES: tuple[Callable[[bytes, int], bytes], ...] = (
    lambda seed, size: seed * (size // len(seed) + 1) if seed else bytes(size),
    lambda seed, size: random.Random(seed).randbytes(size),  # noqa: S311
    lambda seed, size: bytes(map((63).__and__, random.Random(seed).randbytes(size))),  # noqa: S311
    lambda seed, size: bytes(map((7).__and__, random.Random(seed).randbytes(size))),  # noqa: S311
    lambda seed, size: b"".join(seed + b"%d\n" % number for number in range(size // (len(seed) + 1))),
)
REPEATED, NOISE, LETTERS, DIGITS, LINES = range(len(_STRETCHES))


@dataclass(frozen=True)
class Surroundings:
    """What a layer patch is carried out in: sizes that its step states, and sources with their uncompressed sizes."""

    size: int
    uncompressed_size: int
    expanded: int
    sources: tuple[tuple[bytes, int], ...]


_NOTHING = Surroundings(0, 0, 0, ())


@dataclass(frozen=True)
class Parts:
    """What a layer patch is made of; `source` stands for those of the surroundings, if it is not empty.

    The uncompressed size counts where there are views, or where the first section is a delta.
    """

    method: Method
    sections: Sequence[bytes]
    uncompressed_size: int = 0
    views: ViewSizes | None = None
    source: bytes = b""
    unpacked: int = 0

    def input(self, around: Surroundings = _NOTHING) -> bytes:
        method = self.method
        replica = method.by if isinstance(method, Corrected) else method
        like = getattr(method, "like", ())
        views = self.views or ViewSizes(0, 0)
        parts = (
            bytes([_NAMES.index(type(method)) | (_VIEWS if self.views else 0), *like]),
            getattr(replica, "encoder", "").encode(),
            getattr(replica, "start", b""),
            _SIZES.pack(self.uncompressed_size, views.target, views.sources, self.unpacked),
            self.source,
            *self.sections,
        )
        return PARTS + Choice.key(around) + NEXT.join(parts)


def choice() -> Choice[Surroundings]:
    return Choice([_NOTHING, *(around for around, _ in _of_vectors())])


class Applier:
    """Carries out what inputs stand for."""

    def __init__(self, choice: Choice[Surroundings]) -> None:
        self._choice = choice

    def run(self, data: bytes) -> None:
        """Carry out an input, and what it makes once more, as if that had been wanted, in another way.

        Raises what the applier does, RuntimeError if the second one is not like the first.
        """
        form, around, rest = data[:1], self._choice.by(data[1 : 1 + Choice.KEY]), data[1 + Choice.KEY :]
        around, patch = (around, rest) if form == WHOLE else _joined(around, rest)
        made = bytearray()
        try:
            apply(around, patch, Digest.of(b""), made, AtOnce())
        except IntegrityError as error:
            wanted = Digest.of(bytes(made))
            if not error.message.endswith(wanted.hex) or len(made) > _ONCE:
                raise
        else:
            return
        again = bytearray()
        try:
            apply(around, patch, wanted, again)
        except AirpatchError as error:
            raise RuntimeError("what was made is not made again") from error
        if again != made:
            raise RuntimeError("something else is made the second time")


def stretched(kind: int, size: int, seed: bytes) -> bytes:
    """Return what stands for that much content."""
    return _STRETCHED.pack(_MARK, kind, size) + seed


def content_of(data: bytes) -> bytes:
    """Return what `data` stands for, if not itself."""
    if not data.startswith(_MARK) or len(data) < _STRETCHED.size:
        return data
    kind, size = data[2], int.from_bytes(data[3:7], "little") % (_LONGEST + 1)
    return _STRETCHES[kind % len(_STRETCHES)](data[_STRETCHED.size :], size)[:size]


def apply(around: Surroundings, patch: bytes, wanted: Digest, made: bytearray, blocks: Executor | None = None) -> None:
    """Carry out a patch, as the step of a blob `wanted` that a later one unpacks; what it makes is added to `made`.

    Encoders that compress blocks in parallel do so in `blocks`.
    """

    class Collected(Discard):
        def write(self, piece: memoryview) -> None:
            made.extend(piece)

    blobs = {Digest.of(blob): (blob, size) for blob, size in around.sources}
    content = BytesContent({digest: blob for digest, (blob, _) in blobs.items()})
    digests = tuple(Digest.of(blob) for blob, _ in around.sources)
    users = dict.fromkeys((*digests, wanted), 2 if blocks is None else 1)
    layers = UncompressedLayers(content, scratch, users, MemoryScratch(1 << 24))
    sizes = {digest: (len(blob), size) for digest, (blob, size) in blobs.items()}
    step = Step(wanted, around.size, around.uncompressed_size, Digest.of(patch), len(patch), digests, around.expanded)
    try:
        BlobBuilder(sizes, content, layers, blocks, Cancellation()).build(step, BytesBlob(patch), Collected())
    finally:
        layers.close()


def decode(
    delta: ByteReader, sources: Sequence[Buffer], limit: int, see: See = lambda _covers: None
) -> Iterator[bytes]:
    """Yield what a section makes: a delta, or what one would make. Raises as `airpatch.delta.decoder.decode`."""
    content = delta.read(1 << 24)
    if content.startswith(decoder.MAGIC):
        yield from decoder.decode(io.BytesIO(content), sources, limit, see)
    elif len(content) > limit:
        raise FormatError("more than the caller allows")
    elif len(content) % 2:
        yield from (content[at : at + _PIECE] for at in range(0, len(content), _PIECE))
    else:
        yield content


def _joined(around: Surroundings, data: bytes) -> tuple[Surroundings, bytes]:
    """Return the patch with these parts, each up to a `NEXT`. Raises FormatError if too few are there."""
    try:
        kind, encoder, start, numbers, source, *sections = data.split(NEXT)
        number, *like = kind
        uncompressed, target, expanded, unpacked = (size % (MOST + 1) for size in _SIZES.unpack(numbers))
        method = _KINDS[number % _VIEWS % len(_KINDS)](encoder.decode(), start, tuple(dict.fromkeys(like)))
    except (ValueError, struct.error) as error:
        raise FormatError("no parts of a layer patch") from error
    has_views = number & _VIEWS != 0 and not isinstance(method, Raw | Whole)
    count = section_count(method, has_views)
    sections = [*map(content_of, sections), *[b""] * count][:count]
    if not sections[0].startswith(decoder.MAGIC):
        target = len(sections[0])
        uncompressed = uncompressed if has_views else target
    header = emit_header(method, tuple(map(len, sections)), ViewSizes(target, expanded) if has_views else None)
    if source.startswith(_MARK):
        unpacked = len(content_of(source))
        source = gzip.compress(content_of(source), 6, mtime=0)
    sources = ((source, unpacked),) if source else around.sources
    return Surroundings(MOST, uncompressed, expanded if has_views else 0, sources), header + b"".join(sections)


def whole(header: bytes) -> bytes:
    """Return the input of a layer patch with that header and without sections."""
    return WHOLE + Choice.key(_NOTHING) + struct.pack("<I", len(header)) + header


def inputs() -> Iterator[bytes]:
    for around, patch in _of_vectors():
        yield WHOLE + Choice.key(around) + patch
        with contextlib.suppress(AirpatchError):
            yield _taken_apart(around, patch).input(around)


def _taken_apart(around: Surroundings, patch: bytes) -> Parts:
    """Return the parts of a patch, with what its deltas make, as far as it is carried out. Raises FormatError if its
    header is wrong."""
    recipe = read_header(BytesBlob(patch), len(patch))
    sections = [patch[start : start + size] for start, size in map(recipe.section, range(len(recipe.sections)))]
    made = {section: section for section in sections}

    def decode(delta: ByteReader, sources: Sequence[Buffer], limit: int, see: See = lambda _: None) -> Iterator[bytes]:
        section = delta.read(len(patch))
        content = b"".join(decoder.decode(io.BytesIO(section), sources, limit, see))
        made[section] = content
        yield content

    with mock.patch.object(blob_builder, "decode", decode), contextlib.suppress(AirpatchError):
        apply(around, patch, Digest.of(b""), bytearray())
    return Parts(recipe.method, [made[section] for section in sections], around.uncompressed_size, recipe.views)


def _of_vectors() -> Iterator[tuple[Surroundings, bytes]]:
    """The layer patches of vectors, and what they are carried out in."""
    for vector in (each for pattern in ("layer-*", "good-layer-*") for each in vectors(pattern)):
        with contextlib.suppress(AirpatchError):
            bundle = read_bundle(frame_reader("file", vector), jobs=1)
            known = {each.digest: each.uncompressed_size for each in bundle.index.sources}
            for number, step in enumerate(bundle.index.steps, 1):
                if set(step.sources) <= set(known) and max(step.size, step.uncompressed_size, step.expanded) <= MOST:
                    sources = tuple((bundle.members[registry.blob_path(each)], known[each]) for each in step.sources)
                    around = Surroundings(step.size, step.uncompressed_size, step.expanded, sources)
                    yield around, bundle.members[f"{layout.PATCHES}/{number}"]
