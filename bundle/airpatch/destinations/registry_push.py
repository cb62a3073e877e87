"""Carries out the plan of a push: blobs before manifests, children before indexes, tags last of all.

An interrupted push can simply be repeated: the next plan leaves out what has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from airpatch.blobs.content import Content
from airpatch.destinations.registry_plan import BlobPlan, PushPlan, RepositoryPlan
from airpatch.destinations.supply import Supply
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.progress import ProgressPart
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from airpatch.worker_pool import worker_pool

_T = TypeVar("_T")


def carry_out(
    plan: PushPlan, manifests: Mapping[Digest, bytes], supply: Supply, connections: int, execution: Execution
) -> None:
    """Write what the plan says. `supply` gives the blobs that are to be uploaded, `manifests` has all manifests.

    An error, or a signal, cancels `execution`. Raises SourceError if content is wrong, TargetError if the registry
    refuses something, and what `supply` raises.
    """
    total = supply.prepare(plan.uploads, execution) + sum(plan.uploads.values())
    with (
        closing(RemoteBlobs(execution.scratch, None, plan.place.host, 1)) as there,
        execution.part(f"pushing to {plan.place.host}", total) as part,
        worker_pool(connections, execution.cancellation) as pool,
    ):

        def every(call: Callable[[_T], None], items: Iterable[_T]) -> None:
            _await([pool.submit(call, item) for item in items])

        def put_manifests(each: RepositoryPlan) -> None:
            for digest in each.manifests:
                document = manifests[digest]
                each.repository.put_manifest(str(digest), document, parse_manifest(document).media_type)
                part.advance(0)

        def set_tag(each: tuple[RepositoryPlan, str, Digest]) -> None:
            repository, tag, digest = each
            document = manifests[digest]
            repository.repository.put_manifest(tag, document, parse_manifest(document).media_type)
            part.advance(0)

        _bring_all(plan, supply, there, pool, part, execution)
        every(put_manifests, plan.repositories.values())
        every(set_tag, [(each, t, d) for each in plan.repositories.values() for t, d in each.tags.items()])


def _bring_all(
    plan: PushPlan, supply: Supply, there: RemoteBlobs, pool: Executor, part: ProgressPart, execution: Execution
) -> None:
    """Bring blobs to where they are missing, as soon as `supply` gives them or another repository has them to mount."""
    running: list[Future[None]] = []

    def bring(digest: Digest, content: Content, taken: Callable[[], None]) -> None:
        try:
            _bring(digest, plan.blobs[digest], content, part)
        except BaseException:
            execution.cancellation.cancel()
            raise
        finally:
            taken()

    def take(digest: Digest, content: Content, taken: Callable[[], None]) -> None:
        running.append(pool.submit(bring, digest, content, taken))

    for digest, blob in plan.blobs.items():
        if blob.there:
            there.known[digest] = RemoteBlob(blob.there[0], blob.size)
            take(digest, there, partial(there.give_up, digest))
    try:
        supply.give(take, replace(execution, progress=part.within()))
    except CancelledError:
        _await(running)
        raise
    _await(running)


def _await(running: Iterable[Future[None]]) -> None:
    """Wait for all; raise the first error that is not merely a cancellation."""
    errors = [error for each in wait(running).done if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, CancelledError)):
        raise error


def _bring(digest: Digest, blob: BlobPlan, content: Content, part: ProgressPart) -> None:
    """Have a blob in all repositories that lack it: sent to one of them, mounted from there by the others."""
    missing = list(blob.missing)
    source = blob.there[0] if blob.there else None
    if source is None:
        source = missing.pop(0)
        with part.share(blob.size, digest) as share:
            source.upload(digest, blob.size, lambda: content.open(digest, blob.size), share.reach)
    for repository in missing:
        if not repository.mount(digest, blob.size, source.path):  # registries need not know how to
            repository.upload(digest, blob.size, lambda: content.open(digest, blob.size), lambda _: None)
