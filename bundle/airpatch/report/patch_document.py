"""A patch's report as `--json` has it and the page shows it (spec/json.schema.json, `patch_report`). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.cost_tree import CostNode
from airpatch.report.forecast import BlobCost
from airpatch.report.layer_encodings import Encoding
from airpatch.report.patch_report import PatchReport
from airpatch.report.release_changes import ImageChange


def patch_document(
    report: PatchReport, costs: Sequence[BlobCost], images: Mapping[Digest, tuple[ImageName, ...]]
) -> dict[str, object]:
    """Return `report` in JSON's types; `costs` and `images` are those of its blobs."""
    return {
        "size_bytes": report.size,
        "tree": _node(report.tree),
        "causes": [{"bytes": cause.bytes, "text": cause.text} for cause in report.causes],
        "layers": [
            _layer(each, images[each.digest], report.encodings[each.digest])
            for each in costs
            if each.digest in report.encodings
        ],
        "compared_with": report.compared_with,
        "changes": [_change(each) for each in report.changed],
        "removed_images": list(map(str, report.removed)),
    }


def _node(node: CostNode) -> dict[str, object]:
    children = [_node(child) for child in node.children]
    return {"name": node.name, "kind": node.kind, "bytes": node.bytes, "children": children, "files": node.files}


def _layer(each: BlobCost, images: Sequence[ImageName], encoding: Encoding) -> dict[str, object]:
    patch = each.patch
    return {
        "digest": str(each.digest),
        "images": list(map(str, images)),
        "bytes": each.size,
        "cost_bytes": each.cost,
        "compression": None if encoding.compression is None else encoding.compression.value,
        "encoder": encoding.encoders[0] if encoding.encoders else None,
        "method": None if patch is None else patch.method,
        "sources": [] if patch is None else list(map(str, patch.step.sources)),
    }


def _change(each: ImageChange) -> dict[str, object]:
    return {
        "image": str(each.name),
        "platform": each.platform,
        "before": None if each.before is None else str(each.before),
        "files": None if each.counts is None else dict(each.counts),
        "listed": [
            {"path": file.path, "change": file.change, "before_bytes": file.before, "after_bytes": file.after}
            for file in each.files
        ],
        "packages": [
            {
                "manager": package.manager,
                "name": package.name,
                "before": package.before,
                "after": package.after,
                "before_bytes": package.size_before,
                "after_bytes": package.size_after,
            }
            for package in each.packages
        ],
        "unread": list(each.unread),
    }
