"""Lists in pages."""

from __future__ import annotations

import pytest

from airpatch.blobs.content import BytesContent
from airpatch.serving.catalog import Catalog, page


@pytest.mark.parametrize(
    ("last", "count", "found", "is_more"),
    [("", None, "abc", False), ("", 2, "ab", True), ("b", 2, "c", False), ("aa", 1, "b", True), ("z", 1, "", False)],
)
def test_pages_follow_each_other(last: str, count: int | None, found: str, is_more: bool) -> None:
    assert page(list("abc"), last, count) == (list(found), is_more)


def test_a_catalog_of_nothing_has_nothing() -> None:
    catalog = Catalog([], {}, BytesContent({}))
    assert (catalog.names, catalog.manifest("web", "r1")) == ([], None)
