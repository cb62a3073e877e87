"""Layers that are made when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BytesContent, check_blob, read_blob
from airpatch.errors import SourceError
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.model.digest import Digest
from airpatch.patches.chains import rebuild_chain
from airpatch.serving.rebuilt_on_demand import RebuiltOnDemand
from tests.support import execution


@pytest.fixture
def opened(bundles: dict[str, Path]) -> Iterator[list[BundleFile]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(BundleFile(str(bundles[name])))) for name in ("full1", "patch")]


def on_demand(opened: list[BundleFile], room: int) -> RebuiltOnDemand:
    stored = {blob.digest for bundle in opened for blob in bundle.index.stored}
    return RebuiltOnDemand(opened, BytesContent({}), stored, room, execution())


def test_each_is_made_once_however_many_ask(opened: list[BundleFile], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counting(*args: Any) -> RebuiltContent:
        made.append(1)
        return rebuild_chain(*args)

    monkeypatch.setattr("airpatch.serving.rebuilt_on_demand.rebuild_chain", counting)
    content = on_demand(opened, 1 << 30)
    step = opened[1].index.steps[0]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: check_blob(content, step.digest, step.size), range(16)))
    assert len(made) == 1
    content.close()


def test_no_more_is_kept_than_there_is_room_for(opened: list[BundleFile]) -> None:
    content = on_demand(opened, 1)
    steps = opened[1].index.steps
    assert len(steps) > 1
    with closing(content.open(steps[0].digest, steps[0].size)) as reading:
        for step in steps:
            read_blob(content, step.digest, step.size)
        assert len(content._kept) == 1
        first = bytearray(steps[0].size)
        reading.read_into(memoryview(first), 0)  # though it was given up meanwhile
        assert Digest.of(bytes(first)) == steps[0].digest
    content.close()


def test_what_nobody_makes_is_not_there(opened: list[BundleFile]) -> None:
    content = on_demand(opened, 1)
    other = Digest.of(b"other")
    assert content.size(other) is None
    with pytest.raises(SourceError):
        content.open(other, 5)
