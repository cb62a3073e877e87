"""Finds out what kind of source a path is, by what it holds.

A prefix (`dir:`, `registry:`, `oci:`, `oci-archive:`, `docker-archive:`, `containerd:`,
`bundle:`, `store:`) disambiguates where a path holds more than one kind.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.open_bundles import STDIN
from airpatch.errors import AirpatchError, SourceError, UsageError, unreadable
from airpatch.execution import NewFile
from airpatch.format.registry import STORAGE
from airpatch.linux import is_file, is_folder, real_path
from airpatch.log import logger
from airpatch.model.release import Release
from airpatch.registry_api.access import PullOptions, is_address
from airpatch.sources.foreign import explain_spec
from airpatch.sources.location import (
    CONTAINERD_DATABASE,
    DIR_MANIFEST,
    DOCKER_INDEX,
    OCI_INDEX,
    OCI_LAYOUT,
    Location,
)
from airpatch.sources.source import Kind, Source
from airpatch.store.store_address import is_store_address

if TYPE_CHECKING:
    from airpatch.sources.image_references import Reference


def _has_below(name: str) -> Callable[[Location], bool]:
    """Return the glance that looks for `name` in a folder and those below it."""
    return lambda at: at.is_folder and at.scan.has(name)


KINDS: tuple[Kind, ...] = (
    Kind("dir", f"no dir: image (a folder with a {DIR_MANIFEST})", "dir_trees", _has_below(DIR_MANIFEST)),
    Kind(
        "registry",
        f"no registry's storage ({STORAGE})",
        "registry_roots",
        lambda at: at.is_folder and at.tree.is_folder(STORAGE),
    ),
    Kind("oci", f"no OCI layout (a folder with a file {OCI_LAYOUT})", "oci_layouts", _has_below(OCI_LAYOUT)),
    Kind(
        "oci-archive",
        f"no OCI archive (a tar file with {OCI_LAYOUT} and {OCI_INDEX})",
        "oci_archives",
        lambda at: not at.is_folder,
    ),
    Kind(
        "docker-archive",
        f"no docker archive (a tar file with {DOCKER_INDEX}, as 'docker save' writes it)",
        "docker_archives",
        lambda at: not at.is_folder,
    ),
    Kind(
        "containerd",
        f"no storage of containerd (with {CONTAINERD_DATABASE})",
        "containerd_stores",
        lambda at: at.is_folder and at.tree.size(CONTAINERD_DATABASE) is not None,
    ),
    Kind("bundle", "no bundle made by airpatch", "bundles", lambda at: not at.is_folder or at.is_bundle),
)
_LOG = logger(__name__)
_BY_PREFIX = {kind.prefix: kind for kind in KINDS}


def open_source(spec: str, new_file: NewFile, pull: PullOptions | None = None) -> Source:
    """Return the source that `spec`, a path with or without a prefix, names. What must be decompressed goes to
    `new_file`.

    An address `docker://...` is an image in a registry; `pull` says how to read it. An address of a store may name one
    of its releases.

    Raises UsageError if there is nothing of the kind or more than one kind, FormatError for a broken bundle,
    SourceError if the path cannot be read.
    """
    if is_address(spec):
        from airpatch.sources.registries import RegistryImages

        return RegistryImages.at(spec, new_file, pull or PullOptions())
    if is_store_address(spec):
        from airpatch.sources.stores import StoreSource  # here, since few sources are stores, whose client takes time

        return StoreSource.at(spec)
    prefix, colon, rest = spec.partition(":")
    kind = _BY_PREFIX.get(prefix) if colon else None
    name = spec if kind is None else rest
    location = Location(spec, prefix if kind else "", _existing(spec, name), new_file)
    found = {
        kind.prefix: source
        for kind in (KINDS if kind is None else (kind,))
        if (source := kind.recognise(location)) is not None
    }
    if len(found) > 1:
        choices = " or ".join(f"{prefix}:{spec}" for prefix in sorted(found))
        raise UsageError(f"{spec}: holds more than one kind of source; say which one you mean: {choices}")
    if not found:
        raise _nothing(location, kind)
    ((prefix, source),) = found.items()
    _LOG.info("source %s: read as %s:%s", spec, prefix, "" if kind is not None else ", the only kind that it holds")
    return source


def listed_images(place: str, references: Sequence[Reference] | None, new_file: NewFile, pull: PullOptions) -> Source:
    """Return the images of a list that the registry `place`, `docker://HOST[/PREFIX]`, has. Raises UsageError."""
    if references is None:
        raise UsageError(f"{place}: which of its images? Name them with --images-list FILE")
    from airpatch.sources.registries import RegistryImages

    return RegistryImages.listed(place, references, new_file, pull)


def is_other_source(spec: str) -> bool:
    """Return whether `spec` is a source that is neither a bundle nor a root: by its prefix, or because it is an
    archive.
    """
    if is_address(spec) or is_store_address(spec):
        return True
    prefix, colon, _ = spec.partition(":")
    if colon and prefix in _BY_PREFIX:
        return prefix not in ("bundle", "registry")
    path = Path(spec)
    if not is_file(path):
        return False
    from airpatch.archive.open_bundles import is_bundle
    from airpatch.sources.tar_files import is_archive

    return not is_bundle(path) and is_archive(path)


def whole_release(spec: str) -> Release | None:
    """Return the release that the source `spec` is; None where the images of a source are of no release of their own.

    Raises as `open_source`.
    """
    if not is_store_address(spec):
        return None
    from airpatch.sources.stores import StoreSource

    return StoreSource.at(spec).release


def _existing(spec: str, name: str) -> Path:
    """Return the file or folder `name`. Raises UsageError."""
    path = Path(name)
    try:
        mode = path.stat().st_mode if name else 0
    except OSError as error:
        if spec == STDIN:
            raise UsageError("standard input can be read only once, but a source is read again: name a file") from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise UsageError(f"{spec}: {explain_spec(spec) or 'no such file or folder'}") from None
        raise unreadable(spec, error) from None
    if not name:
        raise UsageError(f"{spec}: no such file or folder")
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise UsageError(f"{spec}: is a pipe or a device; a source is a folder or a file")
    return path


def _nothing(location: Location, kind: Kind | None) -> AirpatchError:
    if not location.is_folder:
        return UsageError(f"{location.spec}: is a file, but {kind.absent if kind else 'no source of images'}")
    if location.scan.findings:
        return SourceError(f"{location.spec}: holds no images that can be used", location.scan.findings)
    if kind is None and not any(location.path.iterdir()):
        return UsageError(f"{location.spec}: is an empty folder")
    of_folders = ", ".join(each.absent for each in KINDS if not each.prefix.endswith("-archive"))
    absent = kind.absent if kind is not None else f"no images: {of_folders}"
    return UsageError(f"{location.spec}: {_hint(location.path) or f'holds {absent}'}")


def _hint(path: Path) -> str | None:
    """Return what to say to somebody who named a folder inside a registry's storage."""
    resolved = real_path(path)
    for above in resolved.parents:
        if resolved.is_relative_to(above / "docker") and is_folder(above / STORAGE):
            return f"lies inside a registry's root: name the root, {above}"
    return None
