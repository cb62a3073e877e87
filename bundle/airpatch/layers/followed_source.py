"""Whether a source has decisions of the target's encoder that need not be searched for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airpatch.encoders.precedent import Precedent
from airpatch.encoders.recognise import recognise
from airpatch.encoders.replicas import replica
from airpatch.errors import FormatError

START = 64 << 10
"""Bytes of a source that show whether the same encoder wrote it."""
_SHARE = 4
"""Of so many bytes of the target one must follow the source, or reading its decisions takes more than it spares."""


def takes_over(encoder: str) -> bool:
    """Return whether a replica can take decisions over. Raises FormatError if the encoder is unknown."""
    return replica(encoder).heed is not None


def wrote(encoder: str, start: bytes) -> bool:
    """Return whether a blob that begins with `start` (`START` bytes, or all) may be gzip by `encoder`."""
    try:
        return bool(recognise(start, [encoder]))
    except FormatError:
        return False


def is_followed(content: memoryview, target: Iterable[bytes], size: int, pause: Callable[[], None]) -> bool:
    """Return whether enough of the `size` bytes of the `target`, in pieces, follows the `content` of a source.

    `pause` is called after each piece, and while the content is indexed.
    """
    precedent = Precedent(content, iter(()), pause)
    for piece in target:
        precedent.take(piece)
        pause()
    return precedent.followed() * _SHARE >= size
