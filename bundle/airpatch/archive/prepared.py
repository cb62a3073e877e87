"""A bundle to be written: its index, and the contents that everything in it is read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self

from airpatch.blobs.content import Content
from airpatch.execution import Cancellation
from airpatch.format.index import Index
from airpatch.model.chosen_source import ChosenSource
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart


class Closeable(Protocol):
    """What is given up when the work is done."""

    def close(self) -> None: ...


class Arriving(Protocol):
    """Content that arrives from elsewhere while the bundle is written."""

    size: int
    """Bytes that are on their way; they count as work."""
    verified: AbstractSet[Digest]
    """The blobs that have been hashed when they are given, and need not be again."""

    def content(self, part: ProgressPart, cancellation: Cancellation) -> AbstractContextManager[Content]:
        """Give the content for the block, in which each blob is read once, in the order of the bundle.

        Raises what could not be had, in place of what the block raises for want of it.
        """


@dataclass(frozen=True, slots=True)
class PreparedBundle:
    """The bundle that `index` describes. A context manager: what it is made of is given up with the block.

    `manifests` has the bytes of all stored manifests, or of all manifests of the release; `content` the stored layers
    and configs, detached signatures, and layer patches by their own digests.
    """

    index: Index
    manifests: Mapping[Digest, bytes]
    content: Content
    patched_from: Content | None = None
    """Where the blobs are that layer patches make, and those that they build upon; None without layer patches."""
    chosen: Mapping[Digest, Sequence[ChosenSource]] = field(default_factory=dict)
    """The sources of each blob that has a layer patch, in the order of its step."""
    signatures: Sequence[bytes] = ()
    """Armored signatures over the encoding of `index`, at most 16."""
    arriving: Arriving | None = None
    """Where `content` is on other hosts: to be read in its place."""
    resources: Sequence[Closeable] = ()
    """What must be closed once the bundle is written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for resource in self.resources:
            resource.close()
