"""Which layers a layer patch builds upon: a question that a plan asks, and whoever makes the patch answers.

Sketches tell the candidates; where several seem equally good, samples of the differences decide, for which the layers
must be unpacked. The same question has the same answer, whoever needs it: the store keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airpatch.delta.effort import Effort
from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.fields import bytes_, integer, list_, rows
from airpatch.layers.compression import Compression
from airpatch.layers.differ import in_order
from airpatch.layers.resemblance import LayerPlace, Sketch, SourceCandidates, choose_sources
from airpatch.layers.unpacking import sketches_within
from airpatch.model.chosen_source import ChosenSource
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.model.release import Blob
from airpatch.product_line.codec import CODEC
from airpatch.product_line.layer_facts import Facts, LayerFacts
from airpatch.store.layer_records import LayerRecord

KIND = "choices"


@dataclass(frozen=True, slots=True)
class PatchSettings:
    """What decides about the bytes of a layer patch, besides the layers; `memory` in bytes."""

    effort: Effort
    memory: int

    @property
    def plain(self) -> list[object]:
        """What keys of records have of the settings (spec/STORE.md, Choices)."""
        return [self.effort.name.lower(), self.memory]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layer of `size` bytes that may be a source.

    `likeness` says how alike its place is to the target's, and `unpacked` whether it is likely to be so for another
    target.
    """

    digest: Digest
    size: int
    likeness: int
    unpacked: bool = False


@dataclass(frozen=True)
class SourceQuestion:
    """Which of the `candidates` are the sources for the layer `target` of `size` bytes.

    Sketches are to be thinned `halvings` times before they are compared.
    """

    target: Digest
    size: int
    halvings: int
    candidates: tuple[Candidate, ...]

    def key(self, settings: PatchSettings) -> Digest:
        """Return the key of the answer in a store (spec/STORE.md, Choices)."""
        listed = [[each.digest.raw, each.likeness, int(each.unpacked)] for each in self.candidates]
        return Digest.of(canonical.pack([KIND, CODEC, *settings.plain, self.target.raw, self.halvings, listed]))

    def answer(self, facts: Facts, judge: Callable[[Sequence[Candidate]], Sequence[int]] | None) -> SourceAnswer:
        """Return the sources, as sketches tell, and `judge` where several seem equally good.

        It gives the sizes of samples of the differences to these candidates alone.
        """

        def compare(numbers: Sequence[int]) -> Sequence[int]:
            return () if judge is None else judge([self.candidates[number] for number in numbers])

        sketches = [self._sketch(facts, each.digest) for each in self.candidates]
        likeness = [each.likeness for each in self.candidates]
        target = self._sketch(facts, self.target)
        unpacked = [each.unpacked for each in self.candidates]
        chosen = choose_sources(target, sketches, likeness, None if judge is None else compare, unpacked)
        digests = [each.digest for each in self.candidates]
        return SourceAnswer(
            tuple(
                ChosenSource(digests[each.number], each.explained, tuple(digests[rival] for rival in each.rivals))
                for each in chosen
            )
        )

    def answer_in(self, record: LayerRecord) -> SourceAnswer | None:
        """Return the answer in a record; None if it is not one to this question: it can be found again."""
        try:
            answer = SourceAnswer.of(record)
        except FormatError:
            return None
        layers = (self.target, *(each.digest for each in self.candidates))
        return answer if record.of == layers and set(answer.sources) <= set(layers[1:]) else None

    def _sketch(self, facts: Facts, digest: Digest) -> Sketch:
        known = facts[digest]
        if known is None:
            raise FormatError(f"a plan that takes {digest} for a layer, which does not decompress")
        return known.sketch.thinned(self.halvings)

    def to_plain(self) -> list[object]:
        """Return the question as a plan has it, without its target (spec/STORE.md, Plans)."""
        return [
            self.halvings,
            [[each.digest.raw, each.size, each.likeness, int(each.unpacked)] for each in self.candidates],
        ]

    @classmethod
    def from_plain(cls, target: Digest, size: int, value: object) -> SourceQuestion:
        """Return the question about `target` that `to_plain` gave. Raises FormatError."""
        halvings, candidates = list_(value) if isinstance(value, list) and len(value) == 2 else (None, None)
        return cls(
            target,
            size,
            integer(halvings, 64),
            tuple(
                Candidate(
                    Digest(bytes_(digest)), integer(each, MAX_BLOB), integer(likeness, 7), bool(integer(unpacked, 1))
                )
                for digest, each, likeness, unpacked in rows(candidates, 4)
            ),
        )


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """The sources `chosen`, in their order."""

    chosen: tuple[ChosenSource, ...]

    @property
    def sources(self) -> tuple[Digest, ...]:
        """The digests of the sources, in their order."""
        return tuple(each.digest for each in self.chosen)

    def record(self, question: SourceQuestion) -> LayerRecord:
        """Return the answer as a store keeps it."""
        plain = [[each.digest.raw, each.resembling, [rival.raw for rival in each.rivals]] for each in self.chosen]
        return LayerRecord((question.target, *(each.digest for each in question.candidates)), plain)

    @classmethod
    def of(cls, record: LayerRecord) -> SourceAnswer:
        """Return the answer in a record. Raises FormatError."""
        return cls(
            tuple(
                ChosenSource(
                    Digest(bytes_(digest)),
                    integer(resembling, MAX_BLOB),
                    tuple(Digest(bytes_(rival)) for rival in list_(rivals)),
                )
                for digest, resembling, rivals in rows(record.value, 3)
            )
        )


@dataclass(frozen=True)
class _NewLayer:
    """A layer of the release, and what is known of it."""

    blob: Blob
    facts: LayerFacts

    @property
    def compression(self) -> Compression:
        return self.facts.compression


def questions_of(
    targets: Sequence[Blob],
    available: Sequence[Blob],
    places: Mapping[Digest, LayerPlace],
    facts: Facts,
    memory: int,
) -> list[SourceQuestion]:
    """Return the questions for a patch with `targets` to targets that have `available`, as the differ would ask them.

    They are in the order in which the patches are made. `memory` in bytes bounds the sketches.
    """
    old = [_NewLayer(blob, known) for blob in available if (known := facts.get(blob.digest)) is not None]
    new = in_order([_NewLayer(blob, known) for blob in targets if (known := facts.get(blob.digest)) is not None])
    layers = [*old, *new]
    kept = sketches_within(memory)
    for each in layers:
        kept.put(each.blob.digest, each.facts.sketch)
    candidates = SourceCandidates(
        [kept[each.blob.digest] for each in layers],
        [places.get(each.blob.digest, LayerPlace()) for each in layers],
        range(len(old), len(layers)),
    )
    questions = []
    for number in range(len(old), len(layers)):
        target = layers[number]
        is_known = target.compression is not Compression.ZSTD or target.facts.is_recognised

        def like(source: int, is_known: bool = is_known) -> bool:
            return is_known or layers[source].compression is Compression.ZSTD

        may = like if candidates.choose(number, like) else lambda _: True
        listed = tuple(
            Candidate(
                layers[i].blob.digest, layers[i].blob.size, candidates.likeness(number, i), candidates.is_unpacked(i)
            )
            for i in candidates.candidates(number, may)
        )
        questions.append(SourceQuestion(target.blob.digest, target.blob.size, kept.halvings, listed))
    return questions
