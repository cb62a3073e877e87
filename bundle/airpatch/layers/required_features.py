"""What a reader must know to carry out layer patches: the table of features in the index (spec/FORMAT.md, Features).

A bundle says what it needs, so that a reader can refuse before the first write what it could not finish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airpatch.encoders.replicas import other_names, usual_names
from airpatch.encoders.zstd_replicas import is_frame_encoder
from airpatch.errors import FormatError
from airpatch.format.index import Feature, Index
from airpatch.layers.recipe import Corrected, CorrectedFrames, Frames, Method, Replica
from airpatch.views.description import Coding
from airpatch.views.framings import FRAMINGS

_FIRST = "0.1"
"""The release of airpatch in which all features of today came."""


def features(method: Method, codings: Iterable[Coding] = ()) -> set[Feature]:
    """Return what it takes to carry out a layer patch of that method, with views of these codings."""
    names = {f"view {coding.framing}" for coding in codings}
    names |= {f"encoder {coding.encoder}" for coding in codings if coding.encoder}
    match method:
        case Replica(encoder) | Corrected(Replica(encoder)) | Frames(encoder, _) | CorrectedFrames(encoder):
            names.add(f"encoder {encoder}")
    return {Feature(name, _FIRST) for name in names}


def require_features(index: Index) -> None:
    """Raise FormatError if `index` needs what this airpatch does not know."""
    unknown = [feature for feature in index.features if not _is_known(feature)]
    if unknown:
        newest = max((feature.since for feature in unknown), key=_version)
        raise FormatError(
            f"the bundle of {index.release.name or index.release_id} needs airpatch {newest} or newer, which knows",
            [feature.name for feature in unknown],
        )


def _is_encoder(name: str) -> bool:
    return name in _DEFLATERS or is_frame_encoder(name)


_DEFLATERS = frozenset((*usual_names(), *other_names()))
KINDS: dict[str, Callable[[str], bool]] = {"encoder": _is_encoder, "view": lambda name: name in FRAMINGS}
"""Whether a feature of each kind is known, by what follows the kind in its name."""


def _is_known(feature: Feature) -> bool:
    kind, _, name = feature.name.partition(" ")
    return kind in KINDS and KINDS[kind](name)


def _version(text: str) -> list[int]:
    return [int(number) for number in text.split(".")]
