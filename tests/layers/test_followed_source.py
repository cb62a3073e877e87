"""Which sources have decisions that are worth taking over."""

from __future__ import annotations

import pytest

from airpatch.errors import FormatError
from airpatch.layers.followed_source import is_followed, takes_over, wrote
from tests.layers.support import ENCODERS, changed, layer, replica, text

CONTENT = text(400_000, 1)


def followed(content: bytes, target: bytes) -> bool:
    calls = []
    pieces = (target[at : at + 50_000] for at in range(0, len(target), 50_000))
    answer = is_followed(memoryview(content), pieces, len(target), lambda: calls.append(0))
    assert len(calls) > -(-len(target) // 50_000)  # after each piece, and while the content is indexed
    return answer


def test_encoders_that_enter_every_byte_take_decisions_over() -> None:
    assert takes_over("go1-flate-6")
    assert not takes_over("pgzip/klauspost-1.18.2-5")
    with pytest.raises(FormatError):
        takes_over("magic-9")


def test_an_encoder_is_told_by_what_it_begins_with() -> None:
    assert wrote("go1-flate-6", replica("go1-flate-6")(layer(1)))
    assert not wrote("zlib-9", replica("go1-flate-6")(changed(layer(1))))
    assert not wrote("zlib-9", ENCODERS["plain"](layer(1)))


def test_a_quarter_must_follow() -> None:
    assert followed(CONTENT, CONTENT)
    assert followed(CONTENT, CONTENT[:256_000] + text(256_000, 2))
    assert not followed(CONTENT, CONTENT[:64_000] + text(256_000, 2))
    assert not followed(CONTENT, text(400_000, 2))


def test_short_stretches_do_not_count() -> None:
    """The encoder looks back over them."""
    parts = [CONTENT[at : at + 20_000] + b"!" * 512 for at in range(0, len(CONTENT), 20_000)]
    assert not followed(CONTENT, b"".join(parts))
