"""The detached signatures of a root's images, which registries do not keep (spec/TARGET.md, Signatures).

    .airpatch/signatures/REPO@sha256=HEX/signature-N   those of a manifest, as in the last release that has the manifest
    .airpatch/kept/HEX                                 those of all installed releases, HEX being their digests

The first are what is restored and packed; the others are what a rollback takes them from. Signatures of one manifest
change from release to release, in number, too, so that its folder is exchanged as a whole: whoever looks sees the
old ones or the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from airpatch.format import layout
from airpatch.format.layout import KEPT
from airpatch.format.release_part import MAX_IMAGE_SIGNATURE
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.release import ImageSignature, Release
from airpatch.model.walk import walk
from airpatch.target.root import Root
from airpatch.target.state import State

Folders = Mapping[str, tuple[ImageSignature, ...]]
"""Folders of manifests, with the signatures that belong there."""


def kept_path(signature: ImageSignature) -> str:
    """Return where a signature lies as long as a release that has it is installed."""
    return f"{KEPT}/{signature.digest.hex}"


def signatures_of(release: Release) -> tuple[ImageSignature, ...]:
    """Return the signatures of `release`, each content once."""
    return tuple({s.digest: s for image in release.images for s in image.signatures}.values())


def folders_of(release: Release, manifests: Mapping[Digest, Manifest]) -> Folders:
    """Return the folder of each manifest that an image of `release` has; manifests without signatures have folders,
    too.

    Images whose manifests are not among `manifests` are passed over.
    """
    return {
        layout.image_signature_folder(image.name.repository, manifest): tuple(
            signature for signature in image.signatures if signature.manifest == manifest
        )
        for image in release.images
        if image.manifest in manifests
        for manifest, _ in walk([image.manifest], manifests.__getitem__)
    }


def lacking(root: Root, release: Release) -> list[ImageSignature]:
    """Return the signatures of `release` that are not kept, or not right."""
    return [s for s in signatures_of(release) if problem_of(root, kept_path(s), s)]


def are_in_place(root: Root, folder: str, signatures: Sequence[ImageSignature]) -> bool:
    """Return whether `folder` holds `signatures` and nothing else; without signatures it need not be there."""
    return not list(differences(root, folder, signatures))


def differences(root: Root, folder: str, signatures: Sequence[ImageSignature]) -> Iterator[tuple[str, str]]:
    """Yield the paths of what is in `folder` and should not, or the other way round, and what is wrong with each."""
    files = {f"signature-{number}": signature for number, signature in enumerate(signatures, 1)}
    for name in root.names(folder):
        if name not in files:
            yield f"{folder}/{name}", "is not of the last release that has the manifest"
    for name, signature in files.items():
        if problem := problem_of(root, f"{folder}/{name}", signature):
            yield f"{folder}/{name}", problem


def problem_of(root: Root, path: str, signature: ImageSignature) -> str | None:
    """Return what keeps `path` from being the file of `signature`."""
    size = root.size(path)
    content = root.read(path, MAX_IMAGE_SIGNATURE) if size == signature.size else b""
    if size is None or content is None:
        return "is missing"
    right = size == signature.size and Digest.of(content) == signature.digest
    return None if right else f"content is not {signature.digest}"


def stage_folders(state: State, folders: Folders, staged: Mapping[Digest, str]) -> dict[str, str]:
    """Make `folders` in staging, of files that are `staged` or else kept; return where. Empty ones are not made."""
    asides = {}
    for folder, signatures in folders.items():
        asides[folder] = state.staged()
        for number, signature in enumerate(signatures, 1):
            source = staged.get(signature.digest) or kept_path(signature)
            state.root.link(source, f"{asides[folder]}/signature-{number}")
    return asides


def place_folders(root: Root, folders: Folders, asides: Mapping[str, str]) -> None:
    """Put `folders` in place of those that are there, which go to staging."""
    for folder, signatures in folders.items():
        if signatures:
            root.swap_folder(asides[folder], folder)
        elif root.is_folder(folder):
            root.set_aside(folder, asides[folder])


def forget_unkept(root: Root, kept: Iterable[Release]) -> None:
    """Remove the files of all signatures that the releases `kept` do not have, whoever left them."""
    needed = {signature.digest.hex for release in kept for signature in signatures_of(release)}
    for name in root.names(KEPT):
        if name not in needed:
            root.unlink(f"{KEPT}/{name}")
