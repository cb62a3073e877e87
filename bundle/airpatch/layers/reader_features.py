"""The features that a patch may use: those of the airpatch that will carry it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airpatch.format.features import encoder_feature
from airpatch.layers.required_features import coding_features
from airpatch.model.digest import Digest
from airpatch.views.description import Coding


@dataclass(frozen=True, slots=True)
class ReaderFeatures:
    """Features by `names`; None stands for whatever this airpatch knows.

    `missed` are those that a layer would have used, had the reader known them. It may be filled by many threads.
    """

    names: frozenset[str] | None = None
    missed: dict[Digest, set[str]] = field(default_factory=dict)

    def knows_encoder(self, encoder: str) -> bool:
        """Return whether the reader has this encoder."""
        return self._knows(encoder_feature(encoder))

    def miss_encoders(self, encoders: Iterable[str], layer: Digest) -> None:
        """Note that `layer` is made without the first of `encoders`, if there is one: it likely wrote the layer."""
        for encoder in encoders:
            self._miss(encoder_feature(encoder), layer)
            return

    def of_views(self, layer: Digest) -> ViewFeatures:
        """Return the features that views of `layer` may use."""
        return ViewFeatures(self, layer)

    def _knows(self, feature: str) -> bool:
        return self.names is None or feature in self.names

    def _miss(self, feature: str, layer: Digest) -> None:
        self.missed.setdefault(layer, set()).add(feature)


@dataclass(frozen=True, slots=True)
class ViewFeatures:
    """What the reader knows of views, for one layer."""

    _reader: ReaderFeatures
    _layer: Digest

    def knows(self, coding: Coding) -> bool:
        """Return whether the reader has the framing and the encoder of `coding`."""
        return all(map(self._reader._knows, coding_features(coding)))

    def note_unknown(self, coding: Coding) -> None:
        """Note that a stream of this coding stays as it is."""
        for feature in coding_features(coding):
            if not self._reader._knows(feature):
                self._reader._miss(feature, self._layer)
