"""Bytes of sources that a patch does not need: what Range requests to a registry could spare at most.

    python -m bench.ranges BASE PATCH

The layer patches of PATCH are carried out upon BASE, which are bundles. A source counts as far as blocks of its content
are copied, as if all sources were of a form in which blocks are found and decompressed by themselves, and whole where
the decisions of its encoder are used. What other steps make is not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import airpatch
from airpatch.delta.decoder import decode
from airpatch.execution import Execution
from airpatch.format.index import Step
from airpatch.layers import blob_builder
from airpatch.layers.blob_builder import BlobBuilder
from airpatch.units import megabytes

_BLOCK = 64 << 10
_Covers = Sequence[tuple[int, int, int]]


@dataclass
class Carried:
    """A step that was carried out, the `sizes` of its sources in bytes, and of each the `shares` that are copied."""

    step: Step
    sizes: list[int]
    shares: list[float] = field(default_factory=list)
    content: int = 0


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    carried = carry_out(*sys.argv[1:])
    made = {each.step.digest for each in carried}
    sizes = {source: size for each in carried for source, size in zip(each.step.sources, each.sizes, strict=True)}
    needed = dict.fromkeys(sizes, 0.0)
    for each in carried:
        for number, source in enumerate(each.step.sources):
            share = each.shares[number] if number < len(each.shares) else 0
            needed[source] = max(needed[source], share or 1)  # nothing of its content: its decisions
    total = sum(size for source, size in sizes.items() if source not in made)
    some = sum(int(size * needed[source]) for source, size in sizes.items() if source not in made)
    print(f"sources of {megabytes(total)}, of which {megabytes(some)} are needed: ranges spare {1 - some / total:.1%}")


def carry_out(base: str, file: str) -> list[Carried]:
    """Carry out the steps of a patch, one after the other."""
    carried: list[Carried] = []
    build = BlobBuilder.build

    def counted(
        delta: Any, sources: Sequence[Any], most: int, see: Callable[[_Covers], None] | None = None
    ) -> Iterator[bytes]:
        copied: list[tuple[int, int]] = []

        def note(covers: _Covers) -> None:
            copied.extend((begin, begin + size) for _, begin, size in covers if size)
            if see is not None:
                see(covers)

        yield from decode(delta, sources, most, note)
        lengths, of = [len(source) for source in sources], carried[-1]
        if sum(lengths) > of.content:  # the content of a layer; columns of decisions are smaller
            of.content, of.shares = sum(lengths), _shares(lengths, copied)

    def begun(self: BlobBuilder, step: Step, *words: Any) -> None:
        carried.append(Carried(step, [self._content.size(source) or 0 for source in step.sources]))
        build(self, step, *words)

    with patch.object(blob_builder, "decode", counted), patch.object(BlobBuilder, "build", begun):
        airpatch.verify(file, base=base, execution=Execution(jobs=1))
    return carried


def _shares(lengths: Sequence[int], copied: Sequence[tuple[int, int]]) -> list[float]:
    shares, start = [], 0
    for length in lengths:
        blocks: set[int] = set()
        for begin, end in copied:
            first, last = max(begin - start, 0), min(end - start, length)
            if first < last:
                blocks.update(range(first // _BLOCK, -(-last // _BLOCK)))
        shares.append(min(len(blocks) * _BLOCK / length, 1.0) if length else 1.0)
        start += length
    return shares


if __name__ == "__main__":
    main()
