"""Which libzstd wrote a zstd frame? The versions and levels that write what it begins with.

The header says whether there is a checksum, and whether the size was known; the window tells a few levels. These are
run on the first blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from airpatch.encoders.libzstd import AVAILABLE, VERSIONS
from airpatch.encoders.zstd_frame import FrameHeader, find_block_ends
from airpatch.encoders.zstd_replicas import frame_encoder, libzstd_name

_LEVELS = (3, 19, 1, 9, 6, 2, 5, 7, 8, 4, 10, 12, 15, 11, 13, 14, 16, 17, 18)
_WINDOW_LOGS = {1: 19, 2: 20, 3: 21, 4: 21, 5: 21, 6: 21, 7: 21, 8: 21, 17: 23, 18: 23, 19: 23}
_OTHER_WINDOW_LOG = 22
_SLOW = 13  # from this level on a MB takes half a second,
_FEW = 256 << 10  # so that fewer bytes are compared


def recognise_libzstd(
    header: FrameHeader, plaintext: bytes, frame: memoryview, complete: bool, candidates: Sequence[str] | None = None
) -> list[str]:
    """Return the names of libzstd that write a frame which begins as `frame`, the likeliest first.

    `plaintext` is what that decompresses to, some blocks of it, or all if it is `complete`.
    """
    if not AVAILABLE or not plaintext:
        return []
    sized = header.content is not None
    found = []
    for level in _LEVELS:
        if header.window != _window(level, header.content):
            continue
        data = plaintext if complete else plaintext[: _FEW if level >= _SLOW else None]
        for version in VERSIONS:
            names = [libzstd_name(version, level, workers, sized, header.checksum) for workers in (True, False)]
            names = [name for name in names if candidates is None or name in candidates]
            found += [name for name in names if _agrees(name, data, header.content, frame, complete)]
        if found:
            break
    return found


def _window(level: int, size: int | None) -> int:
    """Return the window of a level in bytes; frames of known size that fit into it have their size as their window."""
    log = _WINDOW_LOGS.get(level, _OTHER_WINDOW_LOG)
    if size is None:
        return 1 << log
    return size if size <= 1 << log else 1 << log


def _agrees(name: str, plaintext: bytes, size: int | None, frame: memoryview, complete: bool) -> bool:
    """Return whether the encoder of that name writes what the frame begins with."""
    encoder = frame_encoder(name)
    encoder.begin(len(plaintext) if size is None else size)
    out = encoder.feed(plaintext)
    if complete:
        return out + encoder.finish() == frame
    out += encoder.flush()
    ends = find_block_ends(out)
    # The last blocks of a beginning may be others than those of the whole, which are cut with regard to what follows.
    compared = ends[(len(ends) - 1) // 2] if len(ends) > 1 else 0
    return compared > 0 and out[:compared] == frame[:compared]
