"""Makes a patch: images against what targets have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.prepared import PreparedBundle
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.format.release_part import release_id
from airpatch.layers.reader_features import ReaderFeatures
from airpatch.model.release import Release
from airpatch.operations.arguments import Paths, StrPath, beside, check_apart, effort_of, names
from airpatch.operations.create_bundle import Label, WrittenBundle, add_tool, find_tool, gather_release, open_output
from airpatch.patches.bases import BaseState, InstalledRelease, installed_release, open_base, open_content
from airpatch.patches.layer_patching import patch_layers
from airpatch.patches.patch_plan import plan_patch
from airpatch.patches.readers import reader_features, reader_warnings
from airpatch.registry_api.access import PullOptions
from airpatch.sources.gather import Gathered
from airpatch.units import megabytes


def diff(
    bases: Paths,
    sources: Paths,
    output: StrPath,
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
    content: Paths = (),
    layer_patches: bool = True,
    readers: Sequence[str] = (),
    effort: str = "default",
    key: StrPath | None = None,
    with_tool: StrPath | bool = False,
    execution: Execution | None = None,
) -> WrittenBundle:
    """Make a patch: the release of `sources` without what its targets have.

    `bases` say what a target has: bundles, patches, roots of a registry's storage, inventories, or the request of an
    `apply`. The patch fits every target that has all of any one of them. Changed layers travel as layer patches
    (spec/FORMAT.md, Layer patches) where that is smaller, unless `layer_patches` is False or a base is a request;
    `effort` is `fast`, `default` or `best`; `execution.memory` bounds the memory used. Everything else is as in
    `create`, but the `product` defaults to that of the bases, and the `sequence` number to one more than the highest of
    theirs.

    Layer patches build upon blobs that every base has and that can be read: from the bases, or from `content`, bundles
    and roots that need not be bases (an inventory holds no blobs). They use no more than the airpatch of each of
    `readers` can carry out: versions such as "0.1", or inventories from targets. Without any, inventories among the
    bases count. Warnings say what makes a patch larger than necessary.

    Raises what `create` raises, UsageError if a base cannot be used, and IntegrityError if one is damaged.
    """
    check_apart(output, sources, bases, content)
    execution = beside(execution, output)
    tool = find_tool(with_tool, output)
    with open_output(output, key) as place:
        label = label_for(bases, release, sequence, product, expires)
        gathered = gather_release(sources, execution, label, images_list, tags, images_from, pull, files)
        prepared = prepare_patch(
            bases,
            gathered,
            execution,
            effort,
            content=content,
            layer_patches=layer_patches,
            readers=readers,
            pull=pull,
        )
        with prepared.bundle as bundle:
            made = place.write(bundle, execution, prepared.warnings)
    return add_tool(made, tool, is_signed=key is not None)


def label_for(
    bases: Paths, release: str | None, sequence: int | None, product: str | None, expires: int | None = None
) -> Label:
    """Return what to call a release that is made against `bases`; its number is one more than the highest of theirs, as
    far as they are of its product.

    An unnumbered base gives an unnumbered release, and a request alone gives the number that it is for. Raises
    UsageError if the products of the bases differ and no `product` is given.
    """
    found = {name: of for name in names(bases) if (of := installed_release(name)) is not None}
    products = {of.product for of in found.values()}
    if product is None and len(products) > 1:
        raise UsageError(
            "the bases belong to several products; choose one with --product",
            [f"{name}: product {of.product}" for name, of in found.items()],
        )
    own = [of for of in found.values() if product in (None, of.product)]
    return Label(release, sequence, product, expires, next(iter(products), None), _next_sequence(own))


def _next_sequence(installed: Sequence[InstalledRelease]) -> int | None:
    numbers = [release.sequence for release in installed if not release.is_requested]
    if not numbers:
        return max((release.sequence for release in installed), default=None)
    return max(numbers) + 1 if all(numbers) else 0


def _order_warnings(bases: Sequence[str], release: Release, *, is_news: bool) -> Iterator[str]:
    """Yield warnings about bases that are not older than the release, so that the two may have been mixed up.

    Without `is_news`, the bases have all that the release has: it may be the very one that they have.
    """
    for name in bases:
        of = installed_release(name)
        if of is None or of.is_requested or of.product != release.product:
            continue
        if of.id == release_id(release):
            yield f"{name} has this very release, {release.name}: the patch changes nothing there"
        if 0 < release.sequence < of.sequence:
            yield (
                f"release {release.name} has number {release.sequence}, and the base {of.name} has {of.sequence}: "
                "hosts that have it need --allow-downgrade. Are base and sources the right way round?"
            )
        elif not is_news:
            continue
        elif of.name != release.name and 0 < of.sequence == release.sequence:
            yield (
                f"release {release.name} has number {release.sequence}, as the base {of.name} has; give it a greater "
                "one with --sequence, so that hosts can tell which is newer"
            )
        elif of.name == release.name:
            yield f"the base also has a release named {release.name}; give the new one another name with --release"


def _content_warnings(states: Sequence[BaseState], contents: Sequence[BaseState], index: Index) -> Iterator[str]:
    """Yield warnings about bases too little of which can be read, and about what having several bases costs."""
    if not any(not blob.is_manifest for blob in index.stored):
        return
    givers = [state.content for state in (*states, *contents) if state.content is not None]
    for state in states:
        if state.no_layer_patches:
            continue
        if state.content is None:
            held = "is an inventory, which holds no blobs"
        elif isinstance(state.content, BundleFile) and not state.content.index.is_full:
            held = "is a patch, which holds only what its own base lacks"
        else:
            continue
        unread = sum(size for digest, size in state.blobs.items() if all(each.size(digest) is None for each in givers))
        if unread:
            yield (
                f"the base {state.base.name} {held}, and {megabytes(unread)} of what a target with it has cannot be "
                "read anywhere: changed layers that resemble these travel whole. Name the bundles or the root that "
                "have them with --content"
            )
    alone = {state.base.name: _stored(plan_patch(index.release, [state])) for state in states}
    if len(states) > 1 and min(alone.values()) < _stored(index):
        each = ", ".join(f"{megabytes(size)} for {name}" for name, size in alone.items())
        yield (
            f"the bases differ: {megabytes(_stored(index))} of blobs are not in all of them; one base alone takes "
            f"{each}. One patch for each base, or a chain of patches, is smaller"
        )


def _stored(index: Index) -> int:
    return sum(blob.size for blob in index.stored)


@dataclass(frozen=True, slots=True)
class PreparedPatch:
    """A patch to write, warnings about what may not be as people expect, who will carry the patch out, and what targets
    have.
    """

    bundle: PreparedBundle
    warnings: tuple[str, ...]
    reader: ReaderFeatures
    bases: tuple[BaseState, ...]


def prepare_patch(
    bases: Paths,
    gathered: Gathered,
    execution: Execution,
    effort: str,
    *,
    content: Paths = (),
    layer_patches: bool = True,
    readers: Sequence[str] = (),
    pull: PullOptions | None = None,
) -> PreparedPatch:
    """Return the patch to the release of `gathered` for targets that have one of `bases`."""
    chosen = effort_of(effort)
    states = [open_base(name, gathered.release, pull) for name in names(bases)]
    contents = [open_content(name) for name in names(content)]
    reader = reader_features(readers, states)
    index = plan_patch(gathered.release, states)
    gathered.fetch((blob.digest for blob in index.stored), execution)
    warnings = (
        *gathered.remarks,
        *(state.warning for state in states if state.warning is not None),
        *_order_warnings(names(bases), gathered.release, is_news=bool(index.stored)),
        *(_content_warnings(states, contents, index) if layer_patches else ()),
    )
    if not layer_patches or any(state.no_layer_patches for state in states):
        bundle = PreparedBundle(index, gathered.manifests, gathered.content)
        return PreparedPatch(bundle, warnings, reader, tuple(states))
    prepared = patch_layers(index, gathered, states, execution, chosen, contents, reader)
    return PreparedPatch(prepared, (*warnings, *reader_warnings(reader)), reader, tuple(states))
