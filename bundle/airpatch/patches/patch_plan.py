"""Decides for each blob of a patch whether it is stored or left out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from airpatch.format.index import Disposition, Index
from airpatch.model.release import Release
from airpatch.patches.bases import BaseState


def plan_patch(release: Release, bases: Sequence[BaseState]) -> Index:
    """Return the index of a patch to `release` that fits a target in any of the states `bases`, which are not empty.

    What every base has, in the right size, is left out; everything else is stored. What another product has is not
    removed by this one.
    """
    dispositions = tuple(
        Disposition.LEFT_OUT if all(base.blobs.get(blob.digest) == blob.size for base in bases) else Disposition.STORED
        for blob in release.blobs
    )
    repositories = {image.name.repository for image in release.images}
    olds = [base for base in bases if base.product in (None, release.product)]
    removed = {repository for base in olds for repository in base.repositories if repository not in repositories}
    named = {state.base.id: state.base for state in bases}
    return Index(release, dispositions, tuple(named[id_] for id_ in sorted(named)), tuple(sorted(removed)))
