"""Images out of a registry's root, a bundle or any other source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TypeVar

from airpatch.blobs.content import Content
from airpatch.destinations.restorer import Form, content_size, restore_images
from airpatch.destinations.transfer import Link
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.release import Image
from airpatch.operations.paths import StrPath, within
from airpatch.operations.trusted_files import require_signed
from airpatch.signing.trusted import TrustedSigners
from airpatch.sources.gather import gather
from airpatch.sources.source import Source

_Choice = TypeVar("_Choice", bound=Enum)


@dataclass(frozen=True, slots=True)
class Restored:
    """Images that were restored to the folder `output`. `size` is bytes of content, each blob counted once."""

    output: Path
    images: tuple[Image, ...]
    size: int


def restore(
    source: StrPath,
    output: StrPath,
    *,
    images: Sequence[str] = (),
    form: str = "dir",
    link: str = "copy",
    trusted: TrustedSigners | None = None,
    execution: Execution | None = None,
) -> Restored:
    """Write images of `source` (as `create` takes them) to the folder `output`, as skopeo reads them.

    `images` are names of images (`repository:tag`) or of whole repositories; without any, all are restored. `form` is
    `dir`, a folder for each image as containers/image's `directory/directory_dest.go` writes it, or `oci`, one OCI
    layout (image-spec `image-layout.md`) for all. `link` tells how files are made out of a root: `copy`, `hard` or
    `reflink`. With `trusted`, `source` must be a bundle that is signed accordingly.

    Nothing at `output` changes before all content is there and verified. Raises UsageError, SourceError,
    IntegrityError, FormatError, TargetError.
    """
    execution = within(execution, output)
    gathered = gather([os.fspath(source)], execution, picks=images, opened=partial(_require_signed, trusted))
    return write_images(gathered.release.images, gathered.manifests, gathered.content, output, form, link, execution)


def _require_signed(trusted: TrustedSigners | None, source: Source) -> None:
    if trusted is not None and source.opening is None:
        raise UsageError("--trust is for restoring from a bundle: other sources have no signatures over them")
    if source.opening is not None:
        require_signed(trusted, source.opening, source.name)


def write_images(
    images: Sequence[Image],
    manifests: Mapping[Digest, bytes],
    content: Content,
    output: StrPath,
    form: str,
    link: str,
    execution: Execution,
) -> Restored:
    """Restore `images` to `output`. Raises as `restore` does."""
    path = Path(output)
    restore_images(
        images, manifests, content, path, execution, form=choice(Form, form, "form"), link=choice(Link, link, "link")
    )
    return Restored(path, tuple(images), content_size(images, manifests))


def choice(kind: type[_Choice], value: str, what: str) -> _Choice:
    """The member of `kind` with that value. Raises UsageError if there is none."""
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(str(member.value) for member in kind)
        raise UsageError(f"unknown {what} {value!r:.30}; choose one of {choices}") from None
