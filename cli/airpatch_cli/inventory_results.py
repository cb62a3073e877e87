"""What `airpatch inspect` reports about an inventory or a request."""

from __future__ import annotations

from collections.abc import Iterator

from airpatch import Inventory, InventoryReport, Request
from airpatch.units import count, megabytes
from airpatch_cli.console import Result, table


def inventory_result(found: InventoryReport, *, with_blobs: bool) -> Result:
    """Return its facts; for people, its blobs only on request."""
    return Result(_data(found), list(_lines(found, with_blobs=with_blobs)))


def _data(found: InventoryReport) -> dict[str, object]:
    content = found.content
    own: dict[str, object]
    if isinstance(content, Inventory):
        own = {
            "version": content.version or None,
            "features": list(content.features),
            "repositories": list(content.repositories),
        }
    else:
        own = {"release_id": str(content.release_id)}
    return {
        "kind": _kind(content),
        "name": found.name,
        "bytes": found.size,
        "id": str(found.id),
        "product": content.product,
        "release": content.name or None,
        "sequence": content.sequence,
        **own,
        "blob_bytes": sum(content.blobs.values()),
        "blobs": [{"digest": str(digest), "bytes": size} for digest, size in content.blobs.items()],
    }


def _lines(found: InventoryReport, *, with_blobs: bool) -> Iterator[str]:
    content = found.content
    blobs = f"{len(content.blobs):,} of {megabytes(sum(content.blobs.values()))}"
    facts = [["id", str(found.id)], ["product", content.product]]
    if isinstance(content, Inventory):
        facts.append(["release", _release(content) if content.name else "none that airpatch has applied"])
        facts.append(["airpatch", _reader(content)])
        facts.append(["repositories", f"{len(content.repositories):,}"])
        facts.append(["blobs", blobs])
    else:
        facts.append(["release", f"{_release(content)}, {content.release_id}"])
        facts.append(["lacks", blobs])
    yield f"{found.name}: {_kind(content)} of {megabytes(found.size)}"
    yield from (f"  {line}" for line in table(facts))
    if with_blobs:
        yield ""
        rows = [[str(digest), megabytes(size)] for digest, size in content.blobs.items()]
        yield from table([["BLOB", "SIZE"], *rows], right=[1])


def _kind(content: Inventory | Request) -> str:
    return "inventory" if isinstance(content, Inventory) else "request"


def _reader(content: Inventory) -> str:
    """Say which airpatch made an inventory, and what it can carry out."""
    if not content.version:
        return "unknown"
    return f"{content.version}, with {count(len(content.features), 'feature')}"


def _release(content: Inventory | Request) -> str:
    return content.name + (f", number {content.sequence}" if content.sequence else "")
