"""Rules about first blocks accept what their encoders write, and reject what they cannot write."""

from __future__ import annotations

import pytest

from airpatch.encoders.first_blocks import (
    FirstBlock,
    Rule,
    flushed_rule,
    gzip_rule,
    piece_rule,
    token_rule,
    zlib_rule,
    zlibng_rule,
)


def block(tokens: int, size: int = 100_000, final: bool = False, ends: bool = False, shortest: int = 3) -> FirstBlock:
    return FirstBlock(tokens, shortest, bytes(size), final, ends)


@pytest.mark.parametrize(
    ("rule", "accepted", "rejected"),
    [
        (zlib_rule(16383), [block(16383), block(5, final=True)], [block(16382), block(5, ends=True)]),
        (zlib_rule(16383, 131072), [block(9, 131072)], [block(9, 131071)]),
        (gzip_rule(6), [block(32767), block(4096), block(7, final=True)], [block(4095)]),
        (gzip_rule(2), [block(32767)], [block(4096)]),
        (token_rule(16384), [block(16384), block(9, ends=True)], [block(16384, final=True), block(9)]),
        (flushed_rule(zlib_rule(16383)), [block(16383), block(5, ends=True)], [block(5), block(16383, final=True)]),
        (zlibng_rule(16383, 4), [block(16383, shortest=4)], [block(16383), block(16382, shortest=4)]),
        (piece_rule(65535), [block(9, 65535), block(9, 131070)], [block(9, 65534), block(9, 65535, final=True)]),
    ],
    ids=["zlib", "section", "gzip", "gzip 2", "tokens", "flushed", "zlib-ng", "piece"],
)
def test_rules(rule: Rule, accepted: list[FirstBlock], rejected: list[FirstBlock]) -> None:
    assert all(map(rule, accepted))
    assert not any(map(rule, rejected))
