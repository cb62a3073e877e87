"""Hold airpatch against the second reader (spec/reader) on mutated input: same verdict, same class, same digests.

    python -m fuzz.readers [KIND ...] [--cases N] [--seed N] [--seconds N]

Kinds are those of `KINDS`, all of them by default; `--cases` counts those of each. Every disagreement is a defect of
one of the readers or of spec/, and is printed with its input in hexadecimal; the exit code is then 1. Put what is found
into `fixtures/` as a vector.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from airpatch.deflate.emit import emit
from airpatch.deflate.parse import GzipParser
from airpatch.delta.columns import COLUMNS, ColumnDecompressor
from airpatch.delta.decoder import decode
from airpatch.errors import AirpatchError, FormatError, IntegrityError
from airpatch.format.index_encoding import parse_index
from airpatch.layers.proof import prove
from airpatch.model.manifest import parse_manifest
from airpatch.signing.bundle_signatures import check_signature
from airpatch.views.choose import Views
from airpatch.views.conversions import CONVERSIONS, Conversion
from airpatch.views.description import emit_view, parse_view
from airpatch.views.expand import expand
from airpatch.views.fold import fold
from airpatch.views.framings import CLASS, INDEX, PYC
from fixtures import java_class, jimage, python_code
from fixtures.delta.by_hand import one_check, segment
from fixtures.delta.generate import bad, good
from fixtures.delta.vectors import head
from fixtures.json_cases import json_cases
from fixtures.vector_signatures import signature
from fuzz.deflate import mutated
from fuzz.deflate import seeds as gzip_files
from fuzz.seeds import members, vectors
from spec.reader import (
    bundle,
    class_files,
    decisions,
    deflate,
    delta,
    jimage_index,
    manifests,
    pyc_files,
    sshsig,
    views,
)
from spec.reader.errors import Refusal, Unsupported, require
from spec.reader.index import Index
from tests.support import execution, frame_reader
from tests.views.support import archive, elf, gz, undo
from tests.views.support import views as views_of

Parts = list[bytes]
Judge = Callable[[Parts], object]
"""Returns what a reader makes of an input, whose parts belong together, or raises why it refuses it."""
LIMIT = 1 << 20
"""Most bytes that an input may make."""


@dataclass(frozen=True)
class Kind:
    """What is compared: seeds, and the two readers.

    `mutable` says how many of the first parts are mutated; with `keeps_size` these have the sizes that they had.
    """

    seeds: Callable[[], list[Parts]]
    airpatch: Judge
    reader: Judge
    mutable: int = 1
    keeps_size: bool = False

    def mutant(self, parts: Parts, other: Parts, rng: random.Random) -> Parts:
        """Parts of which one is mutated, partly into what another input has there."""
        at = rng.randrange(self.mutable)
        made = mutated(parts[at], other[min(at, len(other) - 1)], rng)
        if self.keeps_size:
            made = (made + parts[at][len(made) :])[: len(parts[at])]
        return [*parts[:at], made, *parts[at + 1 :]]


def _digests(parts: Sequence[bytes]) -> list[str]:
    return [hashlib.sha256(part).hexdigest() for part in parts]


def _columns(blob: bytes) -> Parts:
    parser = GzipParser(LIMIT)
    parts = [*parser.feed(blob), *parser.close()]
    names = ("uncompressed", "layout", "runs", "sources", "distances")
    return [b"".join(getattr(part, name) for part in parts) for name in names]


def _columns_again(parts: Parts) -> object:
    content = b"".join(member.content for member in deflate.parse(parts[0])[0])
    return _digests([content, *decisions.of_file(parts[0])])


def _gzip() -> list[Parts]:
    return [[file] for file in gzip_files()]


def _taken_apart() -> list[Parts]:
    found = []
    for file in gzip_files():
        try:
            content, *columns = _columns(file)
        except AirpatchError:
            continue
        found.append([*columns, content])
    return found


def _emitted(parts: Parts) -> object:
    *columns, content = parts
    out = b""
    for piece in emit(*(io.BytesIO(part).read for part in (content, *columns))):
        out += piece
        if len(out) > LIMIT:
            raise IntegrityError("more than it may make")
    return _digests([out])


def _emitted_again(parts: Parts) -> object:
    layout, runs, sources, distances, content = parts
    return _digests([decisions.to_file(content, (layout, runs, sources, distances), LIMIT)])


def _deltas() -> list[Parts]:
    return [[vector.delta, *vector.sources] for vector in (*good(), *bad(), *one_check())]


def _sources() -> list[Parts]:
    """Sources of one delta each, before it; what is mutated is what covers and their predictions read."""
    return [[*vector.sources[:1], vector.delta, *vector.sources[1:]] for vector in good() if any(vector.sources)]


def _columns_of_deltas() -> list[Parts]:
    """The columns, the head and the sources of deltas of one segment that has nothing mixed."""
    found = []
    for vector in good():
        start = head(len(vector.expect), vector.sources)
        reader = ColumnDecompressor(io.BytesIO(vector.delta[len(start) :]))
        with contextlib.suppress(FormatError):
            columns = reader.segment()
            if reader.at_end() and not reader.mixed:
                found.append([*columns, start, *vector.sources])
    return found


def _joined(parts: Parts) -> tuple[bytes, Parts]:
    return parts[COLUMNS] + segment(parts[:COLUMNS]), parts[COLUMNS + 1 :]


def _decoded(delta_: bytes, sources: Parts) -> object:
    return _digests([b"".join(decode(io.BytesIO(delta_), sources, LIMIT))])


def _decoded_again(delta_: bytes, sources: Parts) -> object:
    return _digests([delta.apply(delta_, sources, LIMIT)])


def _view(parts: Parts) -> object:
    view = parse_view(parts[0])
    return _digests([b"".join(map(bytes, expand([memoryview(parts[1])], view, LIMIT)))])


def _view_again(parts: Parts) -> object:
    view = views.expand(views.parse(parts[0], False), parts[1])
    require(len(view) <= LIMIT, "more than it may make")
    return _digests([view])


def _described() -> list[Parts]:
    """Descriptions of views of sources, and what they are of."""
    return [[emit_view(found.source), old] for old, _, found in _nested()]


def _nested() -> Iterator[tuple[bytes, bytes, Views]]:
    """Old and new containers, and the views that the writer makes of them."""
    old, new = (b"public static void main " * 9 + end for end in (b"old", b"new"))
    makers: list[Callable[[bytes], bytes]] = [
        lambda held: archive({"a.class": held, "b.txt": b"text", "c.jar": archive({"d": held})}),
        lambda held: archive({"a.class": held, "b.txt": b"text"}, streamed=True),
        lambda held: gz(held) + b"behind",
        lambda held: elf({".debug_info": held}),
        lambda held: archive({"a.class": java_class.whole([held.decode()])}),
        lambda held: _index_of(held.decode()),
        lambda held: archive({"a.pyc": python_code.whole([held.decode()])}),
    ]
    for make in makers:
        yield make(old), make(new), views_of(make(new), make(old))


def _index_of(more: str) -> bytes:
    resources = (*jimage.RESOURCES, ("", "", more, "", 0, 7))
    return CONVERSIONS[INDEX].packed(jimage.view_of(resources))


def _converted(conversion: Conversion, again: Callable[[bytes, bool], tuple[bytes, int]], *files: bytes) -> Kind:
    """Files and their views, each followed by a part that says which of the two it is."""

    def airpatch(parts: Parts) -> object:
        data, is_view = parts
        if is_view:
            return _digests([conversion.packed(data)])
        size = conversion.size(data[: conversion.limit])
        return size, _digests([conversion.view(data[:size])])

    def reader(parts: Parts) -> object:
        data, is_view = parts
        made, size = again(data, bool(is_view))
        if is_view:
            require(size == len(data), "bytes that are left over")
            return _digests([made])
        return size, _digests([made])

    def seeds() -> list[Parts]:
        return [each for file in files for each in ([file, b""], [conversion.view(file), b"view"])]

    return Kind(seeds, airpatch, reader)


def _folded() -> list[Parts]:
    """Descriptions of reversible views, and the views."""
    return [[emit_view(found.target), undo(new, found)] for _, new, found in _nested()]


def _fold(parts: Parts) -> object:
    return _digests([b"".join(fold([parts[1]], parse_view(parts[0])))])


def _fold_again(parts: Parts) -> object:
    return _digests([views.fold(views.parse(parts[0], True), parts[1])])


def _index(parts: Parts) -> object:
    return str(parse_index(parts[0]).release_id)


def _manifest(parts: Parts) -> object:
    manifest = parse_manifest(parts[0])
    below = [*manifest.blobs, *manifest.manifests]
    return manifest.media_type, [(one.digest.raw, one.size, one.media_type) for one in below]


def _manifest_again(parts: Parts) -> object:
    manifest = manifests.parse_manifest(parts[0])
    below = [*manifest.blobs, *manifest.children]
    return manifest.media_type, [(one.digest, one.size, one.media_type) for one in below]


def _bundle(parts: Parts) -> object:
    verified = prove(frame_reader("file", parts[0]), execution(1))
    for finding in verified.findings:
        raise finding
    return str(verified.index.release_id)


def _bundle_again(parts: Parts) -> object:
    read = bundle.read(parts[0], None, now=0)  # airpatch's does not look at the clock either
    if read.unsupported and not read.unsupported.startswith("sources"):
        raise Unsupported(read.unsupported)
    return f"sha256:{read.index.release_id.hex()}"


KINDS: dict[str, Kind] = {
    "gzip": Kind(_gzip, lambda parts: _digests(_columns(parts[0])), _columns_again),
    "decisions": Kind(_taken_apart, _emitted, _emitted_again, 4),
    "delta": Kind(
        _deltas,
        lambda parts: _decoded(parts[0], parts[1:]),
        lambda parts: _decoded_again(parts[0], parts[1:]),
    ),
    "columns": Kind(
        _columns_of_deltas,
        lambda parts: _decoded(*_joined(parts)),
        lambda parts: _decoded_again(*_joined(parts)),
        COLUMNS,
    ),
    "source": Kind(
        _sources,
        lambda parts: _decoded(parts[1], [parts[0], *parts[2:]]),
        lambda parts: _decoded_again(parts[1], [parts[0], *parts[2:]]),
        keeps_size=True,
    ),
    "index": Kind(
        lambda: [[content] for content in members(".airpatch/index\0")],
        _index,
        lambda parts: f"sha256:{Index(parts[0]).release_id.hex()}",
    ),
    "manifest": Kind(lambda: [[case.content] for case in json_cases()], _manifest, _manifest_again),
    "signature": Kind(
        lambda: [[signature()]],
        lambda parts: check_signature(parts[0]) is not None,
        lambda parts: sshsig.parse(parts[0]) is not None,
    ),
    "view": Kind(_described, _view, _view_again, 2),
    "fold": Kind(_folded, _fold, _fold_again, 2),
    "class": _converted(CONVERSIONS[CLASS], class_files.convert, java_class.whole(), java_class.whole(["rate"], 12)),
    "pyc": _converted(
        CONVERSIONS[PYC],
        pyc_files.convert,
        *(python_code.whole(version=version) for version in (*python_code.OLD_VERSIONS, *python_code.NEW_VERSIONS)),
        python_code.whole(["interest"], 3),
    ),
    "jimage": _converted(CONVERSIONS[INDEX], jimage_index.convert, _index_of("name"), _index_of("other")),
    "bundle": Kind(lambda: [[vector] for vector in vectors() if len(vector) < 1 << 14], _bundle, _bundle_again),
}


def judge(judging: Judge, parts: Parts) -> str:
    """What a reader says of an input, in one word or line."""
    try:
        return json.dumps(judging(parts), default=repr)
    except AirpatchError as error:  # codecs have classes of their own
        return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == AirpatchError.__module__)
    except Refusal as error:
        return type(error).__name__
    except Unsupported:
        return "unsupported"


def compare(kind: Kind, parts: Parts) -> str | None:
    """How the readers disagree about an input, None if they agree."""
    again = judge(kind.reader, parts)
    first = judge(kind.airpatch, parts)
    return None if again in (first, "unsupported") else f"airpatch: {first[:200]}; second reader: {again[:200]}"


def run(name: str, cases: int, seed: int, seconds: float) -> int:
    """Compare the readers on seeds and mutants of them; returns how many disagreements were found."""
    kind, rng = KINDS[name], random.Random(seed)  # noqa: S311 # cases, no secrets
    inputs = kind.seeds()
    until = time.monotonic() + seconds
    found: Counter[str] = Counter()
    tried = 0
    for tried in range(1, cases + 1):  # counts
        parts = list(inputs[tried - 1] if tried <= len(inputs) else rng.choice(inputs))
        if tried > len(inputs):
            parts = kind.mutant(parts, rng.choice(inputs), rng)
        said = compare(kind, parts)
        if said is not None:
            found[said[:60]] += 1
            if found[said[:60]] <= 3:
                print(f"{name}: {said}\n  {' '.join(part.hex() or '-' for part in parts)[:20000]}", flush=True)
        if time.monotonic() > until:
            break
    print(f"{name}: {tried} cases, {sum(found.values())} disagreements", flush=True)
    return sum(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each kind")
    arguments = parser.parse_args()
    if unknown := ", ".join(each for each in arguments.kinds if each not in KINDS):
        parser.error(f"no such kind: {unknown} (there are {', '.join(KINDS)})")
    return int(sum(run(kind, arguments.cases, arguments.seed, arguments.seconds) for kind in arguments.kinds) > 0)


if __name__ == "__main__":
    sys.exit(main())
