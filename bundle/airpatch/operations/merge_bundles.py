"""Bundles into one."""

from __future__ import annotations

from contextlib import ExitStack, closing

from airpatch.archive.bundle_file import BundleFile
from airpatch.execution import Execution
from airpatch.operations.create_bundle import WrittenBundle, write
from airpatch.operations.paths import Paths, StrPath, beside, names
from airpatch.patches.merging import merge_full, merge_patches


def merge(
    bundles: Paths, output: StrPath, *, patches_only: bool = False, execution: Execution | None = None
) -> WrittenBundle:
    """Merge a full bundle and patches, in the order of their releases, into the full bundle of the last release.

    It is the bundle that `create` makes of that release, byte for byte. With `patches_only` all `bundles` are patches,
    and one patch is made that does what they do one after the other.

    Raises UsageError if the bundles are not of that kind, BaseMismatch if one lacks what the next needs, FormatError or
    IntegrityError if one is damaged, TargetError if `output` cannot be written.
    """
    execution = beside(execution, output)
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(BundleFile(name))) for name in names(bundles)]
        bundle = stack.enter_context((merge_patches if patches_only else merge_full)(opened, execution))
        return write(bundle, output, execution)
