"""The tokens of a gzip file make its content, wherever it is cut into pieces."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.first_member import first_member_tokens
from airpatch.errors import FormatError

CONTENT = b"".join(b"line %d of a text\n" % (number % 70) for number in range(900))


def expanded(file: bytes, content: bytes, piece: int) -> bytes:
    """What the tokens make of `content`, which they may refer to."""
    made = bytearray()
    for position, tokens in first_member_tokens(file[at : at + piece] for at in range(0, len(file), piece)):
        made += content[len(made) : position]  # a stored block
        for token in tokens:
            if token < 256:
                made.append(token)
            else:
                for _ in range(token >> 16 & 0x1FF):
                    made.append(made[-(token & 0xFFFF)])
    return bytes(made)


@given(st.integers(0, 9), st.integers(1, 3000))
def test_tokens_make_the_content(level: int, piece: int) -> None:
    file = gzip.compress(CONTENT, level)
    assert expanded(file, CONTENT, piece) == (CONTENT if level else b"")


def test_positions_go_on_after_stored_blocks() -> None:
    noise = random.Random(1).randbytes(70_000)
    content = CONTENT + noise + CONTENT
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    file = packer.compress(content) + packer.flush()
    assert expanded(file, content, 999) == content


def test_a_second_member_is_left() -> None:
    assert expanded(gzip.compress(CONTENT) + gzip.compress(b"more"), CONTENT, 50) == CONTENT


@pytest.mark.parametrize("file", [b"", b"\x1f\x8b\x08", gzip.compress(CONTENT, mtime=0)[:90], b"not gzip at all"])
def test_defects(file: bytes) -> None:
    with pytest.raises(FormatError):
        list(first_member_tokens([file]))
