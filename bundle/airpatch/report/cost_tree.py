"""The bytes of a patch as a tree: images, their layers, folders, files. Pure.

What several images have stands for itself, and is not divided among them. The bytes of a node are those of its
children, or all of them if it has none: nothing is rounded, and nothing is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.cost_shares import CostShare, ShareKind
from airpatch.report.packed_sizes import PackedSizes
from airpatch.units import count

MOST_FILES = 10_000
"""Files that have nodes of their own; the cheaper ones of a folder are one node."""
_MOST_FOLDERS = 24
"""Folders within folders; what lies deeper is named by its path."""


@dataclass(frozen=True, slots=True)
class CostNode:
    """`bytes` of the patch. `files` counts those below that have no nodes."""

    name: str
    kind: str
    bytes: int
    children: tuple[CostNode, ...] = ()
    files: int = 0


@dataclass(frozen=True, slots=True)
class BlobName:
    """What a blob is: `layer 2 of 5`, `config` or `manifest`, and whose."""

    kind: str
    text: str


def cost_tree(
    title: str,
    packed: PackedSizes,
    shares: Mapping[Digest, Sequence[CostShare]],
    images: Mapping[Digest, tuple[ImageName, ...]],
    names: Mapping[Digest, BlobName],
) -> CostNode:
    """Return the tree of a patch: what its blobs take, by their `images`, and what it takes itself."""
    least = _least_cost(shares.values())
    groups: defaultdict[tuple[ImageName, ...], list[CostNode]] = defaultdict(list)
    for digest, size in packed.members.items():
        name = names.get(digest, BlobName("manifest", "manifest"))
        below = _files(shares.get(digest, ()), least)
        groups[images.get(digest, ())].append(_node(f"{name.text}, {digest.short}", name.kind, below, size))
    found = [_node(*_group_name(users), nodes) for users, nodes in groups.items()]
    for text, kind, size in (
        ("index: what the patch says of itself", "index", packed.index),
        ("detached signatures of images", "signatures", packed.signatures),
        ("frames, seek table and end of the file", "frames", packed.framing),
    ):
        if size:
            found.append(CostNode(text, kind, size))
    return _node(title, "patch", found)


def _node(name: str, kind: str, children: Iterable[CostNode], size: int | None = None) -> CostNode:
    ordered = tuple(sorted(children, key=lambda child: (-child.bytes, child.name)))
    return CostNode(name, kind, sum(child.bytes for child in ordered) if ordered else size or 0, ordered)


def _group_name(users: tuple[ImageName, ...]) -> tuple[str, str]:
    if not users:
        return "no image that is known", "image"
    if len(users) == 1:
        return str(users[0]), "image"
    return f"shared by {count(len(users), 'image')}: {', '.join(map(str, users))}"[:300], "images"


def _least_cost(shares: Iterable[Sequence[CostShare]]) -> int:
    """Return from how many bytes on a file has a node of its own."""
    sizes = sorted((each.bytes for of in shares for each in of if each.path), reverse=True)
    return sizes[MOST_FILES] + 1 if len(sizes) > MOST_FILES else 0


class _FolderNodes:
    """Files and folders below one, and how many files, of how many bytes, have no nodes."""

    def __init__(self) -> None:
        self.folders: defaultdict[str, _FolderNodes] = defaultdict(_FolderNodes)
        self.nodes: list[CostNode] = []
        self.others = 0
        self.other_bytes = 0

    def children(self) -> list[CostNode]:
        found = [folder.node(name) for name, folder in self.folders.items()] + self.nodes
        if self.others:
            noun = "smaller file" if found else "file"
            found.append(CostNode(count(self.others, noun), "others", self.other_bytes, (), self.others))
        return found

    def node(self, name: str) -> CostNode:
        children = self.children()
        if len(children) == 1:
            only = children[0]
            if only.kind == "others":
                return CostNode(name, "folder", only.bytes, (), only.files)
            if only.kind == "folder":
                return CostNode(f"{name}/{only.name}", "folder", only.bytes, only.children, only.files)
        return _node(name, "folder", children)


def path_parts(path: str) -> list[str]:
    """Return the folders on the way to a file, and its name; what is nested in a file lies in `FILE!`."""
    return path.replace("!", "!/").split("/", _MOST_FOLDERS)


def _files(shares: Sequence[CostShare], least: int) -> list[CostNode]:
    """Return the nodes below a layer."""
    top = _FolderNodes()
    for each in shares:
        if each.kind is not ShareKind.FILE:
            top.nodes.append(CostNode(each.kind.value, "layer itself", each.bytes))
            continue
        *folders, name = path_parts(each.path)
        folder = top
        for part in folders:
            folder = folder.folders[part]
        if each.bytes >= least:
            folder.nodes.append(CostNode(name, "file", each.bytes))
        else:
            folder.others += 1
            folder.other_bytes += each.bytes
    only = top.children()
    return [] if len(only) == 1 and only[0].name == ShareKind.WHOLE.value else only
