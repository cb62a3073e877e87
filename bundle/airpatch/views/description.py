"""What a view is made of: records, each of which copies some bytes and then begins or ends a level (spec/VIEWS.md).

`emit_view` and `parse_view` are inverse; there is one encoding, and `parse_view` refuses all others.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airpatch.delta import varints
from airpatch.errors import FormatError
from airpatch.views import framings

END, REST, SKIP = range(3)
"""Actions. That of a record which begins a level is FIRST_CODING plus the number of its coding."""
FIRST_CODING = 3
MAX_DEPTH = 12
"""Levels above the base: a zip archive in a zip archive takes four, two archives and two of their entries."""
MAX_CODINGS = 250
"""An action is one byte."""
MAX_RECORDS = 1 << 21
"""Two for each stream, which suffices for a million files in archives."""
MAX_DESCRIPTION = 24 << 20
"""Bytes of an encoded view: MAX_RECORDS of an action and a length of ten bytes, and its codings."""
_NAME = 64
"""Bytes of the name of a coding."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How a level is packed: its framing, and the encoder of its stream, empty where there is none."""

    framing: str
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Records: `lengths[i]` bytes are copied, with SKIP dropped, then `actions[i]` is done; REST has the length 0."""

    codings: tuple[Coding, ...]
    actions: bytes
    lengths: array[int]

    def records(self) -> Iterator[tuple[int, int]]:
        """Return each record's length and action."""
        return zip(self.lengths, self.actions, strict=True)

    @property
    def is_reversible(self) -> bool:
        """Whether the packed bytes can be made from the view's: nothing is dropped, and every end is given."""
        return REST not in self.actions and SKIP not in self.actions


def emit_view(view: View) -> bytes:
    """Return the encoding of `view`."""
    out = bytearray()
    varints.put(out, len(view.codings))
    for coding in view.codings:
        name = f"{coding.framing} {coding.encoder}".encode()
        varints.put(out, len(name))
        out += name
    varints.put(out, len(view.actions))
    out += view.actions
    groups = [bytearray() for _ in range(FIRST_CODING + len(view.codings))]
    for length, action in view.records():
        varints.put(groups[action], length)
    groups[REST].clear()
    return bytes(out) + b"".join(groups)


def parse_view(data: bytes) -> View:
    """Return the view that `data` encodes. Raises FormatError unless it is valid and canonical."""
    reader = _FieldReader(data)
    codings = tuple(_coding(reader.take(reader.number(_NAME))) for _ in range(reader.number(MAX_CODINGS)))
    actions = reader.take(reader.number(MAX_RECORDS))
    lengths = array("q", bytes(8 * len(actions)))
    numbers = iter(varints.unpack(reader.take(len(data) - reader.position)))
    places = [array("q") for _ in range(FIRST_CODING + len(codings))]
    for i, action in enumerate(actions):
        if action >= len(places):
            raise FormatError("the view has an unknown action")
        places[action].append(i)
    places[REST] = array("q")
    for indexes in places:
        for i in indexes:
            length = next(numbers, None)
            if length is None:
                raise FormatError("the view has fewer lengths than records")
            lengths[i] = length
    if next(numbers, None) is not None:
        raise FormatError("the view has more lengths than records")
    first_uses = list(dict.fromkeys(action for action in actions if action >= FIRST_CODING))
    if first_uses != list(range(FIRST_CODING, FIRST_CODING + len(codings))) or len(set(codings)) != len(codings):
        raise FormatError("the view's codings are not in the order of their first use")
    _check_levels(actions, codings)
    return View(codings, actions, lengths)


def _check_levels(actions: bytes, codings: Sequence[Coding]) -> None:
    """The last record, and no other, ends the base."""
    depth = 0
    large = 0  # depth of the level that takes much memory to make
    for i, action in enumerate(actions):
        if action >= FIRST_CODING:
            depth += 1
            if depth > MAX_DEPTH:
                raise FormatError(f"the view has more than {MAX_DEPTH} levels")
            if codings[action - FIRST_CODING].framing in framings.LARGE:
                if large:
                    raise FormatError("the view has a stream of brotli or zstd in another one")
                large = depth
        elif action != SKIP:
            large = 0 if large == depth else large
            depth -= 1
            if depth < 0 and (i + 1 < len(actions) or action == REST):
                raise FormatError("the view goes on after its end")
    if depth >= 0:
        raise FormatError("the view has no end")


def _coding(name: bytes) -> Coding:
    try:
        framing, encoder = name.decode("ascii").split(" ")
    except ValueError:
        raise FormatError("the view has a malformed name of a coding") from None
    return Coding(framing, encoder)


class _FieldReader:
    """Reads parts of an encoded view."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def number(self, limit: int) -> int:
        """Return the next number. Raises FormatError if it is above `limit`."""
        end = self.position
        while end < min(len(self._data), self.position + varints.MAX_BYTES) and self._data[end] & 0x80:
            end += 1
        number: int = varints.unpack(self.take(end + 1 - self.position))[0]
        if number > limit:
            raise FormatError(f"the view has {number} codings, records or letters, more than {limit}")
        return number

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        data = self._data[self.position : self.position + size]
        if len(data) < size:
            raise FormatError("the view's description is cut short")
        self.position += size
        return data
