"""Offsets are foretold by content: where a match with the same first bytes began last, within the frame."""

from __future__ import annotations

import io
import random
from dataclasses import astuple

from airpatch.encoders.zstd_alignment import RECORD
from airpatch.encoders.zstd_decisions import emit
from airpatch.encoders.zstd_replicas import frame_encoder
from tests.encoders.support import decisions

NAME = "kzstd-1.17.8-fastest"
WORDS = [random.Random(n).randbytes(12) for n in range(20)]
TEXT = b"".join(random.Random(7).choices(WORDS, k=400))


def compress(content: bytes) -> bytes:
    encoder = frame_encoder(NAME)
    return encoder.feed(content) + encoder.finish()


def test_most_offsets_are_where_the_word_was_last() -> None:
    file = compress(TEXT)
    part = decisions(file)
    matches, others = len(part.matches) // RECORD, len(part.hits)
    assert matches > 50
    assert others < matches // 3
    runs, hits, offsets = (io.BytesIO(column).read for column in astuple(part)[1:4])
    assert b"".join(emit(io.BytesIO(part.layout).read, io.BytesIO(TEXT).read, runs, hits, offsets)) == file


def test_nothing_is_foretold_out_of_another_frame() -> None:
    one, two = decisions(compress(TEXT)), decisions(compress(TEXT) * 2)
    assert two.offsets == one.offsets * 2
