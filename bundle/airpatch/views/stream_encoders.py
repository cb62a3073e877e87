"""The encoders of streams in views: replicas, and libraries that no layer is written by (spec/ENCODERS.md)."""

from __future__ import annotations

from airpatch.encoders.libbrotli import brotli_encoder
from airpatch.encoders.libzopfli import zopfli_deflater, zopfli_names
from airpatch.encoders.replicas import Deflater, deflater
from airpatch.views import framings
from airpatch.views.description import Coding


def stream_encoder(coding: Coding) -> Deflater:
    """Return a new encoder for a stream of that coding. Raises FormatError for an unknown one."""
    if coding.framing == framings.BROTLI:
        return brotli_encoder(coding.encoder)
    return zopfli_deflater(coding.encoder) if coding.encoder in zopfli_names() else deflater(coding.encoder)
