"""Restores images from a registry's root, a bundle or any other source."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from airpatch.blobs.content import Content, read_blob
from airpatch.blobs.output import STDOUT
from airpatch.blobs.room import Rooms
from airpatch.blobs.tree import Tree
from airpatch.destinations.archives import ARCHIVES, write_archive
from airpatch.destinations.destination import check_is_no_root
from airpatch.destinations.restorer import Form, content_size, require_place, restore_images
from airpatch.destinations.transfer import LinkMode
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.format import registry
from airpatch.format.registry import STORAGE
from airpatch.linux import is_folder
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.release import Image, Release
from airpatch.model.walk import walk
from airpatch.operations.arguments import StrPath, beside, check_apart, choice, within
from airpatch.operations.lay_out_files import lay_out_files, require_places
from airpatch.operations.trusted_files import require_valid, require_valid_source
from airpatch.registry_api.access import PullOptions
from airpatch.sources.gather import gather
from airpatch.sources.image_files import TreeContent
from airpatch.sources.source import FoundImage
from airpatch.target.image_signatures import kept_path, signatures_of
from airpatch.target.root import open_root

if TYPE_CHECKING:
    from airpatch.archive.bundle_file import BundleFile
    from airpatch.signing.trusted import TrustedSigners


_ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tzst)$", re.IGNORECASE)
"""How archives are named."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Images that were restored to the folder or archive `output`. `size` is in bytes of content, each blob counted
    once.

    `warnings` say what the form cannot hold.
    """

    output: Path
    images: tuple[Image, ...]
    size: int
    warnings: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Folders of other images that were there; with `exact` they were removed."""
    files: int | None = None
    """How many files, folders and links were laid out, if requested."""


def restore(
    source: StrPath,
    output: StrPath,
    *,
    base: StrPath | None = None,
    images: Sequence[str] = (),
    release: str | None = None,
    exact: bool = False,
    form: str | None = None,
    link: str = "copy",
    files_to: StrPath | None = None,
    pull: PullOptions | None = None,
    trusted: TrustedSigners | None = None,
    execution: Execution | None = None,
) -> Restored:
    """Write images of `source` (as `create` takes them) to the folder or file `output`, as skopeo reads them.

    `source` may also be a patch, and `base` what it was made against: a full bundle, a root, or any other source, such
    as containerd's storage on a host without a registry. `pull` is for images in registries.

    `images` are references as in an images list, or names of whole repositories; without any, all are restored. `form`
    is one of these; None stands for `dir`, unless `output` is named like an archive, which is then refused:

    - `dir`: a folder for each image, as containers/image's `directory/directory_dest.go` writes it;
    - `oci`: one OCI layout (image-spec `image-layout.md`) for all;
    - `oci-archive`: that layout in a tar file, which goes to standard output where `output` is `-`;
    - `docker-archive`: one archive, as `docker load` takes it.

    `release` picks a release that is installed on a root, by its name or the beginning of its id; its images are those
    of its own manifests, wherever its tags point now. With `exact`, folders of other images at `output` are removed.

    With `files_to`, the files among the images (`create` with `files`) are also laid out in that folder: those of a
    single artifact in the folder itself, those of several in a folder each, named like the repository. What an earlier
    release has laid out there is replaced in one step; other files in it stay.

    `link` says how files are created from a root: `copy`, `hard` or `reflink`. With `trusted`, `source` must be a
    bundle that is signed accordingly.

    Nothing at `output` changes before all content is present and verified. Raises UsageError, SourceError,
    IntegrityError, FormatError, TargetError, TrustError, and BaseMismatch if the patch does not fit its base.
    """
    place = ImageOutput.checked(output, form, link, exact=exact, files_to=files_to)
    if place.form in ARCHIVES:
        check_apart(output, source, base)
    execution = beside(execution, output) if place.form in ARCHIVES else within(execution, output)
    if release is not None and is_folder(Path(source) / STORAGE):
        if trusted is not None:
            raise UsageError("--trust is for restoring from a bundle: other sources carry no signatures")
        from airpatch.target.rolling_back import find_release

        root = Path(source)
        with open_root(root) as opened:
            chosen = find_release(opened, release).release
        return restore_release(root, chosen, images, place, execution)
    if base is not None:
        if release is not None:
            raise UsageError("--release picks a release of a root, but a patch has only one")
        from airpatch.archive.bundle_file import BundleFile  # most sources are whole

        with closing(BundleFile(os.fspath(source))) as patch:
            require_valid(trusted, patch.opening, patch.name)
            return _restore_upon(base, patch, images, place, execution, pull)
    checked = partial(require_valid_source, trusted, purpose="restoring from a bundle")
    gathered = gather([os.fspath(source)], execution, picks=images, opened=checked, pull=pull, chosen_by="--image")
    if release not in (None, gathered.release.name):
        raise UsageError(f"{source}: has release {gathered.release.name}, not {release}")
    gathered.fetch((blob.digest for blob in gathered.release.blobs), execution)
    return place.write(gathered.release.images, gathered.manifests, gathered.content, execution)


@dataclass(frozen=True, slots=True)
class ImageOutput:
    """Where images are restored to, and in which form; all as `restore` takes it."""

    path: StrPath
    form: str
    link: LinkMode
    exact: bool = False
    files_to: StrPath | None = None

    @classmethod
    def checked(
        cls, path: StrPath, form: str | None, link: str, *, exact: bool = False, files_to: StrPath | None = None
    ) -> ImageOutput:
        """Return it. Raises UsageError unless the form exists, `path` can hold it, and `link` and `exact` apply."""
        mode = choice(LinkMode, link, "link")
        if form is None:
            if _ARCHIVE.search(os.fspath(path)) and not is_folder(Path(path)):
                raise UsageError(
                    f"{path}: is named like an archive, but would be a folder: say --as oci-archive or --as "
                    "docker-archive for an archive, --as dir for a folder of that name"
                )
            form = Form.DIR.value
        if form not in ARCHIVES:
            choice(Form, form, "form", ARCHIVES)
            check_is_no_root(Path(path))
            if os.fspath(path) == STDOUT:
                raise UsageError(f"--as {form} makes folders, which cannot go to standard output: use --as oci-archive")
        elif is_folder(Path(path)):
            raise UsageError(f"{path}: is a folder, but {form} is a file")
        elif mode is not LinkMode.COPY:
            raise UsageError(f"--link is for folders, but {form} is a single file")
        if exact and form != Form.DIR.value:
            raise UsageError(f"--exact removes folders of images, but {form} has none")
        return cls(path, form, mode, exact, files_to)

    def write(
        self, images: Sequence[Image], manifests: Mapping[Digest, bytes], content: Content, execution: Execution
    ) -> Restored:
        """Restore `images`. Raises as `restore` does."""
        path = Path(self.path)
        archive = ARCHIVES[self.form](images, manifests) if self.form in ARCHIVES else None
        parsed: dict[Digest, Manifest] = {}
        if self.files_to is not None:
            parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
            rooms = Rooms()
            if archive is None:
                require_place(images, parsed, path, Form(self.form), self.link, rooms)
            elif os.fspath(self.path) != STDOUT:
                rooms.take(path, "the archive", archive.tar_size)
            require_places(images, parsed, self.files_to, rooms)
        if archive is not None:
            write_archive(archive, content, os.fspath(self.path), execution)
            made = Restored(path, tuple(images), archive.size, tuple(archive.remarks))
        else:
            others = restore_images(
                images, manifests, content, path, execution, form=Form(self.form), link=self.link, exact=self.exact
            )
            made = Restored(path, tuple(images), content_size(images, manifests), others=tuple(others))
        if self.files_to is None:
            return made
        return replace(made, files=lay_out_files(images, parsed, content, self.files_to, execution))


def _restore_upon(
    base: StrPath,
    patch: BundleFile,
    picks: Sequence[str],
    place: ImageOutput,
    execution: Execution,
    pull: PullOptions | None,
) -> Restored:
    """Restore the release of `patch` upon what `base` has; only layers of the picked images are rebuilt."""
    from airpatch.patches.completed_release import complete_upon  # here, since it loads what rebuilds layers

    if patch.index.is_full:
        raise UsageError(f"{patch.name}: is a full bundle, which needs no --base")
    completed = complete_upon(os.fspath(base), [patch], execution, pull)
    manifests = completed.manifests()
    images = _picked(picks, completed.release.images, patch.name)
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
    below = walk((image.manifest for image in images), parsed.get)
    wanted = {blob.digest for _, manifest in below for blob in manifest.blobs}
    content, made = completed.content(wanted, execution)
    with closing(made):
        return place.write(images, manifests, content, execution)


def _picked(picks: Sequence[str], images: Sequence[Image], where: str) -> list[Image]:
    """Return the `images` that `picks` mean, all without any. Raises UsageError as `pick` does."""
    if not picks:
        return list(images)
    from airpatch.sources.image_references import pick  # most releases are restored as a whole

    found = pick(picks, [FoundImage(each.name, where, _unloaded, each.manifest) for each in images])
    chosen = {entry.name for entry in found}
    return [each for each in images if each.name in chosen]


def _unloaded() -> NoReturn:
    raise RuntimeError("picking must not load an image whose digest is known")


def restore_release(
    root: Path, release: Release, picks: Sequence[str], place: ImageOutput, execution: Execution
) -> Restored:
    """Restore images of `release`, installed on `root`, from its own manifests, wherever its tags point now."""
    images = _picked(picks, release.images, f"release {release.name}")
    signatures = {s.digest: kept_path(s) for s in signatures_of(release)}
    content = TreeContent(Tree(root), registry.blob_path, signatures)
    manifests = {b.digest: read_blob(content, b.digest, b.size) for b in release.blobs if b.is_manifest}
    return place.write(images, manifests, content, execution)


def lay_out_release(root: Path, release: Release, folder: StrPath, execution: Execution) -> int:
    """Lay out the files of `release`, which is installed on `root`. Raises as `lay_out_files` does."""
    content = TreeContent(Tree(root), registry.blob_path)
    manifests = {b.digest: parse_manifest(read_blob(content, b.digest, b.size)) for b in release.blobs if b.is_manifest}
    return lay_out_files(release.images, manifests, content, folder, execution)
