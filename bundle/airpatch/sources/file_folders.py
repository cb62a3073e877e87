"""A folder of files as an image of the release (`files.packing`)."""

from __future__ import annotations

from airpatch.execution import NewFile
from airpatch.files.packing import FilesOption, pack_files
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.sources.source import FoundImage, LoadedImage


def files_image(option: FilesOption, release: str, new_file: NewFile) -> FoundImage:
    """Return the artifact of a folder's files, tagged with the name of the release. Raises SourceError."""
    artifact = pack_files(option, release, new_file)
    digest = Digest.of(artifact.manifest)
    loaded = LoadedImage(
        digest, {digest: artifact.manifest}, {digest: parse_manifest(artifact.manifest)}, (), artifact.content
    )
    return FoundImage(artifact.name, str(option.folder), lambda: loaded, digest)
