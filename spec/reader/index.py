"""The index of a bundle, and all that can be checked by it alone (FORMAT.md, Index)."""

import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack

from . import names
from .canonical import BYTES, DIGEST, SIZE, UINT, VERSION, Leaf, check, decode
from .errors import require

MAX_INDEX, MAX_MANIFEST, MAX_MANIFESTS, MAX_SOURCES = 16777216, 4194304, 67108864, 64
STORED, LEFT_OUT, PATCHED = 0, 1, 2
SIGNATURE = (DIGEST, DIGEST, Leaf(int, "size of a signature", lambda size: 0 <= size <= 4194304))
INDEX = {
    "airpatch": VERSION,
    "release": {
        "product": names.TITLE,
        "name": names.TITLE,
        "sequence": SIZE,
        "expires": Leaf(int, "moment up to the year 9999", lambda moment: 0 <= moment <= 253402300799),
        "media_types": [names.MEDIA_TYPE],
        "blobs": [(DIGEST, SIZE, UINT)],
        "images": [(names.REPOSITORY, names.TAG, DIGEST, [SIGNATURE])],
    },
    "packing": {
        "bases": [(DIGEST, names.BASE_NAME)],
        "plans": BYTES,
        "removed": [names.REPOSITORY],
        "sources": [(DIGEST, SIZE, SIZE)],
        "steps": [(DIGEST, SIZE, SIZE, DIGEST, SIZE, [DIGEST], SIZE)],
        "features": [(names.FEATURE, names.FEATURE_VERSION)],
    },
}


class Blob(NamedTuple):
    """A row of the table of blobs; the size is bytes."""

    digest: bytes
    size: int
    media_type: str
    disposition: int

    @property
    def is_manifest(self) -> bool:
        """Whether its media type is one of the four of manifests."""
        return self.media_type in names.ALL_MANIFESTS


class Image(NamedTuple):
    """A repository, a tag, the manifest's digest, and signatures: signed manifest, digest, size in bytes."""

    repository: str
    tag: str
    manifest: bytes
    signatures: list[tuple[bytes, bytes, int]]


class Step(NamedTuple):
    """How one blob is made. Sizes are bytes, that of uncompressed data `unpacked`, that of the sources' view `view`."""

    digest: bytes
    size: int
    unpacked: int
    patch: bytes
    patch_size: int
    sources: list[bytes]
    view: int


@dataclass(frozen=True)
class Index:
    """An index that passed every check that needs nothing else. `sources` gives size and size of uncompressed data."""

    release_id: bytes
    expires: int
    blobs: list[Blob]
    images: list[Image]
    bases: list[bytes]
    sources: dict[bytes, tuple[int, int]]
    steps: list[Step]
    features: list[str]


def parse_index(data: bytes) -> Index:
    """Parse an index."""
    document = decode(data)
    check(document, INDEX)
    release, packing = document["release"], document["packing"]
    types, rows, plans = release["media_types"], release["blobs"], packing["plans"]
    require(len(plans) == len(rows) and max(plans, default=0) <= PATCHED, "plans that do not fit the blobs")
    require(all(position < len(types) for _, _, position in rows), "a media type that is not there")
    blobs = [Blob(row[0], row[1], types[row[2]], plan) for row, plan in zip(rows, plans, strict=True)]
    index = Index(
        hashlib.sha256(msgpack.packb(release)).digest(),
        release["expires"],
        blobs,
        [Image(*entry) for entry in release["images"]],
        [base for base, _ in packing["bases"]],
        {digest: (size, unpacked) for digest, size, unpacked in packing["sources"]},
        [Step(*row) for row in packing["steps"]],
        [feature for feature, _ in packing["features"]],
    )
    _ascending(types, "media types")
    _ascending(index.bases, "bases")
    _ascending(packing["removed"], "removed repositories")
    _ascending([source for source, _, _ in packing["sources"]], "sources")
    _ascending(index.features, "features")
    _check_sizes(index, rows, packing["sources"])
    _check_table(blobs, types)
    _check_images(index)
    require(index.bases or not packing["removed"], "a full bundle that removes something")
    require(not {image.repository for image in index.images} & set(packing["removed"]), "a repository removed, too")
    _check_steps(index)
    return index


def _ascending(keys: list[Any], what: str) -> None:
    require(all(one < other for one, other in itertools.pairwise(keys)), f"{what} out of order, or twice")


def _check_sizes(index: Index, rows: Any, sources: Any) -> None:
    """One size for each digest, wherever it stands."""
    sized: Iterable[tuple[bytes, int]] = itertools.chain(
        (row[:2] for row in itertools.chain(rows, sources)),
        (signature[1:] for image in index.images for signature in image.signatures),
        ((step.digest, step.size) for step in index.steps),
        ((step.patch, step.patch_size) for step in index.steps),
    )
    known: dict[bytes, int] = {}
    for digest, size in sized:
        require(known.setdefault(digest, size) == size, f"two sizes of {digest.hex()}")


def _check_table(blobs: list[Blob], types: list[str]) -> None:
    require(len({blob.digest for blob in blobs}) == len(blobs), "a blob twice")
    require({blob.media_type for blob in blobs} == set(types), "a media type that no blob has")
    require(blobs == sorted(blobs, key=lambda blob: blob.is_manifest), "a manifest before other blobs")
    manifests = [blob for blob in blobs if blob.is_manifest]
    _ascending([(-blob.size, blob.digest) for blob in blobs[: len(blobs) - len(manifests)]], "blobs")
    require(all(blob.size <= MAX_MANIFEST for blob in manifests), "a manifest over its limit")
    require(sum(blob.size for blob in manifests) <= MAX_MANIFESTS, "manifests over their limit")


def _check_images(index: Index) -> None:
    images = index.images
    manifests = {blob.digest for blob in index.blobs if blob.is_manifest}
    signed: dict[tuple[str, bytes], Any] = {}
    require(images, "no image")
    _ascending([image[:2] for image in images], "images")
    for repository, tag, manifest, signatures in images:
        of = [signature[0] for signature in signatures]
        by_digest = re.fullmatch("by-digest-([0-9a-f]{64})", tag)
        require(by_digest is None or by_digest[1] == manifest.hex(), "a tag by the digest of another manifest")
        require(manifest in manifests, "an image whose manifest is not there")
        require(set(of) <= manifests, "a signature of a manifest that is not there")
        require(of == sorted(of), "signatures out of order")
        require(not of or len(repository.split("/")[-1]) <= 183, "a name too long for the folder of signatures")
        require(signed.setdefault((repository, manifest), signatures) == signatures, "other signatures of a manifest")
    firsts = {image.repository.split("/")[0] for image in images if "/" in image.repository}
    require(not firsts & {f"{image.repository}:{image.tag}" for image in images}, "an image in the folder of another")


def _check_steps(index: Index) -> None:
    plans = {blob.digest: blob.disposition for blob in index.blobs}
    manifests = {blob.digest for blob in index.blobs if blob.is_manifest}
    patched = {digest for digest, plan in plans.items() if plan == PATCHED}
    sources = set(index.sources)
    made: set[bytes] = set()
    used: set[bytes] = set()
    for step in index.steps:
        require(step.digest not in made, "a blob that is made twice")
        require(plans.get(step.digest, PATCHED) == PATCHED, "a step for a blob that is not patched")
        require(len(step.sources) <= MAX_SOURCES, "too many sources")
        require(len(set(step.sources)) == len(step.sources), "a source twice")
        require(set(step.sources) <= made | sources, "a source from nowhere, or from a later step")
        used.update(step.sources)
        made.add(step.digest)
    require(not patched & manifests, "a manifest that is patched")
    require(not sources & manifests, "a manifest that is a source")
    require(patched <= made, "a patched blob that no step makes")
    require(made - set(plans) <= used, "a step for a blob that nothing needs")
    require(not made & sources, "a blob of the table of sources that a step makes")
    require(sources <= used, "a blob of the table of sources that is none")
    require(index.bases or LEFT_OUT not in plans.values(), "a full bundle that leaves something out")
    require(index.bases or sources <= set(plans), "a source on the target, without a base")
