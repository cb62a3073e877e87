"""All that a report says of a patch that is about to be made, and what of it `--json` and the page show.

`airpatch.report.cost_tree` has every byte of it; `release_changes` what happened between the releases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.content import ChainedContent, Content
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.report.causes import Cause, largest_causes
from airpatch.report.cost_shares import cost_shares
from airpatch.report.cost_tree import BlobName, CostNode, cost_tree
from airpatch.report.forecast import BlobCost
from airpatch.report.layer_encodings import Encoding, encoding_of_patch, examine
from airpatch.report.packed_sizes import packed_sizes
from airpatch.report.release_changes import ImageChange, Read, release_changes


@dataclass(frozen=True, slots=True)
class PatchReport:
    """A patch of `size` bytes: the `tree` of them, which images `changed` and were `removed`, what makes it large.

    `compared_with` names what targets have, None if their images are not known. `encodings` say how each layer that the
    patch brings is compressed.
    """

    size: int
    tree: CostNode
    compared_with: str | None
    changed: tuple[ImageChange, ...]
    removed: tuple[ImageName, ...]
    causes: tuple[Cause, ...]
    encodings: Mapping[Digest, Encoding]


@dataclass(frozen=True, slots=True)
class InstalledImages:
    """What targets have: the images of a base called `name`, their manifests, and where their layers can be read."""

    name: str | None
    images: Sequence[Image]
    manifests: Read
    content: Content | None


def report_patch(
    bundle: PreparedBundle,
    costs: list[BlobCost],
    images: Mapping[Digest, tuple[ImageName, ...]],
    installed: InstalledImages,
    execution: Execution,
) -> PatchReport:
    """Return the report of `bundle`, whose blobs have `costs` and belong to `images`, for targets that have
    `installed`.

    Raises SourceError if content of the release is missing or wrong, TargetError if scratch files fail.
    """
    index = bundle.index
    packed = packed_sizes(bundle, execution)
    content = bundle.patched_from or bundle.content
    names = _blob_names(bundle)
    layers = [each for each in costs if names[each.digest].kind == "layer"]
    whole = [each.digest for each in layers if not each.files]
    there = content if installed.content is None else ChainedContent([installed.content, content])
    new = (index.release.images, bundle.manifests.get)
    changes = release_changes((installed.images, installed.manifests), new, there, whole, execution)
    shares = cost_shares(costs, packed, changes.weights)
    return PatchReport(
        packed.size,
        cost_tree(index.release.title, packed, shares, images, names),
        installed.name,
        tuple(changes.images),
        tuple(changes.removed),
        largest_causes(packed, shares, images, names, changes),
        dict(_encodings(layers, content)),
    )


def _encodings(layers: Sequence[BlobCost], content: Content) -> Iterator[tuple[Digest, Encoding]]:
    for each in layers:
        if each.patch is not None:
            yield each.digest, encoding_of_patch(each.patch)
        else:
            with closing(content.open(each.digest, each.size)) as reader:
                yield each.digest, examine(reader, each.size)


def _blob_names(bundle: PreparedBundle) -> dict[Digest, BlobName]:
    """Return what each layer, config and manifest of the release is, by the first image that has it."""
    parsed = {digest: parse_manifest(content) for digest, content in bundle.manifests.items()}
    found: dict[Digest, BlobName] = {}
    for image in bundle.index.release.images:
        manifests = list(walk([image.manifest], parsed.get))
        platforms: dict[Digest, str] = {}
        for _, manifest in manifests:
            platforms |= {child.digest: f" for {child.platform}" for child in manifest.manifests if child.platform}
        for digest, manifest in manifests:
            of = platforms.get(digest, "")
            found.setdefault(digest, BlobName("manifest", f"manifest{of}"))
            for number, blob in enumerate(manifest.blobs):
                text = f"layer {number} of {len(manifest.blobs) - 1}{of}" if number else f"config{of}"
                found.setdefault(blob.digest, BlobName("layer" if number else "config", text))
    for step in bundle.index.steps:  # such as a layer that only a later step needs
        found.setdefault(step.digest, BlobName("layer", "layer"))
    return found
