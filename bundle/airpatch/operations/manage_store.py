"""Keeps releases in a store: adds them, lists them, checks them, forgets old ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from airpatch.blobs.scratch import with_scratch
from airpatch.errors import IntegrityError, UsageError
from airpatch.execution import Execution
from airpatch.operations.arguments import Paths, StrPath
from airpatch.operations.create_bundle import Label, gather_release
from airpatch.product_line.layer_facts import facts_of, layers_of
from airpatch.registry_api.access import PullOptions
from airpatch.store.adding import AddedRelease, add_release, numbered
from airpatch.store.release_store import ReleaseStore, StoredRelease, make_store
from airpatch.store.store_address import is_root, parse_store_address, parse_whole_store
from airpatch.store.store_audit import VerifiedStore, verify_store
from airpatch.store.store_pruning import PrunedStore, prune_store
from airpatch.units import count


def store_add(
    store: StrPath,
    sources: Paths,
    *,
    release: str | None = None,
    sequence: int | None = None,
    product: str | None = None,
    expires: int | None = None,
    images_list: StrPath | None = None,
    tags: Sequence[str] = (),
    images_from: str | None = None,
    pull: PullOptions | None = None,
    files: Sequence[str] = (),
    execution: Execution | None = None,
) -> AddedRelease:
    """Add the release of `sources` to a store, which is made if there is none (spec/STORE.md).

    `store` is a folder, `file:///FOLDER` or `s3://BUCKET/PREFIX`. Everything else is as in `create`, but for the
    `sequence` number: without one, and unless a bundle brings its own, the release gets the next of its product.
    Blobs that the store has stay as they are; a release that it has is no error. Samples of new layers are taken, by
    which plans find out what resembles what, for `execution.memory`. Scratch files lie in the current folder.

    Raises what `create` raises; UsageError, too, if the store has another release of that name and product; TargetError
    if the storage fails, or ignores the condition of a write, by which workers avoid overwriting each other.
    """
    execution = with_scratch(execution or Execution(), Path.cwd())
    place = make_store(parse_whole_store(os.fspath(store)))
    label = Label(release, sequence, product, expires)
    gathered = gather_release(sources, execution, label, images_list, tags, images_from, pull, files)
    if sequence is None and (release is not None or gathered.is_name_guessed):  # and not that of a bundle
        gathered = replace(gathered, release=numbered(place, gathered.release))
    gathered.fetch((blob.digest for blob in gathered.release.blobs), execution)
    added = add_release(
        place, gathered.release, gathered.manifests, gathered.content, execution, gathered.owners, gathered.remarks
    )
    facts_of(place, layers_of(added.release), execution)
    return added


def store_list(store: StrPath) -> list[StoredRelease]:
    """Return the releases of a store, by product and number. Raises UsageError, IntegrityError, TargetError."""
    return ReleaseStore(parse_whole_store(os.fspath(store))).releases()


def store_show(store: StrPath, release: str | None = None, *, product: str | None = None) -> StoredRelease:
    """Return a release of a store: by its name or the beginning of its id; without one, the newest of the product.

    Raises UsageError if there is none or several, IntegrityError, TargetError.
    """
    if release is not None:
        return ReleaseStore(parse_whole_store(os.fspath(store))).choose(release, product)
    place = ReleaseStore(parse_store_address(os.fspath(store)))
    return place.choose(place.address.release, product)


def store_verify(store: StrPath, *, execution: Execution | None = None) -> VerifiedStore:
    """Check every byte of a store, and that it has all that its releases and layer patches need. Nothing is changed.

    Raises IntegrityError with all findings, UsageError, TargetError.
    """
    place = _no_root(ReleaseStore(parse_whole_store(os.fspath(store))), "'airpatch verify' checks it")
    verified = verify_store(place, execution or Execution())
    if verified.findings:
        raise IntegrityError(
            f"{place.name}: is damaged; {count(len(verified.findings), 'finding')}",
            verified.findings,
        )
    return verified


def store_prune(store: StrPath, *, keep: int, product: str | None = None, dry_run: bool = False) -> PrunedStore:
    """Keep of `product`, or of each product, the `keep` releases with the highest numbers; remove what no other needs.

    What was written during the last day stays. With `dry_run` nothing is removed. Raises UsageError, IntegrityError
    before the first change if a release is damaged, TargetError.
    """
    if keep < 1:
        raise ValueError(f"keep must be 1 or more, not {keep}")
    place = ReleaseStore(parse_whole_store(os.fspath(store)))
    _no_root(place, "'airpatch prune' forgets its releases; layer patches in its folder .airpatch/store may be removed")
    return prune_store(place, keep, product, dry_run=dry_run)


def _no_root(store: ReleaseStore, instead: str) -> ReleaseStore:
    """Return `store`. Raises UsageError for a registry's root, for which there are other commands."""
    if is_root(store.address):
        raise UsageError(f"{store.name}: is a registry's root: {instead}")
    return store
