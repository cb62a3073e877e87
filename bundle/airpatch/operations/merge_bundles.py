"""Merges bundles into one."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.open_bundles import open_bundle_files
from airpatch.execution import Execution
from airpatch.operations.arguments import Paths, StrPath, at_least_one, beside, check_apart
from airpatch.operations.create_bundle import WrittenBundle, open_output
from airpatch.operations.trusted_files import require_signed
from airpatch.patches.merging import merge_full, merge_patches
from airpatch.signing.trusted import TrustedSigners


def merge(
    bundles: Paths,
    output: StrPath,
    *,
    patches_only: bool = False,
    key: StrPath | None = None,
    trusted: TrustedSigners | None = None,
    execution: Execution | None = None,
) -> WrittenBundle:
    """Merge a full bundle and patches, in the order of their releases, into the full bundle of the last release.

    It is the bundle that `create` makes of that release, byte for byte. With `patches_only` all `bundles` are patches,
    and are merged into one patch with the same effect.

    Signatures of `bundles` do not carry over, since they cover other indexes: a warning says so. With `trusted`, all
    `bundles` must be signed accordingly, and in any case the last release must not have expired; the new bundle
    expires at the same moment; with `key`, the new bundle is signed as by `sign`.

    Raises UsageError if the bundles are not of that kind, BaseMismatch if one lacks what the next needs, FormatError or
    IntegrityError if one is damaged, TargetError if `output` cannot be written.
    """
    check_apart(output, bundles)
    execution = beside(execution, output)
    given = at_least_one(bundles, "merge")
    with ExitStack() as stack:
        place = stack.enter_context(open_output(output, key))
        opened = [stack.enter_context(closing(BundleFile(each))) for each in open_bundle_files(given)]
        for each in opened:
            require_signed(trusted, each.opening, each.name)
        opened[-1].opening.require_fresh(opened[-1].name, time.time())
        signed = [each.name for each in opened if each.opening.signatures]
        warnings = (
            (f"the signatures of {' and '.join(signed)} do not carry over: sign the new bundle",)
            if signed and not key
            else ()
        )
        bundle = (merge_patches if patches_only else merge_full)(opened, execution)
        with bundle:
            return place.write(bundle, execution, warnings)
