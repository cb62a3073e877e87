"""Makes layer patches: for each new blob its sources, the difference, the way to rebuild it, and the proof.

Blobs are unpacked to scratch files and described by the files in them; for each new blob the sources are chosen among
the base's blobs and the new ones before it, so that what two blobs share travels once. Each patch is carried out
before it is kept, by the code that will do it on the target. A patch that is not smaller than its blob is dropped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain

from bundle.archive.content import PIECE, Content
from bundle.delta.encode import Effort, encode
from bundle.encoders.recognise import header_size, recognise
from bundle.errors import FormatError, IntegrityError
from bundle.format.index import SourceBlob, Step
from bundle.layers.plaintext import Compression, extract
from bundle.layers.plaintexts import Plaintexts
from bundle.layers.rebuild import Builder, parse_columns
from bundle.layers.recipe import COLUMNS, Method, Plain, Replay, Replica, emit_header
from bundle.layers.resemblance import Catalogue, Contents
from bundle.layers.scratch import NewFile, ScratchFile
from bundle.model.digest import Digest
from bundle.model.manifest import MAX_BLOB
from bundle.model.release import Blob

_RECOGNISED = 1 << 20
"""Bytes of a gzip blob by which its encoder is recognised."""
_ALWAYS = 1 << 62
"""Users of a plaintext that the differ itself gives up."""
_REPLAY_SHARE = {Effort.FAST: 128, Effort.DEFAULT: 1024, Effort.BEST: 1 << 62}
"""Replay is preferred where its decisions take no more than one byte for so many bytes of plaintext."""
MIN_BLOB = 4 << 10
"""Bytes; smaller blobs travel whole, since a patch has a row in the index and a member of its own."""


@dataclass(frozen=True, slots=True)
class Options:
    """`memory` in bytes for all `jobs` together; `jobs` None takes the machine's processors."""

    effort: Effort = Effort.DEFAULT
    memory: int = 1 << 30
    jobs: int | None = None
    progress: Callable[[int], None] = lambda _: None
    announce: Callable[[str, int], None] = lambda _label, _total: None


def workers(options: Options) -> int:
    """How many blobs are worked on at once."""
    return options.jobs or os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """A blob on the sender's side."""

    blob: Blob
    compression: Compression
    file: ScratchFile
    contents: Contents


@dataclass(slots=True)
class LayerPatches:
    """What a differ made: steps in their order, the sources that no step makes, and the patches as a `Content`."""

    steps: list[Step] = field(default_factory=list)
    sources: list[SourceBlob] = field(default_factory=list)
    files: dict[Digest, ScratchFile] = field(default_factory=dict)

    def size(self, digest: Digest) -> int | None:
        file = self.files.get(digest)
        return None if file is None else file.size

    def open(self, digest: Digest, size: int) -> ScratchBlob:
        file = self.files[digest]
        if file.size != size:
            raise FormatError(f"layer patch {digest} has {file.size} bytes, not {size}")
        return ScratchBlob(file)

    def close(self) -> None:
        """Give up the patches."""
        for file in self.files.values():
            file.close()


class ScratchBlob:
    """A scratch file as a blob."""

    def __init__(self, file: ScratchFile) -> None:
        self._file = file

    def read_into(self, view: memoryview, offset: int) -> None:
        view[:] = self._file.read(offset, len(view))

    def close(self) -> None:
        """The file stays."""


class Differ:
    """Makes layer patches out of blobs that `content` has, with scratch files of `new_file`."""

    def __init__(self, content: Content, new_file: NewFile, options: Options) -> None:
        self._content = content
        self._new_file = new_file
        self._options = options

    def make(self, targets: Sequence[Blob], available: Sequence[Blob]) -> LayerPatches:
        """Patches for those of the `targets` that get smaller by one, using blobs that are `available` on every target.

        Blobs that do not decompress are neither patched nor used. Raises TargetError if scratch space runs out, and
        what `content` raises.
        """
        targets = [blob for blob in targets if blob.size >= MIN_BLOB]
        available = [blob for blob in available if blob.size >= MIN_BLOB]
        options = self._options
        with ThreadPoolExecutor(workers(options)) as pool, ExitStack() as stack:
            options.announce("unpacking layers", sum(blob.size for blob in (*available, *targets)))
            unpacked = {u.blob.digest: u for u in pool.map(self._unpack, (*available, *targets)) if u is not None}
            for each in unpacked.values():
                stack.callback(each.file.close)
            old = [unpacked[blob.digest] for blob in available if blob.digest in unpacked]
            new = [unpacked[blob.digest] for blob in targets if blob.digest in unpacked]
            new.sort(key=lambda u: u.compression is not Compression.ZSTD)
            chosen = _choose_sources(old, new)
            options.announce("making layer patches", sum(u.contents.size for u in new))
            work = _Workshop(self._content, self._new_file, unpacked, options)
            return _collect(new, chosen, unpacked, pool.map(work.patch, new, chosen))

    def _unpack(self, blob: Blob) -> _Unpacked | None:
        file = ScratchFile(self._new_file, str(blob.digest))
        try:
            with closing(self._content.open(blob.digest, blob.size)) as reader:
                kind = extract(reader, blob.size, file.append, MAX_BLOB)
            contents = Contents.of(memoryview(file.view()))
        except FormatError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        file.relax()
        self._options.progress(blob.size)
        return _Unpacked(blob, kind, file, contents)


def _choose_sources(old: Sequence[_Unpacked], new: Sequence[_Unpacked]) -> list[list[_Unpacked]]:
    """For each new blob the blobs whose plaintexts resemble its own: old ones, and new ones before it."""
    catalogue: Catalogue[_Unpacked] = Catalogue()
    for each in old:
        catalogue.add(each, each.contents)
    chosen = []
    for target in new:
        chosen.append(catalogue.choose(target.contents))
        catalogue.add(target, target.contents)
    return chosen


def _collect(
    new: Sequence[_Unpacked],
    chosen: Sequence[Sequence[_Unpacked]],
    unpacked: dict[Digest, _Unpacked],
    made: Iterator[_Made | None],
) -> LayerPatches:
    patches = LayerPatches()
    outside: dict[Digest, SourceBlob] = {}
    steps = {}
    for target, sources, patch in zip(new, chosen, made, strict=True):
        if patch is None:
            continue
        patches.files[patch.digest] = patch.file
        digests = tuple(source.blob.digest for source in sources)
        step = Step(target.blob.digest, target.blob.size, target.contents.size, patch.digest, patch.file.size, digests)
        steps[step.digest] = step
    for step in steps.values():
        for digest in step.sources:
            if digest not in steps:
                source = unpacked[digest]
                outside[digest] = SourceBlob(digest, source.blob.size, source.contents.size)
    patches.steps = list(steps.values())
    patches.sources = [outside[digest] for digest in sorted(outside)]
    return patches


@dataclass(frozen=True, slots=True)
class _Made:
    digest: Digest
    file: ScratchFile


class _Workshop:
    """Makes and proves single patches, on many threads."""

    def __init__(
        self, content: Content, new_file: NewFile, unpacked: dict[Digest, _Unpacked], options: Options
    ) -> None:
        self._content = content
        self._new_file = new_file
        self._options = options
        self._plaintexts = Plaintexts(content, new_file, dict.fromkeys(unpacked, _ALWAYS))
        for digest, each in unpacked.items():
            self._plaintexts.put(digest, each.file)
        sizes = {digest: (each.blob.size, each.contents.size) for digest, each in unpacked.items()}
        self._builder = Builder(sizes, content, self._plaintexts, None)

    def patch(self, target: _Unpacked, sources: Sequence[_Unpacked]) -> _Made | None:
        """A small patch that works; None if the blob as it is is no larger."""
        if target.compression is Compression.ZSTD:
            return None
        with ExitStack() as stack:
            files = [source.file for source in sources]
            delta = stack.enter_context(closing(self._difference(target.file, files, str(target.blob.digest))))
            for method, decisions in self._methods(target, sources, stack):
                made = self._assemble(method, [delta, *decisions])
                if made.file.size < target.blob.size and self._proves(made, target, sources):
                    break
                made.file.close()
            else:
                made = None
        self._options.progress(target.contents.size)
        return made

    def _difference(self, target: ScratchFile, sources: Sequence[ScratchFile], name: str) -> ScratchFile:
        """The difference of a plaintext, or of a column of decisions, to those of the sources."""
        files = (target, *sources)

        def relax() -> None:
            for file in files:
                file.relax()

        delta = ScratchFile(self._new_file, name)
        entries = _index_entries(self._options.memory // workers(self._options))
        views = [file.view() for file in sources]
        for chunk in encode(target.view(), views, self._options.effort, entries, relax):
            delta.append(chunk)
        relax()
        return delta

    def _methods(
        self, target: _Unpacked, sources: Sequence[_Unpacked], stack: ExitStack
    ) -> Iterator[tuple[Method, list[ScratchFile]]]:
        """Ways to rebuild the blob, the best first, with the decisions that each takes.

        A replica takes none, but has to search all matches again; replay is several times as fast on the target, so it
        comes first where its decisions cost next to nothing.
        """
        if target.compression is Compression.NONE:
            yield Plain(), []
            return
        like = tuple(i for i, s in enumerate(sources) if s.compression is Compression.GZIP)[:1]
        decisions = self._decisions(target, [sources[i] for i in like], stack)
        cheap = sum(file.size for file in decisions) * _REPLAY_SHARE[self._options.effort] <= target.contents.size
        if cheap:
            yield Replay(like), decisions
        with closing(self._content.open(target.blob.digest, target.blob.size)) as reader:
            start = bytearray(min(_RECOGNISED, target.blob.size))
            reader.read_into(memoryview(start), 0)
        header = bytes(start[: header_size(bytes(start))])
        for name in recognise(bytes(start)):
            yield Replica(name, header), []
        if not cheap:
            yield Replay(like), decisions

    def _decisions(self, target: _Unpacked, similar: Sequence[_Unpacked], stack: ExitStack) -> list[ScratchFile]:
        """The decisions of the blob, each column as a difference to those of the blobs `similar`."""
        with ExitStack() as columns:
            own = self._columns(target, columns)
            others = [self._columns(each, columns) for each in similar]
            name = str(target.blob.digest)
            differences = [self._difference(column, [o[i] for o in others], name) for i, column in enumerate(own)]
        return [stack.enter_context(closing(difference)) for difference in differences]

    def _assemble(self, method: Method, sections: Sequence[ScratchFile]) -> _Made:
        file = ScratchFile(self._new_file, "a layer patch")
        hasher = hashlib.sha256()
        header = emit_header(method, tuple(section.size for section in sections))
        for piece in chain([header], *(_pieces(section) for section in sections)):
            hasher.update(piece)
            file.append(piece)
        return _Made(Digest(hasher.digest()), file)

    def _columns(self, blob: _Unpacked, stack: ExitStack) -> list[ScratchFile]:
        name = str(blob.blob.digest)
        files = [stack.enter_context(closing(ScratchFile(self._new_file, name))) for _ in range(COLUMNS)]
        with closing(self._content.open(blob.blob.digest, blob.blob.size)) as reader:
            parse_columns(reader, blob.blob.size, blob.contents.size, files)
        return files

    def _proves(self, made: _Made, target: _Unpacked, sources: Sequence[_Unpacked]) -> bool:
        """Whether the patch makes the blob, carried out as on the target."""
        digests = tuple(source.blob.digest for source in sources)
        blob = target.blob
        step = Step(blob.digest, blob.size, target.contents.size, made.digest, made.file.size, digests)
        try:
            self._builder.build(step, ScratchBlob(made.file), _Nowhere())
        except (FormatError, IntegrityError):
            return False
        return True


class _Nowhere:
    """An output that keeps nothing: the digest alone counts."""

    def write(self, piece: memoryview) -> None:
        pass

    def complete(self) -> None:
        pass


def _pieces(file: ScratchFile) -> Iterator[bytes]:
    return (file.read(offset, PIECE) for offset in range(0, file.size, PIECE))


def _index_entries(memory: int) -> int:
    """Entries of the index of anchors, 8 bytes each: an eighth of the memory that one worker has.

    Aligning takes up to half of it, mapped plaintexts the rest.
    """
    return 1 << max(16, min(24, (memory // 8 // 8).bit_length() - 1))
