"""Blobs of the release that patches lead to, each passed on as soon as it is made, and given up when it was taken.

Sources in a registry are fetched shortly before the steps that need them, and given up after the last of these. Steps
are at work together only as far as what they work on is no more than all new blobs and some memory, and what fits lies
in that memory. Decisions of layers come on top.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial

from airpatch.blobs.content import ChainedContent
from airpatch.blobs.room import require_scratch
from airpatch.blobs.scratch import MemoryScratch
from airpatch.destinations.supply import Take
from airpatch.execution import Execution
from airpatch.format.index import Step
from airpatch.layers.rebuild import largest_step, rebuild_blobs, rebuilding_work
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.layers.required_features import require_features
from airpatch.model.digest import Digest
from airpatch.patches.chains import Work
from airpatch.patches.completed_release import CompletedRelease
from airpatch.registry_api.fetched_ahead import FetchedAhead
from airpatch.registry_api.remote_blobs import RemoteBlobs
from airpatch.worker_pool import worker_pool

_WAITING = 4
"""Blobs that are made and not yet taken. They take scratch space, so the steps wait when there are so many."""
_HEED = 0.2
"""Seconds after which a step that waits looks whether the work is cancelled."""
_MEMORY = 160 << 20
"""Bytes of sources, unpacked ones, and blobs that lie in memory."""
_EARLY = 1
"""Steps for which sources are fetched before they can begin."""


def delivery_memory(execution: Execution) -> MemoryScratch:
    """Return the memory of a delivery: a part of what `execution` may take."""
    return MemoryScratch(min(_MEMORY, execution.memory // 4))


class Delivery:
    """Gives (`Supply`) blobs of `release`; what fits lies in `memory`.

    `remote` are those of its base that are to be fetched from a registry.
    """

    def __init__(
        self,
        release: CompletedRelease,
        execution: Execution,
        memory: MemoryScratch,
        remote: RemoteBlobs | None = None,
    ) -> None:
        self._release = release
        self._memory = memory
        self._remote = remote
        self._rebuilt = RebuiltContent(execution.scratch, memory)
        self._wanted: AbstractSet[Digest] = frozenset()
        self._work: Work = ()
        self._users: Counter[Digest] = Counter()
        """For each blob, by how many steps and takers it is yet to be read."""
        self._lock = threading.Lock()

    def prepare(self, wanted: Mapping[Digest, int], execution: Execution) -> int:
        """Plan the work; return the bytes that are fetched, unpacked and made.

        Raises FormatError or IntegrityError if a layer patch is damaged, TargetError if there is no room.
        """
        self._wanted = wanted.keys()
        self._work = self._release.work(self._wanted)
        self._users = Counter(source for step in self._steps for source in step.sources)
        self._users.update(self._wanted)
        fetched = self._fetched()
        require_scratch(execution.scratch, self._scratch())
        total = sum(fetched.values())
        for bundle, steps in self._work:
            require_features(bundle.index)
            total += rebuilding_work(bundle.index, steps, bundle, keep_made=False)
        return total

    def give(self, take: Take, execution: Execution) -> None:
        """Raises what `rebuild_blobs` and the registry of the base raise."""
        steps = self._steps
        made = {step.digest for step in steps}
        ready = [digest for digest in self._wanted if digest not in made]
        waiting = threading.Semaphore(_WAITING)
        room = sum(step.size for step in steps) + self._memory.limit
        connections = 1 if self._remote is None else self._remote.connections
        with execution.part("", 0) as part, worker_pool(connections, execution.cancellation) as pool:
            order = [ready, *(step.sources for step in steps)]
            base = FetchedAhead(self._release.base, self._by_registry(), order, pool, part)
            content = ChainedContent([*self._release.patches, self._rebuilt, base])

            def taken(digest: Digest) -> None:
                waiting.release()
                self._used(digest)

            def done(step: Step) -> None:
                base.move_on()
                for source in step.sources:
                    self._used(source)
                if step.digest in self._wanted:
                    while not waiting.acquire(timeout=_HEED):
                        part.advance(0)
                    part.advance(0)  # may be cancelled by whoever could not take one before
                    take(step.digest, content, partial(taken, step.digest))

            base.move_on(1 + _reach(execution.threads))
            for digest in ready:
                take(digest, content, partial(self._used, digest))
            for bundle, some in self._work:
                if some:
                    rebuild_blobs(
                        bundle.index,
                        some,
                        content,
                        lambda step: self._rebuilt.output(step.digest, step.size),
                        execution,
                        done,
                        room,
                        self._memory,
                    )

    def close(self) -> None:
        """Give up what is left."""
        self._rebuilt.close()

    @property
    def _steps(self) -> list[Step]:
        return [step for _, steps in self._work for step in steps]

    def _fetched(self) -> dict[Digest, int]:
        """Return the blobs of the base that are to be fetched, with their sizes in bytes."""
        if self._remote is None:
            return {}
        sizes = {digest: self._remote.size(digest) for digest in self._release.from_base(self._wanted)}
        return {digest: size for digest, size in sizes.items() if size is not None}

    def _by_registry(self) -> dict[Digest, RemoteBlobs]:
        return {} if self._remote is None else dict.fromkeys(self._fetched(), self._remote)

    def _scratch(self) -> int:
        """Return about how many bytes of scratch files the work takes at most."""
        largest = (largest_step(bundle.index, some, bundle) for bundle, some in self._work)
        return max(sum(step.size for step in self._steps), *largest)

    def _used(self, digest: Digest) -> None:
        """Note that one of its users is done with a blob; it is given up after the last."""
        with self._lock:
            self._users[digest] -= 1
            if self._users[digest]:
                return
        if self._rebuilt.size(digest) is not None:
            self._rebuilt.give_up(digest)
        elif self._remote is not None:
            self._remote.give_up(digest)


def _reach(threads: int) -> int:
    """Return for how many steps, from the first that is not done, sources are fetched.

    One that passes another over (`rebuild_blobs`) may have to fetch its own.
    """
    return threads + _EARLY
