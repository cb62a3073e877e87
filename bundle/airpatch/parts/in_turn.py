"""A file read from parts that come one after another, as media are changed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from airpatch.parts.joined import JoinedParts

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Ask = Callable[[str], bool]
"""Asks a person for something, and returns when it is there; False where it cannot be had."""


class PartsInTurn(io.RawIOBase):
    """The stream of the file `joined`. Before a part that is not there, `ask` is called to have it brought.

    Reading raises IntegrityError, naming what is missing, where it cannot.
    """

    def __init__(self, joined: JoinedParts, ask: Ask) -> None:
        self._joined = joined
        self._ask = ask
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        joined = self._joined
        view = memoryview(buffer).cast("B")
        within = joined.whole.part_size - self._position % joined.whole.part_size
        view = view[: min(within, joined.size - self._position)]
        if view:
            self._require(joined.number_at(self._position))
            joined.read_into(view, self._position)
        self._position += len(view)
        return len(view)

    def _require(self, number: int) -> None:
        """Make sure that the part `number` is there."""
        joined = self._joined
        while not joined.has(number) and not joined.is_complete:
            name = joined.whole.part_name(number)
            part = f"part {number} of {joined.whole.data_parts}, {name}"
            if not self._ask(f"insert the medium with {part}, so that it lies in {joined.where}"):
                raise joined.error()
            joined.look_again()
