"""What a reader must know to carry out layer patches: the table of features in the index (spec/FORMAT.md, Features).

A bundle says what it needs, so that a reader can refuse before the first write what it could not finish.
"""

from __future__ import annotations

from collections.abc import Iterable

from airpatch.errors import FormatError
from airpatch.format.features import encoder_feature, view_feature
from airpatch.format.index import Feature, Index
from airpatch.layers.recipe import Corrected, CorrectedFrames, Frames, GzipMembers, Method, Replica
from airpatch.layers.versions import features_of_this_host, known_features, newest, since
from airpatch.views.description import Coding


def coding_features(coding: Coding) -> set[str]:
    """Return the names of the features that a coding of a view takes."""
    return {view_feature(coding.framing), *({encoder_feature(coding.encoder)} if coding.encoder else ())}


def features(method: Method, codings: Iterable[Coding] = ()) -> set[Feature]:
    """Return what it takes to carry out a layer patch of that method, with views of these codings."""
    names = {name for coding in codings for name in coding_features(coding)}
    match method:
        case (
            Replica(encoder)
            | Corrected(Replica(encoder))
            | GzipMembers(encoder, _)
            | Frames(encoder, _)
            | CorrectedFrames(encoder)
        ):
            names.add(encoder_feature(encoder))
    return {Feature(name, since(name)) for name in names}


def require_features(index: Index) -> None:
    """Raise FormatError if `index` needs what this airpatch does not know, or lacks because it is not compiled."""
    absent = [feature for feature in index.features if feature.name not in features_of_this_host()]
    if not absent:
        return
    unknown = [feature for feature in absent if feature.name not in known_features()]
    needed = (
        f"airpatch {newest([each.since for each in unknown])} or newer" if unknown else "airpatch's compiled codecs"
    )
    raise FormatError(
        f"the bundle of {index.release.name or index.release_id} needs {needed}, for",
        [feature.name for feature in unknown or absent],
    )
