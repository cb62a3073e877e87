"""Costs are shared out to the last byte."""

from __future__ import annotations

from airpatch.format.index import Index
from airpatch.report.costs import costs_of
from tests.support import Builder


def test_shared_blobs_are_divided_evenly() -> None:
    builder = Builder()
    shared, own = b"s" * 101, b"o" * 50
    builder.tag("a:1", builder.picture([shared]))
    builder.tag("b:1", builder.picture([shared, own]))
    costs = costs_of(Index.full(builder.release), builder.manifests)
    sizes = {str(name): size for name, size in costs.images}
    assert sizes["b:1"] - sizes["a:1"] == 49 or sizes["b:1"] - sizes["a:1"] == 50
    assert sum(sizes.values()) == 101 + 50 + len(b'{"os":"linux"}')
    assert [name for name, _ in costs.images] == sorted(
        (name for name, _ in costs.images), key=lambda name: (-sizes[str(name)], name)
    )
