"""Carries out the plan of a push: blobs before manifests, children before indexes, tags last of all.

An interrupted push is repeated as it is: the next plan leaves out what has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from airpatch.blobs.content import Content
from airpatch.destinations.registry_plan import BlobPlan, PushPlan, RepositoryPlan
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.progress import ProgressPart
from airpatch.worker_pool import worker_pool

_T = TypeVar("_T")


def carry_out(
    plan: PushPlan, manifests: Mapping[Digest, bytes], content: Content, connections: int, execution: Execution
) -> None:
    """Write what the plan says. `content` has the blobs that are to be uploaded, `manifests` all manifests.

    Raises SourceError if content is wrong, TargetError if the registry refuses something.
    """
    task = execution.task()
    total = sum(plan.uploads.values())
    with (
        task.part(f"pushing to {plan.place.host}", total) as part,
        worker_pool(connections, task.cancellation) as pool,
    ):

        def every(call: Callable[[_T], None], items: Iterable[_T]) -> None:
            for future in [pool.submit(call, item) for item in items]:
                future.result()

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

        largest_first = sorted(plan.blobs.items(), key=lambda item: (-item[1].size, item[0]))
        every(lambda item: _bring(item[0], item[1], content, part), largest_first)
        every(put_manifests, plan.repositories.values())
        every(set_tag, [(each, t, d) for each in plan.repositories.values() for t, d in each.tags.items()])


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
