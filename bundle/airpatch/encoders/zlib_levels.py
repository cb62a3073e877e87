"""How hard zlib and GNU gzip search for matches at each level: `configuration_table` in deflate.c."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """The limits of one level, in bytes and candidates."""

    good: int  # after a match this long, only a quarter of the chain is searched for a better one
    lazy: int  # a shorter match may be beaten by one that begins a byte later; levels 1 to 3: see `greedy`
    nice: int  # a match this long ends the search
    chain: int  # candidates looked at
    greedy: bool = False  # the first match is taken; the bytes of one longer than `lazy` enter no chain


SEARCHES = {
    1: SearchLimits(4, 4, 8, 4, True),
    2: SearchLimits(4, 5, 16, 8, True),
    3: SearchLimits(4, 6, 32, 32, True),
    4: SearchLimits(4, 4, 16, 16),
    5: SearchLimits(8, 16, 32, 32),
    6: SearchLimits(8, 16, 128, 128),
    7: SearchLimits(8, 32, 128, 256),
    8: SearchLimits(32, 128, 258, 1024),
    9: SearchLimits(32, 258, 258, 4096),
}
