"""Several steps carried out: their order, threads, and how all ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import pytest

from airpatch.blobs.content import BlobReader, BytesBlob
from airpatch.errors import AirpatchError, BaseMismatch, FormatError, IntegrityError
from airpatch.execution import Cancellation
from airpatch.format.index import Feature, SourceBlob, Step
from airpatch.layers.rebuild import rebuild_blobs
from airpatch.layers.recipe import (
    Plain,
    Whole,
    emit_header,
)
from airpatch.model.digest import Digest
from tests.delta.support import delta
from tests.layers.support import (
    Blobs,
    Collected,
    Patches,
    carry_out,
    chain,
    changed,
    descriptors,
    handmade,
    layer,
    left_open,
    replica,
)
from tests.support import execution

OLD, NEW = layer(1, size=9000), changed(layer(1, size=9000))
GO = replica("go1-flate-6")
PLAIN = handmade(NEW, Plain(), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW))


def test_adversary_35_steps_in_a_circle_come_to_an_end() -> None:
    """The index refuses them; whoever gets past it finds that the first source is not there."""
    one = handmade(GO(NEW), Plain(), [delta(NEW, [OLD])], {GO(OLD): OLD}, len(NEW))
    other = handmade(GO(OLD), Plain(), [delta(OLD, [NEW])], {GO(NEW): NEW}, len(OLD))
    patches = Patches([*one.steps, *other.steps], [], one.contents | other.contents)
    with pytest.raises(BaseMismatch, match="is not there"):
        carry_out(patches, {})


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_steps_wait_for_those_that_make_their_sources(jobs: int) -> None:
    before = descriptors()
    patches, blobs = chain(12)
    source = patches.sources[0].digest
    made = carry_out(patches, {source: blobs[source]}, jobs=jobs)
    assert made | {source: blobs[source]} == blobs
    assert left_open(before) == 0


class AtOnce(Executor):
    """A pool that runs what is submitted before it says that it has begun."""

    def __init__(self, _threads: int, _cancellation: Cancellation | None = None) -> None:
        pass

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*args, **options))
        return future


def test_a_step_behind_one_that_waits_is_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    patches, blobs = chain(2)
    other = handmade(b"other", Plain(), [delta(b"other", [])], None, 5)
    first, second, third = [*patches.steps, *other.steps]
    content = Blobs(blobs | patches.contents | other.contents)
    began: list[Step] = []

    def output(step: Step) -> Collected:
        began.append(step)
        return Collected(lambda _: None)

    monkeypatch.setattr("airpatch.layers.rebuild.worker_pool", AtOnce)
    index = Patches([first, second, third], patches.sources).index
    rebuild_blobs(index, [first, second, third], content, output, execution(2))
    assert began == [first, third, second]


class Endless:
    """2^40 zero bytes."""

    def read_into(self, view: memoryview, offset: int) -> None:
        view[:] = bytes(len(view))

    def close(self) -> None:
        """There is nothing to close."""


class Discarding:
    completed = False

    def write(self, piece: memoryview) -> None:
        """Lost."""

    def complete(self) -> None:
        self.completed = True


@pytest.mark.parametrize("part", ["patch", "source"])
def test_the_first_error_stops_all_other_steps(part: str) -> None:
    """One step would go on for days, some wait for it, some have not begun."""
    before = descriptors()
    size = 1 << 40
    header = emit_header(Whole(), (size,))
    endless = Digest.of(b"an endless blob")
    plain = handmade(NEW, Plain(), [delta(NEW, [])], None, len(NEW))
    if part == "patch":
        slow = Step(Digest.of(b"slow"), size, 0, endless, len(header) + size, ())
    else:
        slow = replace(plain.steps[0], digest=Digest.of(b"slow"), sources=(endless,))
    bad = handmade(GO(NEW), Whole(), [b"other bytes"]).steps[0]
    later = [replace(plain.steps[0], digest=Digest.of(b"%d" % number), sources=(slow.digest,)) for number in range(9)]
    content = Blobs(plain.contents | handmade(GO(NEW), Whole(), [b"other bytes"]).contents)
    opened: Counter[Digest] = Counter()

    class Content:
        def size(self, digest: Digest) -> int | None:
            return content.size(digest)

        def open(self, digest: Digest, size: int) -> BlobReader:
            opened[digest] += 1
            if digest != endless:
                return content.open(digest, size)
            return _Headed(header) if part == "patch" else Endless()

    index = replace(Patches([slow, bad, *later], []).index, sources=(SourceBlob(endless, size, size),))
    outputs = [Discarding() for _ in range(11)]
    given = iter(outputs)
    with pytest.raises(IntegrityError, match=str(bad.digest)):
        rebuild_blobs(index, index.steps, Content(), lambda _: next(given), execution(2))
    assert not any(output.completed for output in outputs)
    patch = plain.steps[0].patch
    headers = sum(step.patch == patch for step in index.steps)
    assert opened[patch] <= headers + 1
    assert left_open(before) == 0


class _Headed(Endless):
    def __init__(self, header: bytes) -> None:
        self._header = header

    def read_into(self, view: memoryview, offset: int) -> None:
        super().read_into(view, offset)
        start = self._header[offset : offset + len(view)]
        view[: len(start)] = start


def test_errors_of_reading_a_source_are_no_fault_of_the_patch() -> None:
    class Broken(Blobs):
        def open(self, digest: Digest, size: int) -> BytesBlob:
            if digest == Digest.of(GO(OLD)):
                raise AirpatchError("cannot be read")
            return super().open(digest, size)

    patches = PLAIN
    with pytest.raises(AirpatchError, match=r"^cannot be read"):
        rebuild_blobs(
            patches.index,
            patches.steps,
            Broken(patches.contents),
            lambda _: Discarding(),
            execution(1),
        )


def test_features_that_nobody_knows_are_refused_before_the_first_step() -> None:
    patches = PLAIN
    index = replace(patches.index, features=(Feature("view lzma", "7.1"),))
    with pytest.raises(FormatError, match=r"needs airpatch 7\.1 or newer"):
        rebuild_blobs(index, patches.steps, Blobs({}), lambda _: Discarding(), execution(1))


def test_each_step_is_told_when_it_begins_and_when_it_is_done() -> None:
    patches, blobs = chain(3)
    told: list[tuple[str, Digest]] = []
    content = Blobs({**blobs, **patches.contents})
    rebuild_blobs(
        patches.index,
        patches.steps,
        content,
        lambda _: Discarding(),
        execution(2),
        lambda step: told.append(("begins", step.digest)),
        lambda step: told.append(("done", step.digest)),
    )
    assert sorted(told) == sorted((what, step.digest) for step in patches.steps for what in ("begins", "done"))
    assert all(told.index(("begins", step.digest)) < told.index(("done", step.digest)) for step in patches.steps)
