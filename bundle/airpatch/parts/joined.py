"""The parts of one file, read as that file at any offset without joining them.

1. A byte is given out only after the chunk that holds it has been verified.
2. A chunk that is lost or damaged is rebuilt by parity, out of the same chunk of as many other parts as there are data
   parts: parts that are damaged at different places still help each other.
3. Where that is not possible, every part that is missing or damaged is named.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

from airpatch.errors import FormatError, IntegrityError, UsageError
from airpatch.format.parts import WholeFile
from airpatch.linux import is_file, is_folder
from airpatch.parts.parity import Parity
from airpatch.parts.part_files import FoundParts, PartFile, find_parts
from airpatch.units import count

_KEPT_CHUNKS = 16


class JoinedParts:
    """The file `whole` out of its parts, as a ByteSource; `found` are those that are there, a part perhaps twice.

    `folders` are looked through again by `look_again`. For use by many threads.
    """

    def __init__(self, whole: WholeFile, found: FoundParts, folders: Iterable[Path] = ()) -> None:
        self.whole = whole
        self.name = whole.name
        self.size = whole.size
        self._folders = tuple(dict.fromkeys(folders))
        self._files: dict[int, list[PartFile]] = {}
        self._spoiled: dict[Path, str] = {}
        self._parity: Parity | None = None
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._rebuilt: set[int] = set()
        self._lock = threading.Lock()
        self._add(found)

    def _add(self, found: FoundParts) -> None:
        """Take in what was found; what contradicts a first part counts as damaged."""
        known = {path for copies in self._files.values() for path in (part.path for part in copies)}
        new = [part for part in found.parts if part.header.whole == self.whole and part.path not in known]
        self._spoiled |= found.spoiled
        for part in sorted(new, key=lambda part: part.header.number):
            first = next(iter(self._files.get(1, ())), None)
            if first is None or first.header.digest_of(part.header.number) == part.header.digest:
                self._files.setdefault(part.header.number, []).append(part)
            else:
                self._spoiled[part.path] = "the first part knows other sums of it"

    def again(self) -> JoinedParts:
        """Return itself: there is nothing to close."""
        return self

    def close(self) -> None:
        """Files are open only while they are read."""

    @property
    def where(self) -> str:
        """Where parts are looked for again."""
        return " or ".join(map(str, self._folders))

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the parts that are not there now, on media that may be changed."""
        return tuple(number for number in range(1, self.whole.parts + 1) if not self.has(number))

    @property
    def is_complete(self) -> bool:
        """Whether enough parts are there now, provided they are undamaged."""
        missing = self.missing
        if not any(number <= self.whole.data_parts for number in missing):
            return True
        return len(missing) <= self.whole.parity

    @property
    def rebuilt(self) -> tuple[int, ...]:
        """The numbers of the parts that parity has stood in for so far."""
        return tuple(sorted(self._rebuilt))

    def look_again(self) -> None:
        """Look for parts that have come since."""
        self._add(find_parts([folder for folder in self._folders if is_folder(folder)]))

    def has(self, number: int) -> bool:
        """Return whether the part `number` is there now, on a medium that may be changed."""
        return any(is_file(part.path) for part in self._files.get(number, ()))

    def number_at(self, position: int) -> int:
        """Return the number of the data part that holds the byte at `position`."""
        return position // self.whole.part_size + 1

    def read_into(self, view: memoryview, position: int) -> None:
        """As ByteSource. Raises IntegrityError that names what is missing or damaged."""
        if position + len(view) > self.size:
            raise FormatError(f"{self.name}: ends before the end of the archive")
        while view:
            number = self.number_at(position)
            chunk, offset = divmod(position % self.whole.part_size, self.whole.chunk)
            piece = self._chunk(number, chunk)[offset : offset + len(view)]
            view[: len(piece)] = piece
            view, position = view[len(piece) :], position + len(piece)

    def require_complete(self) -> None:
        """Raise IntegrityError, naming what is missing and damaged, unless there are enough parts."""
        if not self.is_complete:
            raise self.error()

    def error(self) -> IntegrityError:
        """Return the error for the parts, after reading all of them."""
        whole = self.whole
        findings = [text for number in range(1, whole.parts + 1) if (text := self._finding(number)) is not None]
        bad = len(findings)
        findings += [f"a part that cannot be used: {path}: {why}" for path, why in self._spoiled.items()]
        are = "is" if bad == 1 else "are"
        message = f"{self.name}: of {count(whole.parts, 'part')}, {bad} {are} missing or damaged"
        if whole.parity:
            message += f", more than the {whole.parity} that parity can replace"
        return IntegrityError(f"{message}; copy {'it' if bad == 1 else 'them'} again", findings)

    def _finding(self, number: int) -> str | None:
        """Return what is wrong with the part `number`, if anything is."""
        name = self.whole.part_name(number)
        copies = [part for part in self._files.get(number, ()) if is_file(part.path)]
        if not copies:
            return f"part {number} is missing: {name}"
        chunks = self.whole.chunks(number)
        bad = [chunk for chunk in range(chunks) if all(copy.chunk(chunk) is None for copy in copies)]
        if not bad:
            return None
        return f"part {number} is damaged in {len(bad)} of {chunks} chunks: {copies[0].path}"

    def _chunk(self, number: int, chunk: int) -> bytes:
        key = number, chunk
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        content = self._verified(number, chunk)
        if content is None:
            content = self._rebuild(number, chunk)
        with self._lock:
            self._kept[key] = content
            if len(self._kept) > _KEPT_CHUNKS:
                self._kept.popitem(last=False)
        return content

    def _verified(self, number: int, chunk: int) -> bytes | None:
        """Return a chunk from any file that has it undamaged, else None."""
        copies = self._files.get(number, ())
        return next((content for part in copies if (content := part.chunk(chunk)) is not None), None)

    def _rebuild(self, number: int, chunk: int) -> bytes:
        """Return a chunk by parity. Raises IntegrityError if too much is missing, UsageError without the extra."""
        whole = self.whole
        if not whole.parity:
            raise self.error()
        columns = dict(self._columns(number, chunk))
        if len(columns) < whole.data_parts:
            raise self.error()
        with self._lock:  # the library below keeps state
            if self._parity is None:
                try:
                    self._parity = Parity(whole.data_parts, whole.parity)
                except UsageError as error:
                    message = f"{self.name}: {error.message}, or copy again what is missing or damaged"
                    raise UsageError(message, self.error().findings) from None
            (column,) = self._parity.rebuild(columns, [number - 1])
            self._rebuilt.add(number)
        return column[: whole.payload(number) - chunk * whole.chunk]

    def _columns(self, number: int, chunk: int) -> Iterator[tuple[int, bytes]]:
        """Yield the same chunk of as many other parts as there are data parts, or of as many as are undamaged."""
        whole = self.whole
        count = 0
        for other in range(1, whole.parts + 1):
            if other == number or count == whole.data_parts:
                continue
            content: bytes | None = b""
            if chunk < whole.chunks(other):
                content = self._verified(other, chunk)
            if content is not None:
                count += 1
                yield other - 1, content.ljust(whole.chunk, b"\0")
