"""How zlib-ng searches for matches at each level (`configuration_table` in deflate.c), and how its versions differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from airpatch.encoders.zlib_levels import SearchLimits


class Strategy(IntEnum):
    """How tokens are chosen."""

    FAST = 0  # the first match is taken
    MEDIUM = 1  # a match may give its bytes to the one that follows
    SLOW = 2  # a match waits for a better one at the next byte


@dataclass(frozen=True, slots=True)
class Traits:
    """A level of a version."""

    search: SearchLimits
    strategy: Strategy
    shortest: int  # match, in bytes
    is_hurried: bool  # a search ends with the first candidate that seemed to be longer, and is not
    is_rolling: bool  # the hash is one of three bytes, and goes on from that of the byte before
    enters_all: bool  # MEDIUM: the bytes of the longest matches enter the chains, too
    stops_at_end: bool  # a match up to the end of the uncompressed data ends the search


_SEARCHES = {
    2: SearchLimits(4, 4, 8, 4),
    3: SearchLimits(4, 6, 16, 6),
    4: SearchLimits(4, 12, 32, 24),
    5: SearchLimits(8, 16, 32, 32),
    6: SearchLimits(8, 16, 128, 128),
    7: SearchLimits(8, 32, 128, 256),
    8: SearchLimits(32, 128, 258, 1024),
    9: SearchLimits(32, 258, 258, 4096),
}
MEDIUM_LEVELS = range(3, 7)
"""Those at which output depends on the calls that data is given to."""
VERSIONS = {"2.2.5": tuple(_SEARCHES), "2.2.2": tuple(MEDIUM_LEVELS), "2.3.3": tuple(_SEARCHES)}
"""Versions, the likeliest first, and the levels at which they decide otherwise than one before."""


def traits(version: str, level: int) -> Traits:
    """Return those of a version and a level."""
    strategy = Strategy.MEDIUM if level in MEDIUM_LEVELS else Strategy.SLOW if level > 6 else Strategy.FAST
    return Traits(
        search=_SEARCHES[level],
        strategy=strategy,
        shortest=3 if strategy is Strategy.SLOW else 4,
        is_hurried=level < 5,
        is_rolling=level == 9,
        enters_all=version == "2.2.2",
        stops_at_end=version == "2.3.3",
    )
