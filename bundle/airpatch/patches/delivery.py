"""Blobs of the release that patches lead to, each passed on as soon as it is made, and given up when it was taken.

Sources in a registry are fetched shortly before the steps that need them, and given up after the last of these. Steps
are at work together, and sources are fetched ahead, only as far as all that is kept is no more than the new blobs
(`DeliveryRoom`). Some of it lies in memory.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from airpatch.blobs.content import ChainedContent
from airpatch.blobs.room import require_scratch
from airpatch.blobs.scratch import MemoryScratch
from airpatch.destinations.supply import Take
from airpatch.execution import Execution
from airpatch.format.index import Step
from airpatch.layers.rebuild import rebuild_blobs, rebuilding_work, working_space
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.layers.required_features import require_features
from airpatch.model.digest import Digest
from airpatch.patches.chains import Work
from airpatch.patches.completed_release import CompletedRelease
from airpatch.patches.delivery_room import DeliveryPart, DeliveryRoom, space_needed
from airpatch.registry_api.fetched_ahead import FetchedAhead
from airpatch.registry_api.remote_blobs import RemoteBlobs
from airpatch.worker_pool import worker_pool

_MEMORY = 160 << 20
"""Bytes of sources, unpacked ones, and blobs that lie in memory."""
_EARLY = 1
"""Steps that are admitted before a thread is free for them, so that their sources are fetched meanwhile."""


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
        self._wanted: Mapping[Digest, int] = {}
        self._work: Work = ()
        self._parts: Sequence[DeliveryPart] = ()
        self._users: Counter[Digest] = Counter()
        """For each blob, by how many steps and takers it is yet to be read."""
        self._lock = threading.Lock()

    def prepare(self, wanted: Mapping[Digest, int], execution: Execution) -> int:
        """Plan the work; return the bytes that are fetched, unpacked and made.

        Raises FormatError or IntegrityError if a layer patch is damaged, TargetError if there is no room.
        """
        self._wanted = wanted
        self._work = self._release.work(wanted)
        self._users = Counter(source for step in self._steps for source in step.sources)
        self._users.update(wanted.keys())
        fetched = self._fetched()
        total = sum(fetched.values())
        for bundle, steps in self._work:
            require_features(bundle.index)
            total += rebuilding_work(bundle.index, steps, bundle, shared=False)
        self._parts = self._plan(fetched)
        require_scratch(execution.scratch, self._scratch())
        return total

    def give(self, take: Take, execution: Execution) -> None:
        """Raises what `rebuild_blobs` and the registry of the base raise."""
        connections = 1 if self._remote is None else self._remote.connections
        with execution.part("", 0) as progress, worker_pool(connections, execution.cancellation) as pool:
            order = [part.blobs for part in self._parts]
            base = FetchedAhead(self._release.base, self._by_registry(), order, pool, progress)
            content = ChainedContent([*self._release.patches, self._rebuilt, base])
            most = execution.threads + _EARLY
            room = DeliveryRoom(self._parts, self._limit, most, base.move_on, execution.cancellation)

            def used(digest: Digest) -> None:
                if self._is_last_use(digest):
                    room.give_up(digest)

            def taken(digest: Digest) -> None:
                used(digest)
                room.taken(digest)

            def begin(step: Step) -> None:
                room.enter(step.digest)

            def done(step: Step) -> None:
                for source in step.sources:
                    used(source)
                is_wanted = step.digest in self._wanted
                room.leave(step.digest, is_given=is_wanted)
                if is_wanted:
                    take(step.digest, content, partial(taken, step.digest))

            made = {step.digest for step in self._steps}
            fetched = self._fetched()
            for digest in self._wanted.keys() - made - fetched.keys():
                take(digest, content, partial(used, digest))
            for digest in self._passed_on(fetched):
                room.enter(digest)
                room.leave(digest, is_given=True)
                take(digest, content, partial(taken, digest))
            for bundle, some in self._work:
                if some:
                    rebuild_blobs(
                        bundle.index,
                        some,
                        content,
                        lambda step: self._rebuilt.output(step.digest, step.size),
                        execution,
                        begin,
                        done,
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

    @property
    def _limit(self) -> int:
        """The bytes that are kept at most, unless one step needs more: as many as are new, or as lie in memory."""
        return max(sum(self._wanted.values()), self._memory.limit)

    def _passed_on(self, fetched: Mapping[Digest, int]) -> list[Digest]:
        """Return the wanted blobs that the base has."""
        return [digest for digest in self._wanted if digest in fetched]

    def _plan(self, fetched: Mapping[Digest, int]) -> list[DeliveryPart]:
        """Return the parts of the work, in order. Raises as `prepare` does."""
        parts = [DeliveryPart(digest, 0, {digest: fetched[digest]}) for digest in self._passed_on(fetched)]
        for bundle, steps in self._work:
            for step, space in zip(steps, working_space(bundle.index, steps, bundle), strict=True):
                sources = {source: fetched[source] for source in step.sources if source in fetched}
                parts.append(DeliveryPart(step.digest, space, {**sources, step.digest: step.size}))
        return parts

    def _scratch(self) -> int:
        """Return how many bytes of scratch files the work takes at most."""
        first = len(self._parts) - len(self._steps)
        last = {source: number for number, step in enumerate(self._steps, first) for source in step.sources}
        return space_needed(self._parts, last, self._limit)

    def _is_last_use(self, digest: Digest) -> bool:
        """Note that one of its users is done with a blob; give it up after the last."""
        with self._lock:
            self._users[digest] -= 1
            if self._users[digest]:
                return False
        if self._rebuilt.size(digest) is not None:
            self._rebuilt.give_up(digest)
        elif self._remote is not None:
            self._remote.give_up(digest)
        return True
