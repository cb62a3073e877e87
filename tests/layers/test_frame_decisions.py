"""Decisions of zstd blobs are read into scratch files, and aligned by the covers of one of many sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from airpatch.blobs.scratch import ScratchFile, scratch_files
from airpatch.errors import FormatError
from airpatch.layers.frame_decisions import CoversOf, align, read_decisions, replica_frame, same_content
from tests.encoders.support import decisions
from tests.layers.support import framed, text

NAME = "kzstd-1.17.8-fastest"
CONTENT = text(5000, 1) * 2


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_they_are_those_of_the_file(stack: ExitStack, tmp_path: Path) -> None:
    def new() -> ScratchFile:
        return stack.enter_context(closing(ScratchFile(scratch_files(tmp_path), "test")))

    file = framed(NAME)(CONTENT)
    assert b"".join(replica_frame(NAME, [CONTENT[:10], CONTENT[10:]], len(CONTENT))) == file
    found = read_decisions([file[:7], file[7:]], len(CONTENT), new, lambda: None, None, [CONTENT[:99], CONTENT[99:]])
    expected = decisions(file)
    assert [column.read(0, column.size) for column in found.columns] == [
        expected.layout, expected.runs, expected.hits, expected.offsets
    ]  # fmt: skip
    assert found.hits.size > 0
    alignment = align(same_content(len(CONTENT)), found)
    again = read_decisions([file], len(CONTENT), new, lambda: None, alignment, [CONTENT])
    assert (again.hits.size, again.offsets.size) == (0, 0)  # as the same matches foretell them
    source = read_decisions([file], len(CONTENT), new, lambda: None)
    assert (source.hits.size, source.offsets.size, source.matches.size) == (0, 0, found.matches.size)
    with pytest.raises(FormatError):
        read_decisions([file], len(CONTENT) - 1, new, lambda: None)


def test_covers_of_one_source_are_kept() -> None:
    seen = CoversOf.source(1, [100, 50, 30])
    seen.take([(0, 90, 10), (10, 100, 20), (40, 149, 1), (50, 150, 5)])
    assert list(zip(seen.covers.targets, seen.covers.sources, seen.covers.lengths, strict=True)) == [
        (10, 0, 20),
        (40, 49, 1),
    ]


def test_an_encoder_that_nobody_knows() -> None:
    with pytest.raises(FormatError, match="unknown encoder"):
        list(replica_frame("magic-9", [CONTENT], len(CONTENT)))
