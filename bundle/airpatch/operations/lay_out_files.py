"""Lays out the files of a release in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from airpatch.blobs.content import Content
from airpatch.blobs.room import Rooms
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor, Manifest
from airpatch.model.release import Image
from airpatch.operations.arguments import StrPath


def require_places(
    images: Sequence[Image], manifests: Mapping[Digest, Manifest], folder: StrPath, rooms: Rooms
) -> None:
    """Look, before anything is written, whether `lay_out_files` will be able to. Changes nothing.

    Raises UsageError if there is no artifact of files among `images`, TargetError if `folder` is somebody else's, or
    has no room for the files beside what `rooms` knows of.
    """
    from airpatch.files.laying_out import require_own

    for place, layers in _places(images, manifests, folder).items():
        require_own(place)
        rooms.require(place, "the files", sum(layer.size for layer in layers))


def lay_out_files(
    images: Sequence[Image],
    manifests: Mapping[Digest, Manifest],
    content: Content,
    folder: StrPath,
    execution: Execution,
) -> int:
    """Lay out the artifacts of files among `images`: a single one in `folder`, several in `folder/REPOSITORY` each.

    Returns the number of files, folders and links. Raises UsageError if there is no such artifact, and what `lay_out`
    raises.
    """
    from airpatch.files.laying_out import lay_out

    found = _places(images, manifests, folder)
    total = sum(layer.size for layers in found.values() for layer in layers)
    with execution.part(f"laying out {folder}", total) as part:
        return sum(lay_out(layers, content, place, part) for place, layers in found.items())


def _places(
    images: Sequence[Image], manifests: Mapping[Digest, Manifest], folder: StrPath
) -> dict[Path, list[Descriptor]]:
    from airpatch.files.laying_out import files_artifacts

    found = files_artifacts(images, manifests, Path(folder))
    if not found:
        raise UsageError("the release has no files (create --files): omit --files")
    return found
