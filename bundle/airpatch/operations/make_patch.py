"""Images into a patch against what targets have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airpatch.archive.prepared import PreparedBundle
from airpatch.execution import Execution
from airpatch.operations.arguments import Paths, StrPath, beside, effort_of, names
from airpatch.operations.create_bundle import WrittenBundle, gather_release, open_output
from airpatch.patches.bases import open_base
from airpatch.patches.layers import patch_layers
from airpatch.patches.plan import plan_patch
from airpatch.sources.gather import Gathered


def diff(
    bases: Paths,
    sources: Paths,
    output: StrPath,
    *,
    release: str | None = None,
    sequence: int | None = None,
    images_list: StrPath | None = None,
    tags: Sequence[str] = (),
    layer_patches: bool = True,
    effort: str = "default",
    key: StrPath | None = None,
    execution: Execution | None = None,
) -> WrittenBundle:
    """Make a patch: the release of `sources` without what its targets have.

    `bases` say what a target has: bundles, patches, roots of a registry's storage, inventories, or the request of an
    `apply`. The patch fits every target that has all of any one of them. Changed layers travel as layer patches
    (spec/FORMAT.md, Layer patches) where that is smaller, unless `layer_patches` is False or a base is a request;
    `effort` is `fast`, `default` or `best`, `execution.memory` bounds what the making takes. All else is as with
    `create`.

    Raises what `create` raises, UsageError if a base cannot be used, and IntegrityError if one is damaged.
    """
    execution = beside(execution, output)
    with open_output(output, key) as place:
        gathered = gather_release(sources, execution, release, sequence, images_list, tags)
        prepared = prepare_patch(bases, gathered, execution, effort, layer_patches=layer_patches)
        with prepared.bundle as bundle:
            return place.write(bundle, execution, (*gathered.remarks, *prepared.warnings))


@dataclass(frozen=True, slots=True)
class PreparedPatch:
    """A patch that is to be written, and what may not be as people expect."""

    bundle: PreparedBundle
    warnings: tuple[str, ...]


def prepare_patch(
    bases: Paths, gathered: Gathered, execution: Execution, effort: str, *, layer_patches: bool = True
) -> PreparedPatch:
    """The patch to the release of `gathered` for targets that have one of `bases`."""
    chosen = effort_of(effort)
    states = [open_base(name, gathered.release) for name in names(bases)]
    warnings = (*gathered.remarks, *(state.warning for state in states if state.warning is not None))
    index = plan_patch(gathered.release, states)
    if not layer_patches or any(state.no_layer_patches for state in states):
        return PreparedPatch(PreparedBundle(index, gathered.manifests, gathered.content), warnings)
    return PreparedPatch(patch_layers(index, gathered, states, execution, chosen), warnings)
