"""Makes the view of packed bytes by records that say where streams are (spec/VIEWS.md, Expanding).

Nothing is trusted: records that do not fit the bytes raise FormatError. Memory stays within a few hundred KiB per
level, and 20 MiB for a brotli or a zstd stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from airpatch.deflate.decompressor import DecompressionError, crc32
from airpatch.delta.source_space import Buffer
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.conversions import CONVERSIONS
from airpatch.views.cut_short import CutShort
from airpatch.views.description import FIRST_CODING, REST, SKIP, View
from airpatch.views.framings import Checksums, Directory, Surroundings, entry_fields, stream_decompressor

MAX_RATIO = 64
MAX_SMALL = 64 << 10
_INPUT = 16 << 10
"""Packed bytes read at a time: what follows a stream is copied back."""
_PIECE = 1 << 20
_BEGINNING = 1 << 12
"""Bytes that are read of what says where it ends, first, and then as many again until it does."""


def largest_view(packed: int) -> int:
    """Return how large the view of that many packed bytes may be, so that decompression bombs stay packed."""
    return MAX_RATIO * packed + MAX_SMALL


def expand(sources: Sequence[Buffer], view: View, limit: int) -> Iterator[bytes]:
    """Yield the view of the `sources`, one after another. Raises FormatError if it has more than `limit` bytes."""
    levels: list[OpenLevel] = [PackedBytes(sources)]
    for length, action in view.records():
        level = levels[-1]
        if action == SKIP:
            level.skip(length)
            continue
        for piece in level.rest() if action == REST else level.exactly(length):
            limit -= len(piece)
            if limit < 0:
                raise FormatError("the view is larger than it may be")
            yield piece
        if action >= FIRST_CODING:
            levels.append(open_level(view.codings[action - FIRST_CODING].framing, level))
        else:
            level.close()
            levels.pop()


class OpenLevel:
    """Bytes that are read in order; the last ones can be pushed back."""

    has_end = False
    """Whether the level itself determines where it ends."""

    def __init__(self) -> None:
        self.position = 0
        self.entries: dict[int, bytes] = {}
        self._back = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        if self._back:
            data, self._back = self._back[:size], self._back[size:]
        else:
            data = self._produce(size)
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        """Take back the bytes that were read last."""
        self._back = data + self._back
        self.position -= len(data)

    def exactly(self, size: int) -> Iterator[bytes]:
        """Yield `size` bytes. Raises FormatError if there are fewer."""
        while size:
            data = self.read(min(size, _PIECE))
            if not data:
                raise FormatError("the view is of more bytes than there are")
            size -= len(data)
            yield data

    def rest(self) -> Iterator[bytes]:
        """Yield what is left."""
        if not self.has_end:
            raise FormatError("the view takes all that is left where nothing says how much that is")
        return iter(lambda: self.read(_PIECE), b"")

    def skip(self, size: int) -> None:
        """Skip `size` bytes. Raises FormatError if there are fewer."""
        for _ in self.exactly(size):
            pass

    def close(self) -> None:
        """End the level. Raises FormatError if there is more, or if what follows is not what its framing demands."""

    def _produce(self, size: int) -> bytes:
        raise NotImplementedError


class PackedBytes(OpenLevel):
    """Byte strings one after another."""

    def __init__(self, sources: Sequence[Buffer]) -> None:
        super().__init__()
        self._sources = [memoryview(source).cast("B") for source in sources]
        self._number = self._at = 0

    def _produce(self, size: int) -> bytes:
        while self._number < len(self._sources):
            data = bytes(self._sources[self._number][self._at : self._at + size])
            self._at += len(data)
            if data:
                return data
            self._number += 1
            self._at = 0
        return b""

    def skip(self, size: int) -> None:
        part = min(size, len(self._back))
        self._back = self._back[part:]
        self.position += size
        size -= part
        while self._number < len(self._sources) and size > len(self._sources[self._number]) - self._at:
            size -= len(self._sources[self._number]) - self._at
            self._number += 1
            self._at = 0
        if size and self._number == len(self._sources):
            raise FormatError("the view is of more bytes than there are")
        self._at += size


class Inflated(OpenLevel):
    """The content of a packed stream; what its framing adds is read, compared, and left out."""

    has_end = True

    def __init__(self, parent: OpenLevel, framing: str) -> None:
        super().__init__()
        self._parent = parent
        self._framing = framing
        self._start = parent.position
        self._header = b""
        if framing in (framings.ENTRY, framings.STREAMED):
            self._header = b"".join(parent.exactly(framings.LOCAL_HEADER.size))
            if not self._header.startswith(framings.LOCAL_MAGIC):
                raise FormatError("the view begins a zip entry where there is none")
            name, extra = framings.LOCAL_HEADER.unpack(self._header)[-2:]
            self._header += b"".join(parent.exactly(name + extra))
            fields = framings.LOCAL_FIELDS
            self._back = self._header[: fields.start] + self._header[fields.stop :]
        self._begin = parent.position
        self._inflater = stream_decompressor(framing)
        self._sums = Checksums(framing)

    def _produce(self, size: int) -> bytes:
        inflater = self._inflater
        while not inflater.eof:
            data = inflater.unconsumed_tail or self._parent.read(_INPUT)
            try:
                out = inflater.decompress(data, size)
            except DecompressionError:
                raise FormatError("the view has a packed stream that does not decompress") from None
            if inflater.eof:
                self._parent.unread(inflater.unused_data)
            if out:
                self._sums.add(out)
                return out
            if not data:
                raise FormatError("the view has a packed stream that is cut short")
        return b""

    def close(self) -> None:
        if self.read(1):
            raise FormatError("the view has a packed stream that goes on after its end")
        parent = self._parent
        packed = parent.position - self._begin
        right = Surroundings.of(self._framing, self._sums, packed)
        if self._header:
            parent.entries[self._start] = entry_fields(self._sums, packed)
            if self._header[framings.LOCAL_FIELDS] != right.fields:
                raise FormatError("the view has a zip entry whose header states another checksum or size")
        if b"".join(parent.exactly(len(right.trailer))) != right.trailer:
            raise FormatError("the view has a stream that is followed by another checksum or size")


class OpenArchive(OpenLevel):
    """The same bytes, counted from here."""

    def __init__(self, parent: OpenLevel) -> None:
        super().__init__()
        self._parent = parent

    def skip(self, size: int) -> None:
        part = min(size, len(self._back))
        self._back = self._back[part:]
        self.position += size
        self._parent.skip(size - part)

    def close(self) -> None:
        self._parent.unread(self._back)

    def _produce(self, size: int) -> bytes:
        return self._parent.read(size)


class Chunks(OpenLevel):
    """The content of IDAT chunks, after the size of the first one; their CRCs are compared, and left out."""

    has_end = True

    def __init__(self, parent: OpenLevel) -> None:
        super().__init__()
        self._parent = parent
        self._most = self._size = self._left = 0  # bytes of the first chunk, of this one, and of it still to come
        self._crc = 0

    def _produce(self, size: int) -> bytes:
        if not self._left:
            if self._most and not self._begin(self._most):
                return b""
            if not self._most:
                if not self._begin(framings.MAX_CHUNK):
                    raise FormatError("the view begins IDAT chunks where there are none")
                self._most = self._size
                return self._most.to_bytes(4, "big")
        data = self._parent.read(min(size, self._left))
        if not data:
            raise FormatError("the view has an IDAT chunk that is cut short")
        self._crc = crc32(data, self._crc)
        self._left -= len(data)
        if not self._left and b"".join(self._parent.exactly(4)) != self._crc.to_bytes(4, "big"):
            raise FormatError("the view has an IDAT chunk with a wrong CRC-32")
        return data

    def _begin(self, most: int) -> bool:
        """Begin a chunk of at most so many bytes; return whether there is one. None follows a shorter one."""
        header = b""
        while len(header) < framings.CHUNK_HEADER.size:
            part = self._parent.read(framings.CHUNK_HEADER.size - len(header))
            header += part
            if not part:
                break
        if len(header) == framings.CHUNK_HEADER.size and self._size == self._most:
            size, kind = framings.CHUNK_HEADER.unpack(header)
            if kind == framings.IDAT and 0 < size <= most:
                self._size = self._left = size
                self._crc = crc32(framings.IDAT)
                return True
        self._parent.unread(header)
        return False

    def close(self) -> None:
        if self.read(1):
            raise FormatError("the view has IDAT chunks that go on after their end")


class CentralDirectory(OpenLevel):
    """The view of the entries of a central directory."""

    def __init__(self, parent: OpenLevel) -> None:
        super().__init__()
        self._parent = parent
        self._directory = Directory(parent.entries, True)

    def _produce(self, size: int) -> bytes:
        while data := self._parent.read(size):
            if out := self._directory.feed(data):
                return out
        return b""

    def exactly(self, size: int) -> Iterator[bytes]:
        """Yield `size` bytes, which are whole entries. Raises FormatError if they are not, or if there are fewer."""
        while size:
            data = self._parent.read(min(size, _PIECE))
            if not data:
                raise FormatError("the view is of more bytes than there are")
            size -= len(data)
            out = self._directory.feed(data)
            self.position += len(out)
            yield out
        self._directory.finish()

    def close(self) -> None:
        self._directory.finish()


class OtherForm(OpenLevel):
    """The view of what is read as a whole."""

    has_end = True

    def __init__(self, parent: OpenLevel, framing: str) -> None:
        super().__init__()
        conversion = CONVERSIONS[framing]
        held = b""
        wanted = _BEGINNING
        while True:
            while len(held) < wanted and (part := parent.read(wanted - len(held))):
                held += part
            try:
                size = conversion.size(held)
            except CutShort:
                if len(held) < wanted or wanted >= conversion.limit:
                    raise
                wanted *= 2
            else:
                break
        parent.unread(held[size:])
        self._view = conversion.view(held[:size])

    def _produce(self, size: int) -> bytes:
        return self._view[self.position : self.position + size]

    def close(self) -> None:
        if self.position < len(self._view):
            raise FormatError("the view has a class file, an index or a .pyc file that goes on after its end")


_LEVELS: dict[str, Callable[[OpenLevel], OpenLevel]] = {
    framings.RAW: lambda parent: Inflated(parent, framings.RAW),
    framings.GZIP: lambda parent: Inflated(parent, framings.GZIP),
    framings.ZLIB: lambda parent: Inflated(parent, framings.ZLIB),
    framings.BROTLI: lambda parent: Inflated(parent, framings.BROTLI),
    framings.ZSTD: lambda parent: Inflated(parent, framings.ZSTD),
    framings.ENTRY: lambda parent: Inflated(parent, framings.ENTRY),
    framings.STREAMED: lambda parent: Inflated(parent, framings.STREAMED),
    framings.ARCHIVE: OpenArchive,
    framings.DIRECTORY: CentralDirectory,
    framings.CHUNKS: Chunks,
    framings.CLASS: lambda parent: OtherForm(parent, framings.CLASS),
    framings.INDEX: lambda parent: OtherForm(parent, framings.INDEX),
    framings.PYC: lambda parent: OtherForm(parent, framings.PYC),
}


def open_level(framing: str, parent: OpenLevel) -> OpenLevel:
    """Return the level of that framing that begins where `parent` is. Raises FormatError for an unknown one."""
    if framing not in _LEVELS:
        raise FormatError(f"unknown framing {framing!r:.40} in a view")
    return _LEVELS[framing](parent)
