"""The replicas of zstd encoders by name. A name always means the same output (see spec/ENCODERS.md).

A replica turns uncompressed data into one zstd frame, bit for bit as the encoder that it is named after.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from airpatch.encoders.kzstd import KlauspostZstd
from airpatch.encoders.kzstd_blocks import BlockRules
from airpatch.encoders.kzstd_versions import block_size, klauspost_zstd, plain_search, rules, search, versions, window
from airpatch.encoders.libzstd import VERSIONS as LIBZSTD_VERSIONS
from airpatch.encoders.libzstd import LibzstdEncoder
from airpatch.errors import FormatError

LIBZSTD_LEVELS = 19
"""libzstd has levels from 1 to this; there are more, which no layer has been met with."""
_LIBZSTD = "libzstd-"
_LEVELS = ("default", "fastest", "better", "best")


class FrameEncoder(Protocol):
    """Zstd frames under construction, one after another."""

    def begin(self, size: int) -> None:
        """Begin another frame, of `size` uncompressed bytes; the first one is begun already, of unknown size."""
        ...

    def feed(self, data: bytes | memoryview) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        ...

    def flush(self) -> bytes:
        """Return all bytes of what has been fed; the frame goes on with a new block."""
        ...

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        ...


@dataclass(frozen=True, slots=True)
class ZstdReplica:
    """A named encoder at one of its levels.

    `make` returns a new encoder. All of a level with the same `search` find the same matches; with the same
    `plain_search`, but for blocks of one byte repeated. `window` is what the header of a frame of unknown size says,
    `block` how much content a full block has, both in bytes. `rules` are those of its blocks.
    """

    make: Callable[[], KlauspostZstd]
    level: str
    search: str
    plain_search: str
    window: int
    block: int
    rules: BlockRules


def zstd_replica(name: str) -> ZstdReplica:
    """Return the replica of klauspost/compress of that name. Raises FormatError for an unknown one."""
    found = _REPLICAS.get(name)
    if found is None:
        raise FormatError(f"unknown encoder {name!r}")
    return found


def frame_encoder(name: str) -> FrameEncoder:
    """Return a new encoder of that name. Raises FormatError for an unknown one."""
    return libzstd_encoder(name) if name.startswith(_LIBZSTD) else zstd_replica(name).make()


def libzstd_name(version: str, level: int, workers: bool, sized: bool, checksum: bool) -> str:
    """Return the name of libzstd of that version, with those parameters."""
    return f"{_LIBZSTD}{version}-{level}" + "-mt" * workers + "-sized" * sized + "-nosum" * (not checksum)


def _libzstd_parameters(name: str) -> re.Match[str] | None:
    """Version, level and flags in a name of libzstd; None if it is not one, or of a libzstd that is not built in."""
    found = re.fullmatch(_LIBZSTD + r"([\d.]+)-([1-9]\d?)(-mt)?(-sized)?(-nosum)?", name)
    return None if found is None or found[1] not in LIBZSTD_VERSIONS or int(found[2]) > LIBZSTD_LEVELS else found


def libzstd_encoder(name: str) -> LibzstdEncoder:
    """Return a libzstd by name. Raises FormatError for an unknown one."""
    found = _libzstd_parameters(name)
    if found is None:
        raise FormatError(f"unknown encoder {name!r}")
    return LibzstdEncoder(found[1], int(found[2]), 1 if found[3] else 0, not found[5], bool(found[4]))


def full_block(name: str) -> int | None:
    """Return how much content a full block of the encoder has, in bytes; None if its blocks end where the content says.

    Raises FormatError for an unknown encoder.
    """
    return None if name.startswith(_LIBZSTD) else zstd_replica(name).block


def zstd_names() -> tuple[str, ...]:
    """Return the names of all replicas of klauspost/compress, those most often met first."""
    return tuple(_REPLICAS)


def libzstd_names() -> tuple[str, ...]:
    """Return the names of libzstd of all versions, with all parameters."""
    flags = list(product((False, True), repeat=3))
    return tuple(
        libzstd_name(version, level, *each)
        for version in LIBZSTD_VERSIONS
        for level in range(1, LIBZSTD_LEVELS + 1)
        for each in flags
    )


def _klauspost(version: str, level: str) -> ZstdReplica:
    return ZstdReplica(
        lambda: klauspost_zstd(version, level),
        level,
        search(version, level),
        plain_search(version, level),
        window(version, level),
        block_size(level),
        rules(version, level),
    )


def _replicas() -> dict[str, ZstdReplica]:
    replicas: dict[str, ZstdReplica] = {}
    for level in _LEVELS:
        for version in versions(level):
            replicas[f"kzstd-{version}-{level}"] = _klauspost(version, level)
    return replicas


_REPLICAS = _replicas()
