"""Names that a user gives to images that have no tag: `--tag DIGEST=NAME:TAG`, or `--tag NAME:TAG` for the only one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airpatch.errors import FormatError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.sources.source import GivenNames, Listing


def resolve_names(options: Sequence[str], listings: Iterable[Listing]) -> GivenNames:
    """Return the names that `options` give to the images without a tag in `listings`.

    Raises UsageError naming every option that gives an invalid name, or does not match exactly one image without a tag.
    """
    untagged = _untagged(listings)
    names: dict[Digest, list[ImageName]] = {}
    findings = []
    for option in options:
        try:
            digest, name = _parse(option, untagged)
        except FormatError as error:
            findings.append(f"--tag {option}: {error.message}")
        else:
            names.setdefault(digest, []).append(name)
    if findings:
        raise UsageError("images cannot be named as asked", findings)
    return names


def _untagged(listings: Iterable[Listing]) -> dict[Digest, str]:
    """Return where each image without a tag is."""
    found: dict[Digest, str] = {}
    for listing in listings:
        found.update({image.digest: image.where for image in listing.unnamed if image.digest is not None})
        found.update({image.name.digest: image.where for image in listing.images if image.name.digest is not None})
    return found


def _parse(option: str, untagged: dict[Digest, str]) -> tuple[Digest, ImageName]:
    digest_text, equals, name_text = option.rpartition("=")
    name = ImageName.parse(name_text)
    if equals:
        digest = Digest.parse(digest_text)
        if digest in untagged:
            return digest, name
        problem = "no image without a tag has this digest"
    elif len(untagged) == 1:
        return next(iter(untagged)), name
    elif not untagged:
        problem = "every image here has a tag already; this option names those that have none"
    else:
        problem = f"{len(untagged)} images have no tag: say which one you mean with DIGEST=NAME:TAG"
    known = "; ".join(f"{digest} is {where}" for digest, where in untagged.items())
    raise FormatError(f"{problem} ({known})" if known else problem)
