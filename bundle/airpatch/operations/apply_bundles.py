"""Applies bundles to a registry's storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.archive.open_bundles import open_bundles
from airpatch.blobs.room import Rooms
from airpatch.errors import AirpatchError, UsageError
from airpatch.execution import Execution
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.names import is_servable
from airpatch.model.release import Blob, Release
from airpatch.operations.arguments import Paths, StrPath, at_least_one, check_apart, choice
from airpatch.target.installer import Applied, install, preview
from airpatch.target.new_root import require_place

if TYPE_CHECKING:
    from airpatch.operations.restore_images import ImageOutput, Restored
    from airpatch.signing.trusted import TrustedSigners


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an `apply` did, or with `dry_run` would do: `applied` has the outcome for each bundle, in their order.

    `restored` is what it restored, if requested. `warnings` are for people.
    """

    applied: tuple[Applied, ...]
    restored: Restored | None = None
    files: int | None = None
    """How many files, folders and links were laid out, if requested."""
    warnings: tuple[str, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether the target has all that the bundles need; False in a dry run only."""
        return not any(each.missing for each in self.applied)


def apply(
    bundles: Paths,
    root: StrPath,
    *,
    deep: bool = False,
    allow_downgrade: bool = False,
    dry_run: bool = False,
    request: StrPath | None = None,
    restore_to: StrPath | None = None,
    files_to: StrPath | None = None,
    form: str = "dir",
    link: str = "copy",
    trusted: TrustedSigners | None = None,
    execution: Execution | None = None,
) -> ApplyResult:
    """Merge `bundles`, full ones or patches, into the registry's storage `root`, which a registry may be serving.

    `root` is the directory that holds `docker/registry/v2`; it is made if it does not exist. A bundle `-` is standard
    input; a split one is read from its parts, which may be named in any order, and each of which includes those beside
    it. Bundles are applied together: a patch and the one that completes it may come in any order. Nothing is visible
    before everything is there and verified; after an interruption, run the same call again (spec/TARGET.md).

    `deep` also hashes the blobs that a patch needs; `allow_downgrade` accepts a release with a smaller sequence number
    than an installed one; with `dry_run` nothing is written to the root. If blobs are missing, the file `request` gets
    a list of them, to be a base of `diff`; if none is, a request that an earlier run has left there is removed. With
    `restore_to`, the images of the last bundle's release are then restored to that folder, with `form` and `link` as in
    `restore`; with `files_to`, the files of the release are laid out there.

    With `trusted` (`trusted_signers`) all bundles must be signed accordingly, and in any case as `root` itself demands
    (`trust`): that is checked before anything is written.

    Raises FormatError, IntegrityError, BaseMismatch (with the missing blobs as its findings), TrustError, TargetError,
    UsageError.
    """
    execution = execution or Execution()
    if request is not None:
        check_apart(request, bundles)
    if restore_to is not None and dry_run:
        raise UsageError("a dry run leaves nothing to restore: omit --restore or --dry-run")
    if files_to is not None and dry_run:
        raise UsageError("a dry run leaves no files to lay out: omit --files or --dry-run")
    place = None if restore_to is None else _image_output(restore_to, form, link)
    for folder in (restore_to, files_to):
        if folder is not None:
            _check_folder(Path(folder), Path(root))
    warnings: list[str] = []

    def on_missing(index: Index, missing: Sequence[Blob]) -> None:
        if request is not None:
            from airpatch.operations.request_blobs import request_blobs  # most hosts have what a patch needs

            warnings.append(request_blobs(request, index, missing))

    def on_known(release: Release, manifests: Mapping[Digest, Manifest], rooms: Rooms) -> None:
        if place is not None:
            from airpatch.destinations import restorer

            as_form = restorer.Form(place.form)
            restorer.require_place(release.images, manifests, Path(place.path), as_form, place.link, rooms)
        if files_to is not None:
            from airpatch.operations.lay_out_files import require_places

            require_places(release.images, manifests, files_to, rooms)

    path = Path(root)
    with ExitStack() as stack:
        opened = open_bundles(at_least_one(bundles, "apply"), execution.ask, hashed=not dry_run)
        readers = [stack.enter_context(closing(reader)) for reader in opened]
        work = preview if dry_run else partial(install, on_known=on_known, request=request)
        try:
            applied = work(
                readers,
                path,
                execution,
                deep=deep,
                allow_downgrade=allow_downgrade,
                on_missing=on_missing,
                trusted=trusted,
            )
        except AirpatchError as error:
            for warning in warnings:
                error.add_note(warning)
            raise
    if request is not None and not any(each.missing for each in applied):
        from airpatch.operations.old_requests import remove_old_request  # here, since few ask

        warnings += remove_old_request(request)
    restored = None if place is None else _restore(applied[-1].index.release, path, place, execution)
    laid_out = None if files_to is None else _lay_out(applied[-1].index.release, path, files_to, execution)
    return ApplyResult(tuple(applied), restored, laid_out, (*warnings, *_unservable(applied)))


def _image_output(folder: StrPath, form: str, link: str) -> ImageOutput:
    """Return where to restore to. Raises UsageError for an unknown form or link mode, before anything is written."""
    # Imported here, and below, because most hosts have the registry serve what was applied.
    from airpatch.destinations.restorer import Form
    from airpatch.destinations.transfer import LinkMode
    from airpatch.operations.restore_images import ImageOutput

    return ImageOutput(folder, choice(Form, form, "form").value, choice(LinkMode, link, "link"))


def _check_folder(path: Path, root: Path) -> None:
    """Raise UsageError or TargetError unless `path` is or can become a folder of its own beside `root`, that can be
    written to. Changes nothing.
    """
    from airpatch.destinations.destination import check_is_no_root

    check_is_no_root(path, root)
    require_place(path)


def _restore(release: Release, root: Path, place: ImageOutput, execution: Execution) -> Restored:
    """Restore the applied `release` from its own manifests, whatever a push has done to its tags since."""
    from airpatch.operations.restore_images import restore_release

    try:
        return restore_release(root, release, (), place, execution)
    except AirpatchError as error:
        message = f"release {release.name} was applied, but its images were not restored: {error.message}"
        raise type(error)(message, error.findings) from None


def _lay_out(release: Release, root: Path, folder: StrPath, execution: Execution) -> int:
    from airpatch.operations.restore_images import lay_out_release

    try:
        return lay_out_release(root, release, folder, execution)
    except AirpatchError as error:
        message = f"release {release.name} was applied, but its files were not laid out: {error.message}"
        raise type(error)(message, error.findings) from None


def _unservable(applied: Iterable[Applied]) -> list[str]:
    """Return a warning about repositories that can be restored but that no registry can serve."""
    repositories = {name.repository for each in applied for name in each.tags}
    found = sorted(name for name in repositories if not is_servable(name))
    if not found:
        return []
    return [
        "a registry can neither serve these repositories nor collect garbage while they are there, because of the port "
        f"in their names; restore still gives them back: {', '.join(found)}"
    ]
