"""Which replica comes nearest to an encoder that none of them is: the one whose decisions it shares most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airpatch.deflate.parse import GzipParser
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.replicas import deflater, replica, usual_names

START = 128 << 10
"""Bytes of a gzip file by which it is judged."""
_HEADER = b"\x1f\x8b\x08" + bytes(7)


def nearest_replica(start: bytes, may: Callable[[str], bool] = lambda _: True) -> str | None:
    """Return the replica whose decisions explain most of those at the `start` of a gzip file, None if none helps.

    Only replicas that `may` are considered. `start` is `START` bytes or the whole file.

    Raises FormatError if it is not the beginning of a gzip file (RFC 1952).
    """
    own = _Beginning.of(start)
    # Encoders that flush often have less of their beginning in an open block, which would be taken for nearness.
    names = [name for name in usual_names() if may(name) and not replica(name).flushes_often]
    sizes = {name: own.difference(_Beginning.of(_HEADER + _encode(name, own.uncompressed))) for name in names}
    best = min(sizes, key=lambda name: sizes[name], default=None)
    return best if best is not None and sizes[best] < own.difference() else None


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What the first blocks of a gzip file hold: bytes, and the columns of decisions that grow with it."""

    uncompressed: bytes
    columns: Sequence[bytes]

    @classmethod
    def of(cls, start: bytes) -> _Beginning:
        parts = list(GzipParser().feed(start))
        runs, distances = (b"".join(column) for column in ((p.runs for p in parts), (p.distances for p in parts)))
        return cls(b"".join(part.uncompressed for part in parts), (runs, distances))

    def difference(self, *others: _Beginning) -> int:
        """Return how many bytes these decisions take as a difference to those of others."""
        return sum(
            len(chunk)
            for i, column in enumerate(self.columns)
            for chunk in encode(column, [other.columns[i] for other in others], Effort.FAST)
        )


def _encode(name: str, uncompressed: bytes) -> bytes:
    """Return the blocks that the encoder completes within `uncompressed`; all of them if it completes none."""
    encoder = deflater(name)
    return encoder.feed(uncompressed) or encoder.finish()
