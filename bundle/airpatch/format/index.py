"""The index of a bundle: the release, and how this bundle packs it (spec/FORMAT.md, Index).

`emit_index` and `parse_index` are inverse; there is one encoding, and `parse_index` refuses all others. The release
part has a digest of its own, the release id, which is the same for the full bundle and for every patch to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB, MAX_MANIFEST, is_media_type
from airpatch.model.names import ImageName, check_repository
from airpatch.model.release import (
    MAX_MANIFESTS,
    MAX_RELEASE_NAME,
    MAX_TIME,
    Blob,
    Image,
    ImageSignature,
    Release,
    check_label,
    check_product,
    image_findings,
)

VERSION = 1
MAX_INDEX = 16 << 20
"""Bytes: 10,000 images of their own blobs take less than 3 MiB."""
UNKNOWN_TYPE = "application/octet-stream"
"""The media type of blobs that the release does not have."""
MAX_SOURCES = 64
"""Sources of a step: a reader keeps the uncompressed content of all of them at hand."""
MAX_FEATURE = 80
"""Characters of the name of a feature."""
_FEATURE = re.compile(rf"[!-~]([ -~]{{0,{MAX_FEATURE - 2}}}[!-~])?")
_SINCE = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,3}")
MAX_IMAGE_SIGNATURE = 4 << 20
"""Bytes; containers/image reads no larger one."""


class Plan(IntEnum):
    """What a bundle does with a blob of its release."""

    STORED = 0
    """It is a member of the bundle."""
    LEFT_OUT = 1
    """The target has it."""
    PATCHED = 2
    """It is rebuilt by a step."""


@dataclass(frozen=True, slots=True)
class Base:
    """A state of the target that a patch fits: a release id or an inventory's content id, and its name, if any."""

    id: Digest
    name: str


@dataclass(frozen=True, slots=True)
class SourceBlob:
    """A blob that steps read and no step makes: of the release, or one that the target must have beside it.

    `size` is that of the blob, `uncompressed_size` that of its uncompressed content, in bytes.
    """

    digest: Digest
    size: int
    uncompressed_size: int


@dataclass(frozen=True, slots=True)
class Step:
    """How the blob `digest` is made: by a layer patch, the member `patch` of `patch_size` bytes, out of `sources`.

    Sources are blobs of the table of sources, or made by earlier steps. `size` is that of the blob, `uncompressed_size`
    that its plaintext, `expanded` that of the view of its sources, in bytes. A blob that is not of the release is there
    for later steps only.
    """

    digest: Digest
    size: int
    uncompressed_size: int
    patch: Digest
    patch_size: int
    sources: tuple[Digest, ...]
    expanded: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Feature:
    """What a reader must know, and the first version of airpatch that does: numbers with dots between them."""

    name: str
    since: str


@dataclass(frozen=True)
class Index:
    """`plans[i]` is for `release.blobs[i]`; a full bundle has no bases and leaves nothing out."""

    release: Release
    plans: tuple[Plan, ...]
    bases: tuple[Base, ...] = ()
    removed: tuple[str, ...] = ()
    sources: tuple[SourceBlob, ...] = ()
    steps: tuple[Step, ...] = ()
    features: tuple[Feature, ...] = ()
    """What the layer patches ask of a reader."""

    @classmethod
    def full(cls, release: Release) -> Index:
        return cls(release, (Plan.STORED,) * len(release.blobs))

    @property
    def is_full(self) -> bool:
        return not self.bases

    @cached_property
    def stored(self) -> tuple[Blob, ...]:
        """The blobs that are members, in archive order."""
        return self._planned(Plan.STORED)

    @cached_property
    def left_out(self) -> tuple[Blob, ...]:
        """The blobs that the target must have."""
        return self._planned(Plan.LEFT_OUT)

    @cached_property
    def needed(self) -> tuple[Blob, ...]:
        """The blobs that the target must have: those left out, and sources that are not of the release."""
        known = {blob.digest for blob in self.release.blobs}
        outside = (s for s in self.sources if s.digest not in known)
        return (*self.left_out, *(Blob(s.digest, s.size, UNKNOWN_TYPE) for s in outside))

    @property
    def has_links(self) -> bool:
        """Whether plain tar may unpack the bundle into a working registry: nothing is left out or patched."""
        return all(plan is Plan.STORED for plan in self.plans) and not self.bases

    @cached_property
    def release_id(self) -> Digest:
        return release_id(self.release)

    @cached_property
    def patched(self) -> tuple[Blob, ...]:
        """The blobs that steps make, in archive order."""
        return self._planned(Plan.PATCHED)

    def _planned(self, plan: Plan) -> tuple[Blob, ...]:
        return tuple(b for b, p in zip(self.release.blobs, self.plans, strict=True) if p is plan)


def release_id(release: Release) -> Digest:
    """The sha256 of the release part's encoding."""
    return Digest.of(canonical.pack(release_to_plain(release)))


def emit_index(index: Index) -> bytes:
    """The encoding of `index`. Raises FormatError if it is over a limit."""
    content = canonical.pack(
        {
            "airpatch": VERSION,
            "release": release_to_plain(index.release),
            "packing": {
                "bases": [[base.id.raw, base.name] for base in index.bases],
                "plans": bytes(index.plans),
                "removed": list(index.removed),
                "sources": [[s.digest.raw, s.size, s.uncompressed_size] for s in index.sources],
                "steps": [
                    [
                        step.digest.raw,
                        step.size,
                        step.uncompressed_size,
                        step.patch.raw,
                        step.patch_size,
                        [source.raw for source in step.sources],
                        step.expanded,
                    ]
                    for step in index.steps
                ],
                "features": [[feature.name, feature.since] for feature in index.features],
            },
        }
    )
    if len(content) > MAX_INDEX:
        raise FormatError(f"the index has {len(content)} bytes, more than {MAX_INDEX}: too many images for one bundle")
    return content


def parse_index(content: bytes) -> Index:
    """The index that `content` encodes. Raises FormatError unless it is valid and canonical."""
    if len(content) > MAX_INDEX:
        raise FormatError(f"an index of {len(content)} bytes, more than {MAX_INDEX}")
    document = canonical.unpack(content, "the index")
    version = document.get("airpatch") if isinstance(document, dict) else None
    if version != VERSION:
        raise FormatError(f"a bundle of format version {version!r:.20}; this airpatch reads version {VERSION}")
    _, release_part, packing = _fields(document, ("airpatch", "release", "packing"), "the index")
    release = release_from_plain(release_part)
    fields = ("bases", "plans", "removed", "sources", "steps", "features")
    bases, plans, removed, sources, steps, features = _fields(packing, fields, "the packing")
    index = Index(
        release,
        _plans(plans, len(release.blobs)),
        tuple(Base(Digest(_bytes(id_)), _text(name)) for id_, name in _rows(bases, 2)),
        tuple(_text(repository) for repository in _list(removed)),
        tuple(
            SourceBlob(Digest(_bytes(digest)), _int(size, MAX_BLOB), _int(uncompressed_size, MAX_BLOB))
            for digest, size, uncompressed_size in _rows(sources, 3)
        ),
        tuple(_step(*row) for row in _rows(steps, 7)),
        tuple(Feature(_text(name), _text(since)) for name, since in _rows(features, 2)),
    )
    _check(index)
    if emit_index(index) != content:
        raise FormatError("the index is not in its canonical form")
    return index


def release_to_plain(release: Release) -> dict[str, object]:
    """The release part as msgpack's types."""
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
    """The inverse of `release_to_plain`. Raises FormatError."""
    keys = ("product", "name", "sequence", "expires", "media_types", "blobs", "images")
    product, name, sequence, expires, types, blobs, images = _fields(value, keys, "the release")
    media_types = [_text(media_type) for media_type in _list(types)]
    if not all(map(is_media_type, media_types)):
        raise FormatError("the release has an unusable media type")
    release = Release(
        _text(name),
        _int(sequence, 2**63 - 1),
        tuple(_image(*row) for row in _rows(images, 4)),
        tuple(
            Blob(Digest(_bytes(digest)), _int(size, MAX_BLOB), media_types[_int(kind, len(media_types) - 1)])
            for digest, size, kind in _rows(blobs, 3)
        ),
        _text(product),
        _int(expires, MAX_TIME),
    )
    check_label(release.name, release.sequence)
    check_product(release.product)
    return release


def _image(repository: object, tag: object, manifest: object, signatures: object) -> Image:
    signed = tuple(
        ImageSignature(Digest(_bytes(of)), Digest(_bytes(digest)), _int(size, MAX_IMAGE_SIGNATURE))
        for of, digest, size in _rows(signatures, 3)
    )
    if [s.manifest for s in signed] != sorted(s.manifest for s in signed):
        raise FormatError("the index lists an image's signatures out of order")
    return Image(ImageName(_text(repository), _text(tag)), Digest(_bytes(manifest)), signed)


def _step(
    digest: object,
    size: object,
    uncompressed_size: object,
    patch: object,
    patch_size: object,
    sources: object,
    expanded: object,
) -> Step:
    return Step(
        Digest(_bytes(digest)),
        _int(size, MAX_BLOB),
        _int(uncompressed_size, MAX_BLOB),
        Digest(_bytes(patch)),
        _int(patch_size, MAX_BLOB),
        tuple(Digest(_bytes(source)) for source in _list(sources)),
        _int(expanded, MAX_BLOB),
    )


def _check(index: Index) -> None:
    """What must hold before the manifests are known; `check_manifests` does the rest."""
    release = index.release
    digests = {blob.digest for blob in release.blobs}
    manifests = {blob.digest for blob in release.blobs if blob.is_manifest}
    names = [image.name for image in release.images]
    data = [(-blob.size, blob.digest) for blob in release.blobs if not blob.is_manifest]
    if names != sorted(names):
        raise FormatError("the index lists images out of order")
    if findings := image_findings(release.images):
        raise FormatError("the index has images that contradict each other", findings)
    sizes = [blob.size for blob in release.blobs if blob.is_manifest]
    if max(sizes, default=0) > MAX_MANIFEST or sum(sizes) > MAX_MANIFESTS:
        raise FormatError("the index has manifests that are over a limit of size")
    if len(digests) != len(release.blobs) or data != sorted(data):
        raise FormatError("the index lists a blob twice or blobs out of order")
    if any(blob.is_manifest for blob in release.blobs[: len(data)]):
        raise FormatError("the index lists a manifest before layers and configs")
    if missing := [str(image.name) for image in release.images if image.manifest not in manifests]:
        raise FormatError("the index has images without a manifest", missing)
    if not index.bases and (index.removed or index.left_out):
        raise FormatError("the index leaves blobs out but names no base")
    repositories = {name.repository for name in names}
    if list(index.removed) != sorted(set(index.removed)) or not repositories.isdisjoint(index.removed):
        raise FormatError("the index lists removed repositories out of order, twice, or ones that it has")
    for repository in index.removed:
        check_repository(repository)
    _check_steps(index)
    _check_features(index)
    if any(len(b.name.encode()) > MAX_RELEASE_NAME or not b.name.isprintable() for b in index.bases):
        raise FormatError("the index has a base with an unusable name")
    ids = [base.id for base in index.bases]
    if ids != sorted(set(ids)):
        raise FormatError("the index lists bases out of order or twice")


def _check_features(index: Index) -> None:
    names = [feature.name for feature in index.features]
    if names != sorted(set(names)):
        raise FormatError("the index lists features out of order or twice")
    for feature in index.features:
        if not _FEATURE.fullmatch(feature.name) or not _SINCE.fullmatch(feature.since):
            raise FormatError("the index has a feature with an unusable name or version")


def _check_steps(index: Index) -> None:
    """Every patched blob has one step, and every step finds its sources in the table or made before it."""
    plans = {blob.digest: (blob.size, plan) for blob, plan in zip(index.release.blobs, index.plans, strict=True)}
    table = {source.digest: source.size for source in index.sources}
    if list(table) != sorted(table) or len(table) != len(index.sources):
        raise FormatError("the index lists sources of steps out of order or twice")
    for digest, size in table.items():
        known, plan = plans.get(digest, (size, Plan.LEFT_OUT))
        if known != size or plan is Plan.PATCHED:
            raise FormatError(f"the index lists {digest} as a source with another size, or though a step makes it")
        if not index.bases and digest not in plans:
            raise FormatError(f"the index asks for {digest} on the target but names no base")
    made: dict[Digest, int] = {}
    used: set[Digest] = set()
    for step in index.steps:
        known, plan = plans.get(step.digest, (step.size, Plan.PATCHED))
        if known != step.size or plan is not Plan.PATCHED or step.digest in table or step.digest in made:
            raise FormatError(f"the index has a step for {step.digest} that is not to be made, or not in that size")
        unknown = [source for source in step.sources if source not in table and source not in made]
        if unknown or len(set(step.sources)) != len(step.sources) or len(step.sources) > MAX_SOURCES:
            raise FormatError(f"the index has a step for {step.digest} whose sources are twice, later, nowhere or many")
        made[step.digest] = step.size
        used.update(step.sources)
    patched = {digest for digest, (_, plan) in plans.items() if plan is Plan.PATCHED}
    if not patched <= made.keys() or not made.keys() - patched <= used or not table.keys() <= used:
        raise FormatError("the index has patched blobs without a step, or steps and sources that nothing needs")
    if any(blob.is_manifest and blob.digest in patched for blob in index.release.blobs):
        raise FormatError("the index has a manifest that is patched")


def _plans(value: object, count: int) -> tuple[Plan, ...]:
    plans = _bytes(value)
    if len(plans) != count or max(plans, default=0) > max(Plan):
        raise FormatError("the index does not say of each blob what the bundle does with it")
    return tuple(map(Plan, plans))


def _fields(value: object, keys: tuple[str, ...], what: str) -> list[object]:
    if not isinstance(value, dict) or tuple(value) != keys:
        raise FormatError(f"{what} must have the fields {', '.join(keys)}, in this order")
    return list(value.values())


def _rows(value: object, width: int) -> Iterator[list[object]]:
    for row in _list(value):
        if not isinstance(row, list) or len(row) != width:
            raise FormatError(f"the index has a row that is not a list of {width}")
        yield row


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise FormatError("the index has something else where a list belongs")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise FormatError("the index has something else where bytes belong")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FormatError("the index has something else where text belongs")
    return value


def _int(value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        raise FormatError(f"the index has something else where an integer from 0 to {limit} belongs")
    return value
