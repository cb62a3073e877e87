"""Lays out the files of a release in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from airpatch.blobs.content import Content
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.release import Image
from airpatch.operations.arguments import StrPath


def lay_out_files(
    images: Sequence[Image], manifests: Mapping[Digest, bytes], content: Content, folder: StrPath, execution: Execution
) -> int:
    """Lay out the artifacts of files among `images`: a single one in `folder`, several in `folder/REPOSITORY` each.

    Returns the number of files, folders and links. Raises UsageError if there is no such artifact, and what `lay_out`
    raises.
    """
    from airpatch.files.laying_out import files_artifacts, lay_out

    found = files_artifacts(images, manifests)
    if not found:
        raise UsageError("the release has no files (create --files): omit --files")
    total = sum(layer.size for layers in found.values() for layer in layers)
    with execution.part(f"laying out {folder}", total) as part:
        if len(found) == 1:
            return lay_out(next(iter(found.values())), content, Path(folder), part)
        return sum(lay_out(layers, content, Path(folder) / name, part) for name, layers in sorted(found.items()))
