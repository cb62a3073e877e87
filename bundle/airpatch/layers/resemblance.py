"""Which layers resemble which: found by samples of their content, wherever in which image they lie.

The sketch of a layer holds samples of its files (`airpatch.sketches.samples`), each of which stands for some bytes, and
hints: the paths of its files, and their bare names without what changes from build to build. Hints weigh little: they
break ties between sources that have the same content, and lead to files of which nothing is the same. So do the
repositories, platforms and positions that a layer has in its images. For each target a few sources are chosen, each of
which has much of the target that those before it lack. Time is near-linear in the number of samples. Memory is bounded:
what does not fit is sketched more coarsely.
"""

from __future__ import annotations

import threading
from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from typing import Generic, TypeVar

import xxhash

from airpatch.delta.source_space import Buffer
from airpatch.delta.tar_members import BLOCK, MAX_EXTENDED, MemberHeaders, padded
from airpatch.piece_reader import PieceReader
from airpatch.sketches import feature_sets as sets
from airpatch.sketches import sketch_index
from airpatch.sketches.bare_names import bare
from airpatch.sketches.feature_sets import Features
from airpatch.sketches.samples import MINIMA, SMALL, SPACING, Sampler
from airpatch.sketches.sketch_index import SketchIndex

Key = TypeVar("Key")

MAX_SOURCES = 8
"""For one target: more explain little, and every one has to be unpacked on the target."""
_SHARE = 1 << 10
"""A further source must explain one byte for so many that have to be unpacked for it, or `_LEAST` bytes. Contenders to
be one are compared where it explains as much of what has to be unpacked for that, those to be the first one unless it
explains all.
"""
_LEAST = 4 << 10
_UNPACKED_SHARE = 1 << 12
"""The same for one that is unpacked anyway, for another target: files that moved from there are few beside the rest."""
_HINT = 64
"""A path weighs one part in so many of its file's bytes, a bare name half of that."""
_HEADER = 64
"""Bytes for which a path stands even if its file is empty: its header is in the layer, too."""
_HEAVY = 4 * SPACING
"""Bytes that one sample stands for at most: a file with few samples for its size is runs and periods."""
_RARE, _COMMON, _PLACED = 16, 4, 4
"""Candidates that are looked at: for the rare features that they share, for the others, for where they lie."""
_MASKS = 64 << 20
"""Bytes for what the candidates of one target have of it."""
_CONTENDERS = 3
"""Sources of which a sample of the difference is made where it is close."""
_PRECEDENTS = 2
"""Candidates that are asked for decisions of their encoder."""
_SLACK = 64
"""A difference must be smaller by one part in so many to overrule what the sketches say."""
_MOST = (1 << 32) - 1
_COARSEST = 48
"""Halvings at most: what is left of a million layers then fits into any memory."""
_RECORD = 20 * BLOCK
"""Bytes to which tar fills up its last record; what is longer at the end of a tar is content."""
MEMORY = sets.BYTES + sketch_index.BYTES
"""Bytes for each feature of a sketch in a catalogue."""


@dataclass(frozen=True, slots=True)
class LayerPlace:
    """Where images have a layer, as hints, any of which may be unknown."""

    repositories: frozenset[str] = frozenset()
    platforms: frozenset[str] = frozenset()
    positions: frozenset[int] = frozenset()

    def __or__(self, other: LayerPlace) -> LayerPlace:
        """In all images of both."""
        return LayerPlace(
            self.repositories | other.repositories,
            self.platforms | other.platforms,
            self.positions | other.positions,
        )

    def likeness(self, other: LayerPlace) -> int:
        """From 0 to 7: a repository counts more than a platform, and that more than a position."""
        return (
            4 * (not self.repositories.isdisjoint(other.repositories))
            + 2 * (not self.platforms.isdisjoint(other.platforms))
            + (not self.positions.isdisjoint(other.positions))
        )


@dataclass(frozen=True, slots=True)
class Sketch:
    """Samples of `size` bytes of content, and hints; thinned by so many `halvings`."""

    size: int
    features: Features
    halvings: int = 0

    def thinned(self, halvings: int) -> Sketch:
        """Return the sketch as if it had been thinned so often from the beginning."""
        kept = sets.thinned(self.features.hashes, self.features.weights, self.halvings, halvings)
        return Sketch(self.size, Features(*kept), max(halvings, self.halvings))


class Sketcher:
    """Makes a sketch of named parts of a stream, of at most `most` features."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._hashes = array("Q")
        self._weights = array("I")
        self._halvings = 0

    def part(self, name: bytes, pieces: Iterable[Buffer]) -> None:
        """Take a part, whose bytes are in `pieces`; it has no hints if its `name` is empty."""
        sampler, size = Sampler(), 0
        for piece in pieces:
            sampler.feed(piece)
            size += len(piece)
        hashes = sampler.finish()
        usual = min(-(-size // SMALL), MINIMA)
        weights = array("I", [min(-(-size // max(len(hashes), usual, 1)), _HEAVY)]) * len(hashes)
        if name:
            weight = _HEADER + size // _HINT
            hashes.extend(map(xxhash.xxh3_64_intdigest, (name, b"\0" + bare(name.rsplit(b"/", 1)[-1]))))
            weights.extend((min(weight, _MOST), min(weight // 2, _MOST)))
        self._add(hashes, weights)

    def finish(self, size: int, identity: int) -> Sketch:
        """Return the sketch of all parts, which are `size` bytes with what lies between them. Ends the sketcher.

        `identity` is a hash of all these bytes: nothing is better than an equal stream.
        """
        if size:
            self._add(array("Q", [identity]), array("I", [min(size // _HINT + 1, _MOST)]))
        return Sketch(size, sets.features(self._hashes, self._weights), self._halvings)

    def _add(self, hashes: array[int], weights: array[int]) -> None:
        hashes, weights = sets.thinned(hashes, weights, 0, self._halvings)
        self._hashes.extend(hashes)
        self._weights.extend(weights)
        while len(self._hashes) > self._most and self._halvings < _COARSEST:
            before = self._halvings
            self._halvings += 1
            self._hashes, self._weights = sets.thinned(self._hashes, self._weights, before, self._halvings)


def sketch(layer: Iterable[bytes], most: int) -> Sketch:
    """Return the sketch of a tar that comes in pieces, by its files; of anything else, as one part."""
    total, whole = 0, xxhash.xxh3_64()

    def hashed() -> Iterator[bytes]:
        nonlocal total
        for piece in layer:
            total += len(piece)
            whole.update(piece)
            yield piece

    sketcher, reader = Sketcher(most), PieceReader(hashed())
    headers, has_members = MemberHeaders(), False
    while (header := headers.read(block := reader.exactly(BLOCK))) is not None:
        path, size, extended = header
        if extended:
            taken = reader.exactly(min(size, MAX_EXTENDED))
            headers.extend(extended, taken)
            reader.skip(padded(size) - len(taken))
        else:
            sketcher.part(path.removeprefix(b"./"), reader.pieces(size))
            reader.skip(padded(size) - size)
            has_members = True
    end = block + reader.exactly(_RECORD - BLOCK)
    if not has_members or not reader.at_end():
        sketcher.part(b"", chain([end], reader.pieces()))
    return sketcher.finish(total, whole.intdigest())


@dataclass(frozen=True, slots=True)
class PickedSource:
    """A source: of the target's bytes it has some `explained` ones that those before it lack, as its samples tell.

    `rivals` are those that a sample of the difference was compared with, since they seemed as good.
    """

    number: int
    explained: int
    rivals: tuple[int, ...] = ()


Judge = Callable[[Sequence[int]], Sequence[int]]
"""Sizes in bytes of a sample of the difference, for each of the sources of these numbers."""


class Sketches(Generic[Key]):
    """The sketches of all layers, of at most `most` features together: these are thinned alike. For many threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Key, Sketch] = {}
        self._halvings = 0
        self._count = 0
        self._lock = threading.Lock()

    def put(self, key: Key, made: Sketch) -> None:
        with self._lock:
            self._kept[key] = made.thinned(self._halvings)
            self._count += len(self._kept[key].features)
            while self._halvings < made.halvings or (self._count > self._most and self._halvings < _COARSEST):
                self._halvings += 1
                self._kept = {key: each.thinned(self._halvings) for key, each in self._kept.items()}
                self._count = sum(len(each.features) for each in self._kept.values())

    def __getitem__(self, key: Key) -> Sketch:
        return self._kept[key]

    @property
    def halvings(self) -> int:
        """How often all sketches have been thinned."""
        return self._halvings


class SourceCandidates:
    """All layers that may be sources, in the order in which they come to be."""

    def __init__(self, sketches: Sequence[Sketch], places: Sequence[LayerPlace], targets: Iterable[int] = ()) -> None:
        """`places[i]` is that of `sketches[i]`; these have been thinned alike. For all `targets` sources are chosen."""
        self._sketches = sketches
        self._places = places
        self._index = SketchIndex(sum(len(each.features) for each in sketches))
        self._placed: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for number, (each, place) in enumerate(zip(sketches, places, strict=True)):
            self._index.add(number, each.features.hashes)
            for key in _spots(place):
                self._placed[key].append(number)
        first = (self._first(target) for target in targets)
        self._unpacked = frozenset(number for number in first if number is not None)

    @property
    def memory(self) -> int:
        """Bytes that it takes, with the sketches."""
        return MEMORY * sum(len(each.features) for each in self._sketches)

    def choose(self, target: int, may: Callable[[int], bool], judge: Judge | None = None) -> list[PickedSource]:
        """Sources for the layer of number `target`, out of those before it that `may` be: together they have most of
        it. The best comes first. Where several seem equally good, `judge` tells them apart.
        """
        candidates = self.candidates(target, may)
        sketches = [self._sketches[number] for number in candidates]
        likeness = [self.likeness(target, number) for number in candidates]

        def compare(numbers: Sequence[int]) -> Sequence[int]:
            return () if judge is None else judge([candidates[number] for number in numbers])

        unpacked = [self.is_unpacked(number) for number in candidates]
        chosen = choose_sources(
            self._sketches[target], sketches, likeness, None if judge is None else compare, unpacked
        )
        return [
            PickedSource(candidates[each.number], each.explained, tuple(candidates[rival] for rival in each.rivals))
            for each in chosen
        ]

    def likeness(self, target: int, other: int) -> int:
        """Return how alike the places of two layers are, from 0 to 7."""
        return self._places[target].likeness(self._places[other])

    def is_unpacked(self, number: int) -> bool:
        """Return whether the layer of that number is likely to be unpacked for one of the targets."""
        return number in self._unpacked

    def _first(self, target: int) -> int | None:
        """Return the best source of a target, as sketches tell."""
        candidates = self.candidates(target, lambda _: True)
        sketches = [self._sketches[number] for number in candidates]
        wanted = self._sketches[target].features
        gains = _Cover(wanted, [sets.shared(wanted.hashes, each.features.hashes) for each in sketches]).gains()
        ranked = _ranked(gains, [self.likeness(target, number) for number in candidates], sketches)
        return candidates[ranked[0]] if ranked else None

    def candidates(self, target: int, may: Callable[[int], bool]) -> list[int]:
        """Return the numbers of layers before `target` that may resemble it, in their order."""
        wanted = self._sketches[target].features
        votes = [vote for vote in self._index.votes(wanted.hashes, wanted.weights, target) if may(vote.number)]
        place = self._places[target]
        placed = (number for key in _spots(place) for number in self._placed.get(key, ())[:_PLACED] if number < target)
        ranked = [
            *(vote.number for vote in nlargest(_RARE, votes, key=lambda vote: (vote.rare, -vote.number))),
            *filter(may, placed),
            *(vote.number for vote in nlargest(_COMMON, votes, key=lambda vote: (vote.common, -vote.number))),
        ]
        most = max(_MASKS // max(len(wanted), 1), _CONTENDERS)
        return sorted(list(dict.fromkeys(ranked))[:most])


def choose_sources(
    target: Sketch,
    candidates: Sequence[Sketch],
    likeness: Sequence[int],
    judge: Judge | None = None,
    unpacked: Sequence[bool] = (),
) -> list[PickedSource]:
    """Sources for `target` out of the `candidates`, which have been thinned like it: together they have most of it.

    They are in the order in which they came to be, and are numbered by it; `likeness` says how alike their places are
    to the target's, and `unpacked` which of them are so anyway. The best source comes first. Where several seem equally
    good, `judge` tells them apart.
    """
    wanted = target.features
    found = [sets.shared(wanted.hashes, candidate.features.hashes) for candidate in candidates]
    cover = _Cover(wanted, found)
    chosen: list[PickedSource] = []
    while len(chosen) < MAX_SOURCES:
        gains = cover.gains()
        order = _ranked(gains, likeness, candidates)
        if chosen:
            order = [i for i in order if gains[i] >= _least(candidates[i].size, bool(unpacked) and unpacked[i])]
        if not order:
            break
        best = order[0]
        close = [i for i in order[1:] if cover.close(best, i, likeness[best] == likeness[i])]
        contenders = (best, *sorted(close, key=lambda i: -likeness[i])[: _CONTENDERS - 1])
        rivals: tuple[int, ...] = ()
        size = sum(candidates[i].size for i in contenders)
        is_worth_it = gains[best] >= size // _SHARE if chosen else gains[best] < wanted.weight
        if judge is not None and len(contenders) > 1 and is_worth_it:
            costs = judge(contenders)
            cheapest = min(range(len(costs)), key=lambda k: costs[k])
            if costs[cheapest] < costs[0] - costs[0] // _SLACK:
                best = contenders[cheapest]
            rivals = tuple(i for i in contenders if i != best)
        chosen.append(PickedSource(best, gains[best] * target.size // wanted.weight, rivals))
        cover.take(best)
    return chosen


def _ranked(gains: Sequence[int], likeness: Sequence[int], candidates: Sequence[Sketch]) -> list[int]:
    """Return the numbers of candidates that explain anything, the best first."""
    some = (i for i, gain in enumerate(gains) if gain)
    return sorted(some, key=lambda i: (-gains[i], -likeness[i], candidates[i].size, i))


def _least(size: int, is_unpacked: bool) -> int:
    """Return how many bytes a further source of `size` bytes must explain."""
    return max(size // (_UNPACKED_SHARE if is_unpacked else _SHARE), _LEAST)


def precedents(likeness: Sequence[int], chosen: Container[int]) -> list[int]:
    """Return the numbers of the few candidates whose encoders may have decided about the like before: those that are
    not `chosen`, and whose places are most like the target's.
    """
    others = [number for number in range(len(likeness)) if number not in chosen]
    return sorted(others, key=lambda number: (-likeness[number], number))[:_PRECEDENTS]


class _Cover:
    """What candidates have of a target, and what of it is explained by those that were taken."""

    def __init__(self, wanted: Features, found: Sequence[bytearray]) -> None:
        self._weights = wanted.weights
        self._found = found
        self._explained = bytearray(len(wanted))

    def gains(self) -> list[int]:
        return [sets.unexplained_weight(self._weights, found, self._explained) for found in self._found]

    def take(self, candidate: int) -> None:
        sets.mark_explained(self._found[candidate], self._explained)

    def close(self, best: int, other: int, alike: bool) -> bool:
        """Return whether chance may have made `best` the better one: two standard deviations of a fair coin.

        Where both have the same, that depends on whether their places are `alike`.
        """
        more, less = sets.exclusive_counts(self._found[best], self._found[other], self._explained)
        return (more - less) ** 2 <= 4 * (more + less) if more + less else alike


def _spots(place: LayerPlace) -> Iterator[tuple[str, int]]:
    """By what layers that lie alike are found: a few of the repositories, and the positions there."""
    repositories, positions = sorted(place.repositories)[:_PLACED], sorted(place.positions)[:_PLACED]
    return ((repository, position) for repository in repositories for position in positions)
