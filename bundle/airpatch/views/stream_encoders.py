"""The encoders of streams in views: replicas, and libraries that no layer is written by (spec/ENCODERS.md)."""

from __future__ import annotations

from airpatch.encoders.libbrotli import BEGINNING, brotli_encoder
from airpatch.encoders.libzopfli import zopfli_deflater, zopfli_names
from airpatch.encoders.replicas import Deflater, deflater
from airpatch.encoders.spending import UNBOUNDED, Meter
from airpatch.encoders.zstd_stream import ZstdStreamEncoder
from airpatch.views import framings
from airpatch.views.description import Coding


def stream_encoder(coding: Coding, meter: Meter = UNBOUNDED) -> Deflater:
    """Return a new encoder for a stream of that coding, which tells `meter` its work. Raises FormatError for an unknown
    one.
    """
    if coding.framing == framings.BROTLI:
        meter.search(BEGINNING)
        return brotli_encoder(coding.encoder, meter.spend)
    if coding.framing == framings.ZSTD:
        return ZstdStreamEncoder(coding.encoder, meter.spend)
    if coding.encoder in zopfli_names():
        return zopfli_deflater(coding.encoder, meter.spend)
    return deflater(coding.encoder, search=meter.search)
