"""The release part of an index as msgpack's types, and the release id, its digest (spec/FORMAT.md, Index)."""

from __future__ import annotations

from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.fields import bytes_, fields, integer, list_, rows, text
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB, is_media_type
from airpatch.model.names import ImageName
from airpatch.model.release import (
    MAX_TIME,
    Blob,
    Image,
    ImageSignature,
    Release,
    check_label,
    check_product,
)

MAX_IMAGE_SIGNATURE = 4 << 20
"""Bytes; containers/image reads no larger one."""


def release_id(release: Release) -> Digest:
    """Return the sha256 of the release part's encoding."""
    return Digest.of(canonical.pack(release_to_plain(release)))


def release_to_plain(release: Release) -> dict[str, object]:
    """Return the release part as msgpack's types."""
    media_types = sorted({blob.media_type for blob in release.blobs})
    number = {media_type: i for i, media_type in enumerate(media_types)}
    return {
        "product": release.product,
        "name": release.name,
        "sequence": release.sequence,
        "expires": release.expires,
        "media_types": list(media_types),
        "blobs": [[blob.digest.raw, blob.size, number[blob.media_type]] for blob in release.blobs],
        "images": [
            [
                image.name.repository,
                image.name.tag,
                image.manifest.raw,
                [[s.manifest.raw, s.digest.raw, s.size] for s in image.signatures],
            ]
            for image in release.images
        ],
    }


def release_from_plain(value: object) -> Release:
    """Build the release from what `release_to_plain` made. Raises FormatError."""
    keys = ("product", "name", "sequence", "expires", "media_types", "blobs", "images")
    product, name, sequence, expires, types, blobs, images = fields(value, keys, "the release")
    media_types = [text(media_type) for media_type in list_(types)]
    if not all(map(is_media_type, media_types)):
        raise FormatError("the release has an unusable media type")
    release = Release(
        text(name),
        integer(sequence, 2**63 - 1),
        tuple(_image(*row) for row in rows(images, 4)),
        tuple(
            Blob(Digest(bytes_(digest)), integer(size, MAX_BLOB), media_types[integer(kind, len(media_types) - 1)])
            for digest, size, kind in rows(blobs, 3)
        ),
        text(product),
        integer(expires, MAX_TIME),
    )
    check_label(release.name, release.sequence)
    check_product(release.product)
    return release


def _image(repository: object, tag: object, manifest: object, signatures: object) -> Image:
    signed = tuple(
        ImageSignature(Digest(bytes_(of)), Digest(bytes_(digest)), integer(size, MAX_IMAGE_SIGNATURE))
        for of, digest, size in rows(signatures, 3)
    )
    if [s.manifest for s in signed] != sorted(s.manifest for s in signed):
        raise FormatError("the index lists an image's signatures out of order")
    return Image(ImageName(text(repository), text(tag)), Digest(bytes_(manifest)), signed)
