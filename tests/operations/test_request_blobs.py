"""What a patch needs and nobody has is asked for in a file that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import airpatch
from airpatch.errors import TargetError
from airpatch.format.index import Index
from airpatch.format.inventories import Request
from airpatch.operations.request_blobs import request_blobs
from tests.support import Builder


def test_the_request_lists_what_is_missing(sample: Builder, tmp_path: Path) -> None:
    index = Index.full(sample.release)
    missing = index.stored[:2]
    said = request_blobs(tmp_path / "request", index, missing)
    assert said == f"{tmp_path / 'request'}: request for 2 blobs of release {sample.release.name}"
    report = airpatch.inspect(tmp_path / "request")
    assert isinstance(report, airpatch.InventoryReport)
    assert isinstance(report.content, Request)
    assert report.content.blobs == {blob.digest: blob.size for blob in missing}


def test_where_it_cannot_be_written_that_is_told(sample: Builder, tmp_path: Path) -> None:
    index = Index.full(sample.release)
    with pytest.raises(TargetError, match="the folder for it is not there; make that first"):
        request_blobs(tmp_path / "no folder" / "request", index, index.stored[:1])
