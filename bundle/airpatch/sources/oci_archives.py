"""OCI archives: an OCI layout in a tar file, plain or compressed.

`skopeo copy ... oci-archive:`, `podman save --format oci-archive`, `nerdctl save`, `ctr images export`, BuildKit's type
`oci` and `docker save` of Docker 25 and newer write them. Images keep the digests that they have in the layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.sources.location import OCI_LAYOUT, Location
from airpatch.sources.oci_layouts import Layout
from airpatch.sources.source import GivenNames, Listing, Source
from airpatch.sources.tar_files import TarFiles


class OciArchive(Source):
    """The layout in `archive`. Where entries have only tags, the file's name up to its first dot is the repository."""

    def __init__(self, archive: TarFiles) -> None:
        self._layout = Layout(archive, "", archive.path.name.partition(".")[0])

    def listing(self, names: GivenNames) -> Listing:
        images, unnamed = self._layout.images(names)
        findings = () if images or unnamed else (f"{self._layout.where}: names no image",)
        return Listing(tuple(images), tuple(unnamed), findings)

    def leftovers(self, used: AbstractSet[Digest]) -> Iterator[str]:
        yield from self._layout.leftovers(used)


def holds_layout(archive: TarFiles) -> bool:
    """Return whether `archive` is an OCI archive with images; one of Docker's may have an empty layout in it."""
    if archive.lacks(OCI_LAYOUT):
        return False
    try:
        return archive.lacks("manifest.json") or bool(Layout(archive, "", "").entries())
    except SourceError:
        return True  # reading it reports the problem


def recognise(location: Location) -> OciArchive | None:
    """Return the archive in a file, None if it is none. Raises as `Location.archive` does."""
    archive = location.archive
    return OciArchive(archive) if archive is not None and holds_layout(archive) else None
