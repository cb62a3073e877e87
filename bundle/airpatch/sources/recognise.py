"""Finds out what kind of source a path is, by what it holds.

A file is a bundle. A directory is registry storage if it holds `docker/registry/v2`, a tree of OCI layouts or of
`dir:` images by what the folders below it hold. A prefix (`dir:`, `registry:`, `oci:`, `bundle:`) settles doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.tree import Tree
from airpatch.errors import SourceError, UsageError
from airpatch.format.registry import STORAGE
from airpatch.sources import dirs, oci
from airpatch.sources.bundles import BundleSource
from airpatch.sources.registry import RegistryRoot
from airpatch.sources.source import Source

KINDS = ("dir", "registry", "oci", "bundle")
_TELLING = (dirs.MANIFEST, oci.LAYOUT)


@dataclass(slots=True)
class Survey:
    """What lies below a directory: `dir:` images with their signatures' names, OCI layouts, links not followed."""

    images: dict[str, list[str]] = field(default_factory=dict)
    layouts: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def survey(tree: Tree) -> Survey:
    """Walk `tree`, but for hidden folders, registry storage and the blobs of layouts. Raises SourceError."""
    found = Survey()
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = tree.scan(folder)
        except SourceError as error:
            if not folder:
                raise
            found.findings.append(error.message)
            continue
        files = {entry.name for entry in entries if entry.is_file}
        is_layout = oci.LAYOUT in files
        if is_layout:
            found.layouts.append(folder)
        elif dirs.MANIFEST in files:
            found.images[folder] = [name for name in files if dirs.SIGNATURE in name]
        below = []
        for entry in entries:
            path = f"{folder}/{entry.name}".lstrip("/")
            if entry.name.startswith(".") or path == STORAGE or (is_layout and entry.name == oci.BLOBS):
                continue
            if entry.is_folder:
                below.append(path)
            elif entry.is_link and (entry.name in _TELLING or (tree.path / path).is_dir()):
                found.findings.append(f"{tree.name(path)}: is a symbolic link, which is not followed")
        pending += reversed(below)
    return found


def open_source(spec: str) -> Source:
    """The source that `spec`, a path with or without a prefix, names.

    Raises UsageError if there is nothing of the kind or more than one kind, FormatError for a broken bundle,
    SourceError if the path cannot be read.
    """
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in KINDS:
        kind, rest = "", spec
    path = Path(rest)
    if not rest or not path.exists():
        raise UsageError(f"{spec}: no such file or folder")
    if not path.is_dir():
        if kind not in ("", "bundle"):
            raise UsageError(f"{spec}: is a file; {kind}: names a folder")
        return BundleSource(BundleFile(rest))
    if kind == "bundle":
        raise UsageError(f"{spec}: is a folder; a bundle is a file")
    return _open_folder(spec, kind, Tree(path))


def _open_folder(spec: str, kind: str, tree: Tree) -> Source:
    kinds = {kind} if kind else set(KINDS)
    found: dict[str, Source] = {}
    findings: list[str] = []
    if "registry" in kinds and tree.is_folder(STORAGE):
        found["registry"] = RegistryRoot(tree)
    if kinds & {"dir", "oci"}:
        below = survey(tree)
        findings = below.findings
        if "dir" in kinds and below.images:
            found["dir"] = dirs.DirTree(tree, below.images, below.findings)
        if "oci" in kinds and below.layouts:
            found["oci"] = oci.OciLayouts(tree, below.layouts, below.findings)
    if len(found) > 1:
        prefixes = " or ".join(f"{kind}:{spec}" for kind in sorted(found))
        raise UsageError(f"{spec}: holds more than one kind of source; say which one is meant: {prefixes}")
    if not found:
        raise UsageError(f"{spec}: {_hint(tree.path) or _nothing(kind)}", findings)
    return found.popitem()[1]


def _nothing(kind: str) -> str:
    return {
        "dir": "holds no dir: image, a folder with a manifest.json",
        "registry": f"is no registry's root, which holds {STORAGE}",
        "oci": "holds no OCI layout, a folder with a file oci-layout",
    }.get(kind, f"holds no images: neither dir: folders (manifest.json), nor OCI layouts (oci-layout), nor {STORAGE}")


def _hint(path: Path) -> str | None:
    """What to say to somebody who named a folder on the way from a root to its storage."""
    parts = STORAGE.split("/")
    for depth in range(1, len(parts) + 1):
        if (path.joinpath(*parts[depth:]) / "repositories").is_dir():
            return f"lies inside a registry's root: name the root, {path.resolve().parents[depth - 1]}"
    return None
