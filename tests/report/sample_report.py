"""The report of a patch of which one folder has 10,000 files, with hostile names."""

from __future__ import annotations

from typing import Any

HOSTILE = "</script><img src=x onerror=alert(1)> \"'&.js"
FILES = 10_000


def _node(name: str, kind: str, *children: dict[str, Any], size: int = 0) -> dict[str, Any]:
    bytes_ = size or sum(child["bytes"] for child in children)
    return {"name": name, "kind": kind, "bytes": bytes_, "children": list(children), "files": 0}


def sample_report() -> dict[str, Any]:
    """A patch of which one folder has 10,000 files."""
    many = [_node(f"file-{number}", "file", size=2 * FILES - number) for number in range(FILES)]
    layer = _node(
        "layer 1 of 1, 0123456789ab", "layer", _node("usr/lib", "folder", *many), _node(HOSTILE, "file", size=5000)
    )
    small = _node("shop/api:r2", "image", _node("config, ba9876543210", "config", size=700))
    tree = _node("r2", "patch", _node("shop/web:r2", "image", layer), small, _node("index", "index", size=300))
    change = {
        "image": "shop/web:r2", "platform": "", "before": "shop/web:r1",
        "files": {"new": 1, "changed": FILES, "removed": 0},
        "listed": [{"path": HOSTILE, "change": "new", "before_bytes": 0, "after_bytes": 5000}],
        "packages": [
            {"manager": "pip", "name": HOSTILE, "before": None, "after": "2", "before_bytes": 0, "after_bytes": 9}
        ],
        "unread": ["var/lib/rpm/Packages"],
    }  # fmt: skip
    known = {
        "digest": f"sha256:{'0' * 64}", "images": ["shop/web:r2"], "bytes": 9000, "cost_bytes": 5000,
        "compression": "gzip", "encoder": None, "method": "replay", "sources": [f"sha256:{'1' * 64}"],
    }  # fmt: skip
    return {
        "size_bytes": tree["bytes"], "tree": tree, "causes": [{"bytes": 1, "text": HOSTILE}], "layers": [known],
        "compared_with": "r1", "changes": [change], "removed_images": ["shop/old:r1"],
    }  # fmt: skip
