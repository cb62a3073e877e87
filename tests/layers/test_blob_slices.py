"""Slices of blobs are those of their bytes, and end where the blob does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.layers.blob_slices import BlobSlices

ENDS = st.none() | st.integers(-40, 40)


@given(st.binary(max_size=30), ENDS, ENDS)
def test_slices_are_those_of_the_bytes(blob: bytes, begin: int | None, end: int | None) -> None:
    slices = BlobSlices(BytesBlob(blob), len(blob))
    assert slices[begin:end] == blob[begin:end]
    assert len(slices) == len(blob)
