"""Blobs and the decisions of their encoders in scratch files, which a difference is made or applied between."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import ExitStack, closing
from itertools import chain
from typing import TypeVar

from airpatch.blobs.content import Content, pieces
from airpatch.blobs.scratch import Scratch, ScratchFile, release_pages
from airpatch.deflate.decompressor import crc32
from airpatch.deflate.first_member import first_member_tokens
from airpatch.deflate.parse import GzipParser
from airpatch.encoders.gzip_layout import emit_part as emit_member
from airpatch.encoders.precedent import Precedent
from airpatch.encoders.replicas import deflater
from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_layout import emit_part
from airpatch.execution import Cancellation
from airpatch.layers.frame_decisions import FrameDecisions, read_decisions, replica_frame
from airpatch.layers.frames import split
from airpatch.layers.members import split as split_members
from airpatch.layers.recipe import COLUMNS, FRAME_COLUMNS, Replica
from airpatch.layers.steps import Sizes
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.linux import trim_heap
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB

_Piece = TypeVar("_Piece", bytes, memoryview)
RELEASE_EVERY = 8 << 20
"""Bytes made of mapped ones, after which their memory is given back: a step maps layers and four columns."""

Advance = Callable[[int], None]
"""Receives how many bytes of work are done."""


class DecisionReader:
    """Reads blobs of known `sizes`, and what their encoders decided. For use by many threads.

    All scratch files are closed by the `stack` that a method is given.
    """

    def __init__(
        self,
        sizes: Sizes,
        content: Content,
        uncompressed: UncompressedLayers,
        blocks: Executor | None,
        cancellation: Cancellation,
    ) -> None:
        self._sizes = sizes
        self._content = content
        self._uncompressed = uncompressed
        self.blocks = blocks
        self._cancellation = cancellation

    def raw(self, blob: Digest, stack: ExitStack, advance: Advance = lambda _size: None) -> ScratchFile:
        """Return a blob whose sizes are known, as it is, in a scratch file that `stack` closes."""
        size, _ = self._sizes[blob]
        file = stack.enter_context(closing(self._uncompressed.new(blob, size)))
        with closing(self._content.open(blob, size)) as reader:
            for piece in pieces(reader, size):
                file.append(piece)
                advance(len(piece))
        return file

    def columns(self, blob: Digest, stack: ExitStack, advance: Advance = lambda _size: None) -> list[ScratchFile]:
        """Return the decisions of a blob whose sizes are known, in scratch files that `stack` closes."""
        size, uncompressed = self._sizes[blob]
        with closing(self._content.open(blob, size)) as reader:
            return self._parse(counted(pieces(reader, size), advance), uncompressed, blob, stack)

    def frame_columns(
        self, blob: Digest, block: int | None, stack: ExitStack, advance: Advance = lambda _size: None
    ) -> list[ScratchFile]:
        """Return the layout and the rest of a zstd blob whose sizes are known, in scratch files that `stack` closes.

        `block` is the content of a full block of its encoder in bytes, as for `split`.
        """
        size, uncompressed = self._sizes[blob]
        layout, rest = (stack.enter_context(closing(self._uncompressed.new(blob))) for _ in range(FRAME_COLUMNS))
        with closing(self._content.open(blob, size)) as reader:
            for part, beside in split(reader, size, uncompressed, block):
                if self._cancellation.is_cancelled:
                    raise CancelledError
                layout.append(emit_part(part))
                rest.append(beside)
        advance(size)
        return [layout, rest]

    def member_columns(
        self, blob: Digest, encoder: str, stack: ExitStack, advance: Advance = lambda _size: None
    ) -> list[ScratchFile]:
        """Return the layout and the rest of a gzip blob whose sizes are known, taken for one of `encoder`, in the same
        way.
        """
        size, uncompressed = self._sizes[blob]
        layout, rest = (stack.enter_context(closing(self._uncompressed.new(blob))) for _ in range(FRAME_COLUMNS))
        with closing(self._content.open(blob, size)) as reader:
            for part, beside in split_members(reader, size, uncompressed, encoder):
                self._pause()
                layout.append(emit_member(part))
                rest.append(beside)
        advance(size)
        return [layout, rest]

    def frame_decisions(
        self,
        blob: Digest,
        stack: ExitStack,
        advance: Advance = lambda _size: None,
        alignment: Alignment | None = None,
        content: Scratch | None = None,
    ) -> FrameDecisions:
        """Return the decisions of a zstd blob whose sizes are known, in scratch files that `stack` closes.

        Without its uncompressed `content`, they are what decisions of another blob are told beside.
        """
        size, uncompressed = self._sizes[blob]
        with closing(self._content.open(blob, size)) as reader:
            file = counted(pieces(reader, size), advance)
            plain = None if content is None else content.pieces()
            return read_decisions(file, uncompressed, self._new(blob, stack), self._pause, alignment, plain)

    def replica_frame_decisions(self, encoder: str, content: Scratch, blob: Digest, stack: ExitStack) -> FrameDecisions:
        """Return the decisions of the frame that a replica makes of `content`, in scratch files that `stack` closes."""
        file = replica_frame(encoder, content.pieces(), content.size)
        return read_decisions(file, content.size, self._new(blob, stack), self._pause)

    def _new(self, blob: Digest, stack: ExitStack) -> Callable[[], ScratchFile]:
        return lambda: stack.enter_context(closing(self._uncompressed.new(blob)))

    def _pause(self) -> None:
        if self._cancellation.is_cancelled:
            raise CancelledError

    def replica_columns(
        self,
        replica: Replica,
        uncompressed: Iterable[bytes],
        blob: Digest,
        stack: ExitStack,
        search: Spend = UNBOUNDED.search,
    ) -> list[ScratchFile]:
        """Return the decisions of the gzip file that the replica makes of `uncompressed`, in the same way.

        `search` receives the steps that the replica takes.
        """
        return self._parse(self.encode(replica, uncompressed, search), MAX_BLOB, blob, stack)

    def _parse(
        self, file: Iterable[bytes | memoryview], uncompressed: int, blob: Digest, stack: ExitStack
    ) -> list[ScratchFile]:
        parser = GzipParser(uncompressed)
        columns = [stack.enter_context(closing(self._uncompressed.new(blob))) for _ in range(COLUMNS)]
        for piece in chain(file, [None]):
            if self._cancellation.is_cancelled:
                raise CancelledError
            for part in parser.close() if piece is None else parser.feed(bytes(piece)):
                for column, data in zip(columns, (part.layout, part.runs, part.sources, part.distances), strict=True):
                    column.append(data)
        trim_heap(sum(column.size for column in columns))  # the parts take more than what follows
        return columns

    def encode(
        self, replica: Replica, uncompressed: Iterable[bytes], search: Spend, precedent: Precedent | None = None
    ) -> Iterator[bytes]:
        """Yield the gzip file that the replica makes of the bytes. Raises FormatError if the encoder is unknown.

        `search` receives the steps that it takes.
        """
        encoder = deflater(replica.encoder, self.blocks, precedent, search)
        yield replica.start
        crc = size = 0
        for chunk in uncompressed:
            crc = crc32(chunk, crc)
            size += len(chunk)
            yield encoder.feed(chunk)
        yield encoder.finish()
        yield crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")

    def precedent(self, source: Digest, stack: ExitStack, advance: Advance) -> Precedent:
        """Return what the encoder of `source` decided there, read from a blob that `stack` closes.

        `advance` receives the bytes unpacked for it.
        """
        size, uncompressed_size = self._sizes[source]
        content = self._uncompressed.take(source, size, uncompressed_size, advance).view()
        reader = stack.enter_context(closing(self._content.open(source, size)))

        def tokens() -> Iterator[tuple[int, array[int]]]:
            since = 0
            for position, tokens in first_member_tokens(pieces(reader, size)):
                if position - since > RELEASE_EVERY:
                    since = position
                    release_pages([content])
                yield position, tokens

        return Precedent(memoryview(content), tokens(), lambda: release_pages([content]))


def counted(pieces: Iterable[_Piece], advance: Advance) -> Iterator[_Piece]:
    """Yield the same pieces; `advance` receives their sizes once they are used."""
    for piece in pieces:
        yield piece
        advance(len(piece))
