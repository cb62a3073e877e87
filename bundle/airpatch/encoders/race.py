"""Encoders run side by side on the same uncompressed data; each is dropped as soon as its output differs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class Encoder(Protocol):
    """One compressed stream under construction."""

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""

    def finish(self) -> bytes:
        """Return the last compressed bytes; nothing may be fed after it."""


@dataclass(slots=True)
class Runner:
    """An encoder in the race, and how many bytes it has written."""

    name: str
    encoder: Encoder
    written: int = 0

    def agrees(self, out: bytes, stream: memoryview) -> bool:
        """Return whether `out`, which follows what this encoder wrote before, is what `stream` has there."""
        expected = stream[self.written : self.written + len(out)]
        self.written += len(out)
        return out[: len(expected)] == expected


def race(
    encoders: Iterable[tuple[str, Encoder]],
    uncompressed: bytes,
    stream: memoryview,
    piece: int,
    *,
    complete: bool,
    enough: int = sys.maxsize,
) -> list[Runner]:
    """Return the runners that wrote what `stream` begins with, in the order of `encoders`.

    They are fed `piece` bytes of `uncompressed` at a time. With `complete`, that is all of it, and they must have
    written the whole stream. One that is left alone after `enough` bytes wins at once.
    """
    running = [Runner(name, encoder) for name, encoder in encoders]
    for at in range(0, len(uncompressed), piece):
        if at >= enough and len(running) <= 1:
            return running
        data = uncompressed[at : at + piece]
        running = [runner for runner in running if runner.agrees(runner.encoder.feed(data), stream)]
    if complete:
        running = [runner for runner in running if runner.agrees(runner.encoder.finish(), stream)]
        running = [runner for runner in running if runner.written == len(stream)]
    return running
