"""The frames of a bundle in order, from a file or a pipe, not yet decompressed.

A file is read by its seek table, so that frames can be passed over; a pipe is read by the frames' own headers, and
the seek table at its end is compared with what came. Both refuse what is cut short or continues past the end.
"""

from __future__ import annotations

import hashlib
import io
import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, Self

from airpatch.blobs.buffers import Buffers
from airpatch.blobs.byte_source import ByteSource
from airpatch.errors import FormatError, TargetError, located
from airpatch.format import magics, zstd
from airpatch.model.digest import Digest
from airpatch.units import count

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


_PIPE_BUFFER = 1 << 20
_ATTENTION = 1000
"""Milliseconds. CPython looks for signals before a system call, not in the moment in which it begins."""


class FrameReader(Protocol):
    """`name` is for errors. `content` is the size in bytes that the next frame must have, None if any will do."""

    name: str

    def next(self, content: int | None) -> zstd.Buffer:
        """Return the next frame, with `content` as `zstd.unpack` takes it, without as it is.

        Raises FormatError, or TargetError if the input fails.
        """

    def peek(self, limit: int) -> zstd.Buffer | None:
        """Return the next frame without consuming it if its content has at most `limit` bytes, else None."""

    def give_back(self, frame: zstd.Buffer) -> None:
        """Say that a frame from `next` is no longer in use."""

    def skip(self, content: int) -> None:
        """Pass over the next frame."""

    def finish(self) -> list[zstd.Frame]:
        """Check that the bundle ends here; return the seek table."""

    def close(self) -> None: ...

    @property
    def sha256(self) -> Digest | None:
        """Of all bytes that were read or passed over, the whole input once it is finished; None if not asked for."""


class _InputHash:
    """The sha256 of an input, if it `is_wanted`."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._hash = hashlib.sha256() if is_wanted else None

    @property
    def is_wanted(self) -> bool:
        return self._hash is not None

    def update(self, data: zstd.Buffer) -> None:
        if self._hash is not None:
            self._hash.update(data)

    def digest(self) -> Digest | None:
        return None if self._hash is None else Digest(self._hash.digest())


class FileFrameReader:
    """Frames out of `source`, which it owns."""

    def __init__(self, source: ByteSource, *, hashed: bool = False) -> None:
        self.name = source.name
        self.source = source
        self.size = source.size
        self._hash = _InputHash(is_wanted=hashed)
        try:
            with located(self.name):
                self.table = self._read_table()
        except BaseException:
            source.close()
            raise
        self._next = 0
        self._position = 0
        self._mismatched: list[int] = []
        self._buffers = Buffers(zstd.max_compressed(zstd.MAX_WINDOW))

    @property
    def passed(self) -> int:
        """Frames read or passed over so far."""
        return self._next

    def again(self) -> FileFrameReader:
        """Another reader of the same file, from its beginning."""
        return FileFrameReader(self.source.again())

    def read_at(self, position: int, size: int) -> memoryview:
        """Return `size` bytes of the file, the caller's own. Raises FormatError if they are not there."""
        view = memoryview(bytearray(size))
        self.read_into(view, position)
        return view

    def read_into(self, view: memoryview, position: int) -> None:
        """Fill `view` with bytes of the file. Raises FormatError if they are not there."""
        self.source.read_into(view, position)

    def next(self, content: int | None) -> zstd.Buffer:
        entry = self._entry(content)
        frame = self._buffers.take(entry.compressed)
        is_raw = content is not None and entry.compressed == zstd.raw_size(entry.content)
        position = self._position
        for part in zstd.raw_parts(frame, entry.content) if is_raw else [frame]:
            self.read_into(part, position)
            self._hash.update(part)
            position += len(part)
        if content is None and zstd.content_size(frame) != entry.content:
            raise FormatError(f"{self.name}: frame {self._next} does not have the size that the seek table says")
        if zstd.trailer(frame) != entry.checksum:
            self._mismatched.append(self._next)
        self._advance(entry)
        return frame

    def peek(self, limit: int) -> zstd.Buffer | None:
        if self._next >= len(self.table) or self.table[self._next].content > limit:
            return None
        return self.read_at(self._position, self.table[self._next].compressed)

    def give_back(self, frame: zstd.Buffer) -> None:
        self._buffers.give_back(memoryview(frame))

    def skip(self, content: int) -> None:
        entry = self._entry(content)
        if self._hash.is_wanted:
            self._hash.update(self.read_at(self._position, entry.compressed))
        self._advance(entry)

    def finish(self) -> list[zstd.Frame]:
        if left := len(self.table) - self._next:
            raise FormatError(f"{self.name}: {count(left, 'frame')} after the end of the archive")
        if self._mismatched:
            numbers = ", ".join(map(str, self._mismatched))
            raise FormatError(f"{self.name}: frames have other checksums than the seek table says: {numbers:.200}")
        if self._hash.is_wanted:
            self._hash.update(self.read_at(self._position, self.size - self._position))
        return self.table

    @property
    def sha256(self) -> Digest | None:
        return self._hash.digest()

    def close(self) -> None:
        self.source.close()

    def _entry(self, content: int | None) -> zstd.Frame:
        if self._next >= len(self.table):
            raise FormatError(f"{self.name}: ends after {self._next} frames, before the end of the archive")
        entry = self.table[self._next]
        if content is not None and entry.content != content:
            raise FormatError(f"{self.name}: frame {self._next} has {entry.content} bytes of content, not {content}")
        return entry

    def _advance(self, entry: zstd.Frame) -> None:
        self._next += 1
        self._position += entry.compressed

    def _read_table(self) -> list[zstd.Frame]:
        footer = bytes(self.read_at(max(0, self.size - zstd.FOOTER), min(self.size, zstd.FOOTER)))
        try:
            length = zstd.seek_table_length(footer)
        except FormatError:
            raise self._misfit() from None
        if length > self.size:
            raise FormatError(f"{self.name}: cut short: its seek table does not fit into it")
        table = zstd.parse_seek_table(bytes(self.read_at(self.size - length, length)))
        if sum(frame.compressed for frame in table) + length != self.size:
            if self._head().startswith(magics.TOP_UP):  # one that brings the end of a bundle
                raise self._misfit()
            raise FormatError(f"{self.name}: its frames and its seek table do not add up to its size; copy it again")
        if any(f.content > zstd.MAX_WINDOW or f.compressed > zstd.max_compressed(f.content) for f in table):
            raise FormatError(f"{self.name}: its seek table has a frame that is larger than any that a bundle has")
        return table

    def _head(self) -> bytes:
        return bytes(self.read_at(0, min(self.size, magics.HEAD)))

    def _misfit(self) -> FormatError:
        """Return the error for a file that is no bundle, or not a whole one."""
        from airpatch.archive.misfits import describe  # only such a file needs it

        return FormatError(f"{self.name}: {describe(self._head())}")


class InterruptiblePipe(io.FileIO):
    """A pipe. A signal that comes just before a read is handled within a second, however long the sender is silent."""

    @classmethod
    def opened(cls, fd: int) -> Self:
        """Return the pipe `fd`, made blocking: left non-blocking, its reads would return nothing."""
        os.set_blocking(fd, True)
        return cls(fd)

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        poll = select.poll()
        poll.register(self, select.POLLIN)
        while not poll.poll(_ATTENTION):
            pass
        return super().readinto(buffer)


class PipeFrameReader:
    """Frames out of `stream`, which it owns: of a pipe, a socket or a device."""

    def __init__(self, name: str, stream: io.RawIOBase, *, hashed: bool = False) -> None:
        self.name = name
        self._hash = _InputHash(is_wanted=hashed)
        self._file = io.BufferedReader(stream, _PIPE_BUFFER)
        self._frames: list[zstd.Frame] = []
        self._peeked: bytes | None = None

    def next(self, content: int | None) -> bytes:
        frame, self._peeked = self._peeked, None
        if frame is None:
            frame = self._read_frame(content)
        declared = zstd.content_size(frame)
        if content is not None:
            zstd.require_content(declared, content)
        self._frames.append(zstd.Frame(len(frame), declared, zstd.trailer(frame)))
        self._hash.update(frame)
        return frame

    def peek(self, limit: int) -> bytes | None:
        if self._peeked is None:
            self._peeked = self._read_frame(None)
        return self._peeked if zstd.content_size(self._peeked) <= limit else None

    def _read_frame(self, content: int | None) -> bytes:
        """Return the next frame; where it is the first, the error says what came in place of a bundle."""
        head = self._reading(self._file.peek, magics.HEAD)[: magics.HEAD] if not self._frames else b""
        try:
            return zstd.read_frame(self._read, content)
        except FormatError:
            from airpatch.archive.misfits import CUT_SHORT, describe

            what = describe(head, is_pipe=True)
            if self._frames or what == CUT_SHORT:
                raise
            raise FormatError(f"{self.name}: {what}") from None

    def give_back(self, frame: zstd.Buffer) -> None:
        """Do nothing: the frame goes with its last user."""

    def skip(self, content: int) -> None:
        self.next(content)

    def finish(self) -> list[zstd.Frame]:
        expected = zstd.emit_seek_table(self._frames)
        if self._read(len(expected)) != expected or self._file.read(1):
            raise FormatError(f"{self.name}: the seek table does not describe what came, or is not the end")
        self._hash.update(expected)
        return self._frames

    @property
    def sha256(self) -> Digest | None:
        return self._hash.digest()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _read(self, size: int) -> bytes:
        data = self._reading(self._file.read, size)
        if len(data) != size:
            raise FormatError(f"{self.name}: cut short: it ends in the middle of the bundle")
        return data

    def _reading(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except OSError as error:
            raise TargetError(f"{self.name}: cannot be read: {error.strerror}") from None
