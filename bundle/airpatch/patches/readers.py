"""Which airpatch will carry out a patch: a version by its number, or the one that made an inventory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path

from airpatch.archive.inventory_files import is_inventory, read_inventory
from airpatch.errors import UsageError
from airpatch.format.features import is_version
from airpatch.format.inventories import Inventory
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.layers.versions import features_of
from airpatch.linux import is_file
from airpatch.patches.bases import BaseState
from airpatch.units import count


def reader_features(readers: Sequence[str], bases: Sequence[BaseState]) -> ReaderFeatures:
    """Return what all of `readers`, versions or inventories by their names, can carry out.

    Without any, those count whose inventories are among the `bases`. Raises UsageError if a version is not known, or
    if there is no such inventory, FormatError if it is damaged.
    """
    known = [_features(reader) for reader in readers] if readers else [base.features for base in bases]
    said = [features for features in known if features is not None]
    return ReaderFeatures(reduce(frozenset.intersection, said) if said else None)


def reader_warnings(reader: ReaderFeatures) -> Iterator[str]:
    """Yield what the patch does not use because its reader does not support it."""
    layers: dict[str, int] = {}
    for features in reader.missed.values():
        for feature in features:
            layers[feature] = layers.get(feature, 0) + 1
    if layers:
        yield (
            f"{count(len(reader.missed), 'layer')} would be smaller with what airpatch on the host does not know: "
            f"{_list(layers)}. `airpatch explain` says what that costs; a newer airpatch there, or --with-tool, ends it"
        )


def _list(layers: Mapping[str, int]) -> str:
    return ", ".join(f"{feature} ({count(layers[feature], 'layer')})" for feature in sorted(layers))


def _features(reader: str) -> frozenset[str] | None:
    if is_version(reader):
        return features_of(reader)
    path = Path(reader)
    if not is_file(path) or not is_inventory(path):
        raise UsageError(f"{reader}: neither a version of airpatch, such as 0.1, nor an inventory")
    value = read_inventory(path)
    if not isinstance(value, Inventory):
        raise UsageError(
            f"{reader}: a request, which does not say what airpatch on the host supports; give an inventory"
        )
    return frozenset(value.features) if value.version else None
