"""Makes blobs from layer patches, several at a time.

Steps run on a pool, each when those before it that make its sources are done. The first error stops all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing, nullcontext
from dataclasses import dataclass

from airpatch.blobs.content import Content
from airpatch.blobs.receiver import Receiver
from airpatch.blobs.scratch import MemoryScratch
from airpatch.blobs.stopping import Stoppable
from airpatch.errors import located
from airpatch.execution import Execution
from airpatch.format.index import Index, Step
from airpatch.layers.blob_builder import BlobBuilder, decompresses_to_layer
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Method,
    Plain,
    Raw,
    Replay,
    Replica,
    Whole,
    read_header,
)
from airpatch.layers.required_features import require_features
from airpatch.layers.step_sources import chosen_sources, same_layer, unpacked_sources
from airpatch.layers.steps import PASSED, Sizes, decisions_space, sizes_of
from airpatch.layers.uncompressed import UncompressedLayers
from airpatch.linux import allow_open_files, trim_heap
from airpatch.log import logger
from airpatch.model.digest import Digest
from airpatch.worker_pool import worker_pool

_LOG = logger(__name__)


def _ignore(_step: Step) -> None:
    """Take no note of a step."""


def rebuild_blobs(
    index: Index,
    steps: Sequence[Step],
    content: Content,
    outputs: Callable[[Step], Receiver],
    execution: Execution,
    begin: Callable[[Step], None] = _ignore,
    done: Callable[[Step], None] = _ignore,
    memory: MemoryScratch | None = None,
) -> None:
    """Carry out `steps` of `index`, in whose order they are, with the blobs that they need.

    `content` holds the sources, the layer patches by their digests, and each blob that `outputs` has completed. `begin`
    receives each step before it is carried out, and `done` after that, on the thread that does it, which they may block
    until the work is cancelled: the first error, or a signal, cancels `execution`. With `memory`, each step unpacks its
    sources for itself, into that as far as it has room, and keeps nothing for later ones: that takes less space and
    more time. Raises BaseMismatch if a source is wrong, FormatError or IntegrityError if a patch is, TargetError if
    there is no room.
    """
    require_features(index)
    allow_open_files()
    jobs = execution.threads
    sizes = sizes_of(index)
    content = Stoppable(content, execution.cancellation)
    work = rebuilding_work(index, steps, content, shared=memory is None)

    def unpacked(some: Sequence[Step]) -> UncompressedLayers:
        users = Counter(source for step in some for source in step.sources)
        return UncompressedLayers(content, execution.scratch, users, memory)

    with (
        closing(unpacked(steps)) as shared,
        execution.part(f"rebuilding layers of {index.release.name}", work) as part,
        worker_pool(jobs) as blocks,
        worker_pool(jobs, execution.cancellation) as pool,
    ):

        def run(step: Step) -> None:
            begin(step)
            with (
                closing(content.open(step.patch, step.patch_size)) as patch,
                nullcontext(shared) if memory is None else closing(unpacked([step])) as layers,
            ):
                builder = BlobBuilder(sizes, content, layers, blocks, execution.cancellation)
                builder.build(step, patch, outputs(step), lambda size: part.advance(size, step.digest))
            trim_heap(step.uncompressed_size)  # what one step had is not what the next one needs
            _LOG.info("layer %s: rebuilt, %d bytes from a patch of %d", step.digest.short, step.size, step.patch_size)
            done(step)

        _carry_out(steps, run, pool, jobs)


def rebuilding_work(index: Index, steps: Sequence[Step], content: Content, *, shared: bool = True) -> int:
    """Return the work that `steps` of `index` take, in bytes: of layers unpacked, of decisions read, of what is made.

    `shared` says whether steps share what is unpacked. Reads the headers of the layer patches, which `content` has.
    """
    sizes = sizes_of(index)
    planned = [_plan(step, content, sizes) for step in steps]
    unpacked: Iterable[Digest] = (source for plan in planned for source in (*plan.unpacked, *plan.streamed))
    if shared:
        made = zip(steps, planned, strict=True)
        unpacked = set(unpacked).difference(s.digest for s, plan in made if decompresses_to_layer(plan.method))
    total = sum(sizes[source][1] for source in unpacked)
    for step, plan in zip(steps, planned, strict=True):
        match plan.method:
            case Whole():
                total += step.size
            case Raw():
                total += step.size + sum(sizes[source][0] for source in step.sources)
            case Plain() | Replica():
                total += step.uncompressed_size
            case Replay(like) | GzipMembers(_, like) | Frames(_, like) | FrameReplay(like):
                total += step.uncompressed_size + sum(sizes[source][0] for source in chosen_sources(step, like))
            case Corrected() | CorrectedFrames():
                total += 2 * step.uncompressed_size
    return total


def working_space(index: Index, steps: Sequence[Step], content: Content) -> list[int]:
    """Return how many bytes of scratch files each of `steps` takes beside blobs, if it shares nothing with others.

    Reads the headers of the layer patches, which `content` has.
    """
    sizes = sizes_of(index)
    space = []
    for step in steps:
        plan = _plan(step, content, sizes)
        own = sum(sizes[source][1] for source in plan.unpacked) + step.expanded
        match plan.method:
            case Whole():
                space.append(0)
            case Raw():
                space.append(sum(sizes[source][0] for source in step.sources))
            case Plain() | Replica():
                space.append(own)
            case Replay() | Corrected() | GzipMembers() | Frames():
                space.append(own + decisions_space(step, sizes))
            case FrameReplay() | CorrectedFrames():  # the content is kept, too
                space.append(own + decisions_space(step, sizes) + step.uncompressed_size)
    return space


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a step makes its blob, and which sources it has unpacked for that, or reads once as they are unpacked."""

    method: Method
    unpacked: Sequence[Digest]
    streamed: Sequence[Digest]


def _plan(step: Step, content: Content, sizes: Sizes) -> _Plan:
    with (
        located(f"layer patch of {step.digest}"),
        closing(content.open(step.patch, step.patch_size)) as patch,
    ):
        recipe = read_header(patch, step.patch_size)
        if isinstance(recipe.method, Replica | Replay | GzipMembers | Frames | FrameReplay):
            chosen_sources(step, recipe.method.like)
        same = same_layer(step, patch, recipe, sizes)
        unpacked = unpacked_sources(step, recipe, same)
        streamed = [] if same is None or step.sources[same] in unpacked else [step.sources[same]]
        return _Plan(recipe.method, unpacked, streamed)


def _carry_out(steps: Sequence[Step], run: Callable[[Step], None], pool: Executor, jobs: int) -> None:
    """Run `steps` in order, up to `jobs` at a time. Steps after one that waits for its sources do not wait with it."""
    waiting = list(steps)
    unmade = {step.digest for step in steps}
    running: dict[Future[None], Step] = {}
    while waiting or running:
        # Where nothing runs, nobody will make what the first one may lack: it says so.
        while len(running) < jobs and (step := _ready(waiting, unmade if running else frozenset())) is not None:
            waiting.remove(step)
            running[pool.submit(run, step)] = step
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            unmade.remove(running.pop(future).digest)


def _ready(waiting: Sequence[Step], unmade: AbstractSet[Digest]) -> Step | None:
    return next((step for step in waiting[: 1 + PASSED] if unmade.isdisjoint(step.sources)), None)
