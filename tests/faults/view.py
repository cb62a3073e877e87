"""What a registry would serve from a root, read by the rules of its storage alone: none of airpatch's code is used.

`look` gives the tags and everything that a client or a garbage collection would stumble over: links that are empty
or hold anything but their digest, tags and revisions that lack a blob, a child or a link, blobs without their bytes,
and names that do not belong into the storage. `snapshot` gives all files and folders, to compare two roots.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STORAGE = Path("docker/registry/v2")
_BLOB = re.compile(r"sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})/data")
_LINKS = {
    "layer": re.compile(r"_layers/sha256/([0-9a-f]{64})/link"),
    "revision": re.compile(r"_manifests/revisions/sha256/([0-9a-f]{64})/link"),
    "history": re.compile(r"_manifests/tags/([\w.-]+)/index/sha256/([0-9a-f]{64})/link"),
    "tag": re.compile(r"_manifests/tags/([\w.-]+)/current/link"),
}

Tags = dict[str, str]
"""`repository:tag`, and the hex digest of its manifest."""


@dataclass
class Repository:
    layers: set[str] = field(default_factory=set)
    revisions: set[str] = field(default_factory=set)
    history: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class View:
    """`findings` is empty where every client and every garbage collection gets what it asks for."""

    tags: Tags = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    blobs: dict[str, int] = field(default_factory=dict)
    manifests: dict[str, Any] = field(default_factory=dict)


def look(root: Path) -> View:
    """The view of `root`, every blob hashed."""
    view = View()
    _read_blobs(root / STORAGE / "blobs", view)
    for name, repository in _repositories(root / STORAGE / "repositories", view).items():
        view.tags |= {f"{name}:{tag}": digest for tag, digest in repository.tags.items()}
        for digest in repository.layers - view.blobs.keys():
            view.findings.append(f"{name}: a layer link to {digest}, which is not there")
        for tag, digest in repository.tags.items():
            if digest not in repository.revisions:
                view.findings.append(f"{name}:{tag}: no revision link of {digest}")
            if (tag, digest) not in repository.history:
                view.findings.append(f"{name}:{tag}: no index link of {digest}")
        for digest in repository.revisions:
            _check_revision(name, digest, repository, view)
    return view


def _read_blobs(folder: Path, view: View) -> None:
    for path in _files(folder):
        match = _BLOB.fullmatch(str(path.relative_to(folder)))
        content = path.read_bytes()
        if match is None:
            view.findings.append(f"blobs/{path.relative_to(folder)} does not belong there")
        elif hashlib.sha256(content).hexdigest() != match[2]:
            view.findings.append(f"blob {match[2]} has other content, {len(content)} bytes")
        else:
            view.blobs[match[2]] = len(content)
            if content[:1] == b"{" and b'"schemaVersion"' in content:
                view.manifests[match[2]] = json.loads(content)


def _repositories(folder: Path, view: View) -> dict[str, Repository]:
    found: dict[str, Repository] = {}
    for path in _files(folder):
        parts = path.relative_to(folder).parts
        own = next((i for i, part in enumerate(parts) if part.startswith("_")), None)
        if own is None or parts[own] == "_uploads":
            if own is None:
                view.findings.append(f"repositories/{'/'.join(parts)} does not belong there")
            continue
        name, below = "/".join(parts[:own]), "/".join(parts[own:])
        repository = found.setdefault(name, Repository())
        content = path.read_bytes().decode("latin-1")
        kind, match = next(((k, m) for k, r in _LINKS.items() if (m := r.fullmatch(below))), (None, None))
        if match is None or re.fullmatch(r"sha256:[0-9a-f]{64}", content) is None:
            view.findings.append(f"{name}: {below} holds {content[:80]!r}")
            continue
        digest = content.removeprefix("sha256:")
        if kind != "tag" and digest != match[match.re.groups]:
            view.findings.append(f"{name}: {below} holds {digest}")
        elif kind == "layer":
            repository.layers.add(digest)
        elif kind == "revision":
            repository.revisions.add(digest)
        elif kind == "history":
            repository.history.add((match[1], digest))
        else:
            repository.tags[match[1]] = digest
    for path in folder.glob("**/_manifests/tags/*"):
        repository_name, _, tag = str(path.relative_to(folder)).partition("/_manifests/tags/")
        if tag not in found.get(repository_name, Repository()).tags and any(path.rglob("link")):
            view.findings.append(f"{repository_name}: tag {tag} is listed and leads nowhere")
    return found


def _check_revision(name: str, digest: str, repository: Repository, view: View) -> None:
    manifest = view.manifests.get(digest)
    if manifest is None:
        view.findings.append(f"{name}: revision {digest} has no manifest")
        return
    for child in manifest.get("manifests", ()):
        if child["digest"].removeprefix("sha256:") not in repository.revisions:
            view.findings.append(f"{name}: {digest} lacks the revision of its child {child['digest']}")
    for blob in [manifest["config"], *manifest["layers"]] if "config" in manifest else ():
        blob_digest = blob["digest"].removeprefix("sha256:")
        if blob_digest not in repository.layers or view.blobs.get(blob_digest) != blob["size"]:
            view.findings.append(f"{name}: {digest} lacks {blob_digest}, or the layer link to it")


def _files(folder: Path) -> list[Path]:
    return sorted(Path(where) / name for where, _, names in os.walk(folder) for name in names)


Snapshot = dict[str, str | None]
"""Paths below a root, and the sha256 of files; None for folders."""


def snapshot(root: Path) -> Snapshot:
    """All of the registry's storage, and what airpatch keeps, but for what holds times (receipts and history)."""
    found: Snapshot = {}
    for where, folders, names in os.walk(root):
        for name in folders:
            found[str((Path(where) / name).relative_to(root))] = None
        for name in names:
            path = Path(where) / name
            relative = str(path.relative_to(root))
            timed = relative.startswith((".airpatch/releases/", ".airpatch/history"))
            found[relative] = "" if timed else hashlib.sha256(path.read_bytes()).hexdigest()
    found.pop("lost+found", None)
    return found
