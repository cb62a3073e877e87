"""What a restored image consists of: the files of skopeo's `dir:` transport, or the parts of an OCI layout. Pure.

Both give a list of `Part`s in the order in which they are to take their places: each is complete before it does,
and what makes images visible comes last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from airpatch.format.layout import image_signature_folder
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX as OCI_INDEX_TYPE
from airpatch.model.manifest import Manifest, parse_manifest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.model.walk import walk
from airpatch.sources.location import CONTAINERD_NAME, OCI_BLOBS, OCI_INDEX, OCI_LAYOUT, REF_NAME

DIR_VERSION = b"Directory Transport Version: 1.1\n"
"""The file `version` (containers/image `directory/directory_dest.go`)."""
LAYOUT_VERSION = b'{"imageLayoutVersion":"1.0.0"}'
"""The file `oci-layout` (OCI image-spec `image-layout.md`)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Content to be fetched: a layer, a config or a signature of `size` bytes."""

    digest: Digest
    size: int


File = bytes | Wanted


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file at `path`, needed by `images`."""

    path: str
    file: File
    images: tuple[ImageName, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderPart:
    """A folder at `path` with `files` and nothing else; without files, it is to be removed."""

    path: str
    files: Mapping[str, File]
    images: tuple[ImageName, ...] = ()


Part = FilePart | FolderPart


def dir_parts(images: Iterable[Image], manifests: Mapping[Digest, bytes]) -> list[FolderPart]:
    """Return a folder for each image, as `skopeo copy` writes it to `dir:`."""
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
    return [FolderPart(image.name.reference, _dir_files(image, manifests, parsed), (image.name,)) for image in images]


def _dir_files(image: Image, manifests: Mapping[Digest, bytes], parsed: Mapping[Digest, Manifest]) -> dict[str, File]:
    files: dict[str, File] = {"version": DIR_VERSION}

    def prefix(manifest: Digest) -> str:
        return "" if manifest == image.manifest else f"{manifest.hex}."

    for digest, manifest in walk([image.manifest], parsed.__getitem__):
        files[f"{prefix(digest)}manifest.json"] = manifests[digest]
        files.update({blob.digest.hex: Wanted(blob.digest, blob.size) for blob in manifest.blobs})
    for signed, signatures in groupby(image.signatures, key=lambda signature: signature.manifest):
        for number, signature in enumerate(signatures, 1):
            files[f"{prefix(signed)}signature-{number}"] = Wanted(signature.digest, signature.size)
    return files


def oci_parts(
    images: Sequence[Image], manifests: Mapping[Digest, bytes], others: Iterable[Mapping[str, object]] = ()
) -> list[Part]:
    """Return one layout of all images, named by their annotations; `others` are entries of its index that stay."""
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()}
    users: dict[Digest, list[ImageName]] = {}
    files: dict[Digest, File] = {}
    signatures: dict[str, FolderPart] = {}
    for image in images:
        for digest, manifest in walk([image.manifest], parsed.__getitem__):
            needed = [Wanted(blob.digest, blob.size) for blob in manifest.blobs]
            files.update({blob.digest: blob for blob in needed})
            files[digest] = manifests[digest]
            for used in {digest, *(blob.digest for blob in needed)}:
                users.setdefault(used, []).append(image.name)
            own = (s for s in image.signatures if s.manifest == digest)
            named = {f"signature-{n}": Wanted(s.digest, s.size) for n, s in enumerate(own, 1)}
            folder = image_signature_folder(image.name.repository, digest)
            signatures[folder] = FolderPart(folder, named, (image.name,))
    blobs = [FilePart(_blob_path(digest), file, tuple(users[digest])) for digest, file in files.items()]
    index = _index(images, manifests, parsed, others)
    return [FilePart(OCI_LAYOUT, LAYOUT_VERSION), *blobs, *signatures.values(), FilePart(OCI_INDEX, index)]


def oci_paths(images: Iterable[Image], parsed: Mapping[Digest, Manifest]) -> tuple[set[str], set[str]]:
    """Return the paths of the files and folders that `oci_parts` gives for `images`, whose manifests are `parsed`."""
    files, folders = {OCI_LAYOUT, OCI_INDEX}, set()
    for image in images:
        for digest, manifest in walk([image.manifest], parsed.__getitem__):
            files |= {_blob_path(each) for each in (digest, *(blob.digest for blob in manifest.blobs))}
            folders.add(image_signature_folder(image.name.repository, digest))
    return files, folders


def _blob_path(digest: Digest) -> str:
    return f"{OCI_BLOBS}/sha256/{digest.hex}"


def _index(
    images: Iterable[Image],
    manifests: Mapping[Digest, bytes],
    parsed: Mapping[Digest, Manifest],
    others: Iterable[Mapping[str, object]],
) -> bytes:
    entries: list[Mapping[str, object]] = [
        {
            "mediaType": parsed[image.manifest].media_type,
            "digest": str(image.manifest),
            "size": len(manifests[image.manifest]),
            "annotations": {CONTAINERD_NAME: _containerd_name(image.name), REF_NAME: image.name.reference},
        }
        for image in images
    ]
    names = {image.name.reference for image in images}
    entries += [entry for entry in others if _ref_name(entry) not in names]
    entries.sort(key=lambda entry: (_ref_name(entry), str(entry.get("digest"))))
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX_TYPE, "manifests": entries}
    return json.dumps(document, indent=2).encode() + b"\n"


def _containerd_name(name: ImageName) -> str:
    """Return the name as containerd and CRI know it, always with a registry's host."""
    from airpatch.sources.image_references import Reference  # `dir:` has no such names

    host = Reference(name.repository, None, None).full.removesuffix(name.repository)
    return f"{host}{name.reference}"


def _ref_name(entry: Mapping[str, object]) -> str:
    """Return the name that an index gives to an image, empty if it gives none."""
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, Mapping) else None
    return name if isinstance(name, str) else ""
