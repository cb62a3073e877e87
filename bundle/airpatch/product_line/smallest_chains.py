"""Which patches lead a site from one release to another with the fewest bytes: one, or several in turn. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from airpatch.model.digest import Digest
from airpatch.product_line.planning import PlannedPair
from airpatch.store.release_store import StoredRelease


@dataclass(frozen=True, slots=True)
class PatchChain:
    """Patches of so many `bytes` together, from the first of `releases` to each next one.

    `missing` of their layer patches are not made yet; with none, `bytes` is no forecast.
    """

    releases: tuple[StoredRelease, ...]
    bytes: int
    missing: int


def smallest_chains(pairs: Sequence[PlannedPair]) -> list[PatchChain]:
    """Return the smallest chain of patches out of `pairs` for each release and each that can be reached from it.

    Of chains of the same size it is the one with the fewest patches.
    """
    releases = {each.id: each for planned in pairs for each in (planned.pair.base, planned.pair.target)}
    onward: defaultdict[Digest, list[PlannedPair]] = defaultdict(list)
    for planned in pairs:
        onward[planned.pair.base.id].append(planned)
    return [chain for start in releases.values() if start.id in onward for chain in _from(start, onward)]


def _from(start: StoredRelease, onward: dict[Digest, list[PlannedPair]]) -> list[PatchChain]:
    """Return the smallest chain to each release that can be reached (Dijkstra), in the order of sequence numbers."""
    found: dict[Digest, PatchChain] = {}
    order = count()  # of chains that are equal in size and length
    waiting: list[tuple[int, int, int, Digest, PatchChain]] = [(0, 1, 0, start.id, PatchChain((start,), 0, 0))]
    while waiting:
        size, length, _, id_, chain = heapq.heappop(waiting)
        if id_ in found:
            continue
        found[id_] = chain
        for planned in onward.get(id_, ()):
            target = planned.pair.target
            if target.id not in found:
                longer = PatchChain((*chain.releases, target), size + planned.bytes, chain.missing + planned.missing)
                heapq.heappush(waiting, (longer.bytes, length + 1, next(order), target.id, longer))
    del found[start.id]
    return sorted(found.values(), key=lambda chain: (chain.releases[-1].release.sequence, chain.releases[-1].id))
