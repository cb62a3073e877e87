"""What a step reads of its sources: which of them it needs unpacked, and which one is the layer already."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from airpatch.blobs.content import BlobReader
from airpatch.delta.decoder import copied_source
from airpatch.errors import FormatError
from airpatch.format.index import Step
from airpatch.layers.recipe import Raw, Recipe, Replica, Whole, section
from airpatch.layers.steps import Sizes
from airpatch.model.digest import Digest


def chosen_sources(step: Step, like: Sequence[int]) -> list[Digest]:
    """Return the sources of `step` with the numbers in `like`. Raises FormatError if it has no such source."""
    if any(number >= len(step.sources) for number in like):
        raise FormatError("refers to a source that it does not have")
    return [step.sources[number] for number in like]


def same_layer(step: Step, patch: BlobReader, recipe: Recipe, sizes: Sizes) -> int | None:
    """Return the number of the source that holds the very layer of `step`, compressed in another way; None if none.

    Reads the beginning of the difference, all of it if there is one.
    """
    if recipe.views is None and not isinstance(recipe.method, Raw | Whole):
        content_sizes = [sizes[source][1] for source in step.sources]
        with suppress(FormatError):  # whoever carries the step out says what is wrong
            return copied_source(section(patch, recipe, 0), content_sizes, step.uncompressed_size)
    return None


def unpacked_sources(step: Step, recipe: Recipe, same: int | None) -> list[Digest]:
    """Return the sources that the step has unpacked as a whole; `same` is what `same_layer` gives.

    A layer that is one of them is read from its beginning to its end: then only a precedent needs more than that.
    """
    if isinstance(recipe.method, Raw | Whole):
        return []
    if same is None:
        return list(step.sources)
    return chosen_sources(step, recipe.method.like) if isinstance(recipe.method, Replica) else []
