"""The manifests of a bundle about to be applied, read ahead from its file and from the root.

Defects are reported later, when the manifests are read in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.frame_reader import FileFrameReader, FrameReader
from airpatch.errors import AirpatchError, FormatError
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.release import Release, check_manifests
from airpatch.target.check import ManifestsAhead, read_manifest
from airpatch.target.root import Root


def manifests_ahead(reader: FrameReader, root: Root | None, release: Release) -> ManifestsAhead:
    """Return the manifests of `release` that the bundle of `reader`, if that is a file, and `root` have."""
    contents: dict[Digest, bytes] = {}
    if isinstance(reader, FileFrameReader):
        with suppress(AirpatchError), closing(BundleFile(reader.again())) as bundle:
            contents = bundle.manifests()
    wanted = [blob.digest for blob in release.blobs if blob.is_manifest]
    for digest in wanted:
        if root is not None and digest not in contents:
            with suppress(AirpatchError):
                contents[digest] = read_manifest(root, digest)
    found = {}
    for digest, content in contents.items():
        with suppress(FormatError):
            found[digest] = parse_manifest(content)
    return ManifestsAhead(found, len(found) == len(wanted) and _fit(release, contents))


def _fit(release: Release, contents: Mapping[Digest, bytes]) -> bool:
    try:
        check_manifests(release, contents)
    except AirpatchError:
        return False
    return True
