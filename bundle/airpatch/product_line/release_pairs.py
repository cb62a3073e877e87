"""Pairs of releases between which patches are wanted, and the questions that their layers ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from airpatch.blobs.content import read_blob
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format.index import Base, Index
from airpatch.layers.differ import MIN_BLOB
from airpatch.layers.resemblance import LayerPlace
from airpatch.model.digest import Digest
from airpatch.model.release import Blob, Release, check_manifests
from airpatch.patches.bases import BaseState
from airpatch.patches.layer_patching import available_sources
from airpatch.patches.patch_plan import plan_patch
from airpatch.patches.places import places
from airpatch.product_line.layer_facts import Facts
from airpatch.product_line.source_questions import SourceQuestion, questions_of
from airpatch.store.release_store import ReleaseStore, StoredRelease
from airpatch.worker_pool import worker_pool

Places = Mapping[Digest, LayerPlace]


@dataclass(frozen=True, slots=True)
class ReleasePair:
    """A release that targets have, and the one that a patch leads them to."""

    base: StoredRelease
    target: StoredRelease

    @property
    def state(self) -> BaseState:
        """What targets have."""
        release = self.base.release
        layers = tuple(blob.digest for blob in release.blobs if not blob.is_manifest)
        return BaseState(
            Base(self.base.id, release.name),
            {blob.digest: blob.size for blob in release.blobs},
            frozenset(image.name.repository for image in release.images),
            layers=layers,
            images=release.images,
        )

    @property
    def index(self) -> Index:
        """The index of a patch that stores whole all that targets lack."""
        return plan_patch(self.target.release, [self.state])

    def layers(self) -> tuple[list[Blob], list[Blob]]:
        """Return the new blobs that may get patches, and those that may be sources, as the differ takes them."""
        new = [blob for blob in self.index.stored if not blob.is_manifest and blob.size >= MIN_BLOB]
        old = [blob for blob in available_sources([self.state], [self.state]) if blob.size >= MIN_BLOB]
        return new, old

    def questions(self, facts: Facts, known: Mapping[Digest, Places], memory: int) -> list[SourceQuestion]:
        """Return the questions of the new layers; `known` has the places of layers in each release by its id."""
        new, old = self.layers()
        merged: dict[Digest, LayerPlace] = {}
        for release in (self.base, self.target):
            for digest, place in known[release.id].items():
                merged[digest] = merged.get(digest, LayerPlace()) | place
        return questions_of(new, old, merged, facts, memory)


def choose_pairs(
    found: Sequence[StoredRelease],
    where: str,
    to: Sequence[str],
    bases: Sequence[str] = (),
    last: int = 0,
    product: str | None = None,
    held: AbstractSet[Digest] | None = None,
) -> list[ReleasePair]:
    """Return the pairs to each release called `to`, of `product` or of each: from those of the same product that are
    called `bases`, from the `last` so many with lower numbers, and from those with ids in `held` and lower numbers.

    Names are those of releases, or where none has such a name, the beginnings of their ids. Raises UsageError if there
    is no such release, or, unless there is `held`, nothing before one.
    """
    pairs: list[ReleasePair] = []
    targets = releases_called(found, where, to, product)
    named = {each.id for each in releases_called(found, where, bases, product)}
    for target in targets:
        of = [each for each in found if each.release.product == target.release.product and each.id != target.id]
        lower = [each for each in of if each.release.sequence < target.release.sequence]
        wanted = {each.id for each in of if each.id in named}
        wanted.update(each.id for each in lower[max(len(lower) - last, 0) :])
        wanted.update(each.id for each in lower if each.id in (held or ()))
        pairs += [ReleasePair(each, target) for each in of if each.id in wanted]
    if not pairs and held is None:
        missing = f"no other release of the same product is called {' or '.join(bases)}"
        if not bases:
            missing = (
                "no release of the same product has a lower sequence number, by which releases are ordered ('airpatch "
                "store add --sequence')"
            )
        raise UsageError(
            f"{where}: there is nothing to make a patch from: {missing}",
            [f"{r.name} of product {r.product}, number {r.sequence}" for r in (each.release for each in targets)],
        )
    return pairs


def releases_called(
    found: Sequence[StoredRelease], where: str, names: Sequence[str], product: str | None = None
) -> list[StoredRelease]:
    """Return the releases of `found` that have one of `names`, each once. Raises UsageError if none has one of them."""
    return list(dict.fromkeys(each for name in names for each in _called(found, where, name, product)))


def _called(found: Sequence[StoredRelease], where: str, name: str, product: str | None) -> list[StoredRelease]:
    of = [each for each in found if product in (None, each.release.product)]
    named = [each for each in of if each.release.name == name] or [each for each in of if each.id.is_meant_by(name)]
    if not named:
        listed = [f"{each.id.short} {each.release.title}" for each in found]
        raise UsageError(f"{where}: has no release {name!r:.100}", listed)
    return named


def places_in(store: ReleaseStore, releases: Sequence[StoredRelease], execution: Execution) -> dict[Digest, Places]:
    """Return the places of layers in each of `releases`, by their ids. Raises SourceError if a manifest is missing,
    FormatError or IntegrityError if one is damaged, TargetError.
    """
    execution = execution.task()
    with worker_pool(execution.threads, execution.cancellation) as pool:
        found = pool.map(lambda each: _places(store, each.release), releases)
        return {each.id: known for each, known in zip(releases, found, strict=True)}


def _places(store: ReleaseStore, release: Release) -> Places:
    manifests = {b.digest: read_blob(store.content, b.digest, b.size) for b in release.blobs if b.is_manifest}
    check_manifests(release, manifests)
    return places(release.images, manifests.get, store.content)
