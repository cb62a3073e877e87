"""The encoders of streams in views: replicas, and libraries that no layer is written by (spec/ENCODERS.md)."""

from __future__ import annotations

from airpatch.encoders.libbrotli import brotli_encoder
from airpatch.encoders.libzopfli import zopfli_deflater, zopfli_names
from airpatch.encoders.replicas import Deflater, deflater
from airpatch.encoders.spending import Spend, unbounded
from airpatch.views import framings
from airpatch.views.description import Coding


def stream_encoder(coding: Coding, spend: Spend = unbounded) -> Deflater:
    """Return a new encoder for a stream of that coding, which tells `spend` if it is slow. Raises FormatError for an
    unknown one.
    """
    if coding.framing == framings.BROTLI:
        return brotli_encoder(coding.encoder, spend)
    if coding.encoder in zopfli_names():
        return zopfli_deflater(coding.encoder, spend)
    return deflater(coding.encoder)
