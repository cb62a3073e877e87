"""The index of a bundle, and all that can be checked by it alone (FORMAT.md, Index)."""

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

import msgpack

from . import names
from .canonical import decode, fields, of_type, record
from .errors import require

MAX_INDEX = 16777216
MAX_SIZE = 2**63 - 1
STORED, LEFT_OUT, PATCHED = 0, 1, 2


@dataclass(frozen=True)
class Blob:
    """A row of the table of blobs; sizes are bytes."""

    digest: bytes
    size: int
    media_type: str
    disposition: int

    @property
    def is_manifest(self) -> bool:
        """Whether its media type is one of the four of manifests."""
        return self.media_type in names.ALL_MANIFESTS


@dataclass(frozen=True)
class Image:
    """A repository, a tag, the manifest's digest, and signatures: signed manifest, digest, size in bytes."""

    repository: str
    tag: str
    manifest: bytes
    signatures: list[tuple[bytes, bytes, int]]


@dataclass(frozen=True)
class Step:
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

    @property
    def has_links(self) -> bool:
        """Whether plain tar can unpack the bundle into a registry."""
        return not self.bases and all(blob.disposition == STORED for blob in self.blobs)


class _Sizes:
    """One size for each digest, wherever it stands."""

    def __init__(self) -> None:
        self.known: dict[bytes, int] = {}

    def check(self, digest: bytes, size: int, limit: int = MAX_SIZE) -> None:
        require(len(digest) == 32, "a digest that does not have 32 bytes")
        require(size <= limit, "a size over its limit")
        require(self.known.setdefault(digest, size) == size, f"two sizes of {digest.hex()}")


def parse_index(data: bytes) -> Index:
    """Parse an index.

    Raises:
        FormatError: it breaks a rule.
    """
    document = of_type(decode(data), dict)
    require(type(document.get("airpatch")) is int and document["airpatch"] == 1, "an unknown version of the format")
    _, release, packing = fields(document, airpatch=int, release=dict, packing=dict)
    sizes = _Sizes()
    blobs, images, has = _release(release, packing, sizes)
    bases, removed, sources, steps, features = _packing(packing, sizes)
    require(bases or not any(blob.disposition == LEFT_OUT for blob in blobs), "a full bundle that leaves something out")
    require(bases or not removed, "a full bundle that removes something")
    require(not set(removed) & has, "a repository that is there and removed")
    _check_steps(blobs, bool(bases), sources, steps)
    release_id = hashlib.sha256(msgpack.packb(release)).digest()
    return Index(release_id, release["expires"], blobs, images, bases, sources, steps, features)


def _ascending(keys: list[Any], what: str) -> None:
    require(all(one < other for one, other in itertools.pairwise(keys)), f"{what} out of order, or twice")


def _release(release: object, packing: Any, sizes: _Sizes) -> tuple[list[Blob], list[Image], set[str]]:
    values = fields(
        release, product=str, name=str, sequence=int, expires=int, media_types=list, blobs=list, images=list
    )
    product, name, sequence, expires, types, rows, entries = values
    names.check_title(product, 1)
    names.check_title(name, 1)
    require(sequence <= MAX_SIZE, "a sequence number over its limit")
    require(expires <= 253402300799, "a moment of expiry over its limit")
    for media_type in types:
        names.check_media_type(of_type(media_type, str))
    _ascending(types, "media types")
    plans = of_type(packing.get("plans"), bytes)
    require(len(plans) == len(rows) and max(plans, default=0) <= PATCHED, "plans that do not fit the blobs")
    blobs = []
    for row, disposition in zip(rows, plans, strict=True):
        digest, size, position = record(row, bytes, int, int)
        require(position < len(types), "a media type that is not there")
        sizes.check(digest, size)
        blobs.append(Blob(digest, size, types[position], disposition))
    _check_table(blobs, types)
    manifests = {blob.digest for blob in blobs if blob.is_manifest}
    images = [_image(entry, manifests, sizes) for entry in entries]
    require(images, "no image")
    _ascending([(image.repository, image.tag) for image in images], "images")
    repositories = {image.repository for image in images}
    together = {f"{image.repository}:{image.tag}" for image in images}
    firsts = {repository.split("/")[0] for repository in repositories if "/" in repository}
    require(not together & firsts, "an image whose folder lies in that of another")
    signed: dict[tuple[str, bytes], Any] = {}
    for image in images:
        same = signed.setdefault((image.repository, image.manifest), image.signatures)
        require(same == image.signatures, "different signatures of one manifest")
    return blobs, images, repositories


def _check_table(blobs: list[Blob], types: list[str]) -> None:
    require(len({blob.digest for blob in blobs}) == len(blobs), "a blob twice")
    require({blob.media_type for blob in blobs} == set(types), "a media type that no blob has")
    require(blobs == sorted(blobs, key=lambda blob: blob.is_manifest), "a manifest before other blobs")
    manifests = [blob for blob in blobs if blob.is_manifest]
    others = blobs[: len(blobs) - len(manifests)]
    _ascending([(-blob.size, blob.digest) for blob in others], "blobs")
    require(all(blob.size <= 4194304 for blob in manifests), "a manifest over its limit")
    require(sum(blob.size for blob in manifests) <= 67108864, "manifests over their limit")


def _image(entry: object, manifests: set[bytes], sizes: _Sizes) -> Image:
    values = record(entry, str, str, bytes, list)
    repository, tag, manifest, rows = values
    names.check_repository(repository)
    names.check_tag(tag, manifest)
    require(manifest in manifests, "an image whose manifest is not there")
    signatures: list[tuple[bytes, bytes, int]] = []
    for row in rows:
        values = record(row, bytes, bytes, int)
        signed, digest, size = values
        require(signed in manifests, "a signature of a manifest that is not there")
        sizes.check(digest, size, 4194304)
        signatures.append((signed, digest, size))
    require(signatures == sorted(signatures, key=lambda one: one[0]), "signatures out of order")
    require(not rows or len(repository.split("/")[-1]) <= 183, "a component too long for the folder of signatures")
    return Image(repository, tag, manifest, signatures)


def _packing(packing: object, sizes: _Sizes) -> tuple[Any, Any, Any, list[Step], list[str]]:
    values = fields(packing, bases=list, plans=bytes, removed=list, sources=list, steps=list, features=list)
    base_rows, _, removed, source_rows, step_rows, feature_rows = values
    bases = []
    for row in base_rows:
        base, name = record(row, bytes, str)
        require(len(of_type(base, bytes)) == 32, "an id that does not have 32 bytes")
        names.check_title(of_type(name, str), 0)
        bases.append(base)
    _ascending(bases, "bases")
    for repository in removed:
        names.check_repository(of_type(repository, str))
    _ascending(removed, "removed repositories")
    sources: dict[bytes, tuple[int, int]] = {}
    for row in source_rows:
        values = record(row, bytes, int, int)
        digest, size, unpacked = values
        sizes.check(digest, size)
        require(unpacked <= MAX_SIZE and digest not in sources, "a source twice, or a size over its limit")
        sources[digest] = (size, unpacked)
    _ascending(list(sources), "sources")
    steps = []
    for row in step_rows:
        values = record(row, bytes, int, int, bytes, int, list, int)
        step = Step(*values)
        sizes.check(step.digest, step.size)
        sizes.check(step.patch, step.patch_size)
        require(step.unpacked <= MAX_SIZE and step.view <= MAX_SIZE, "a size over its limit")
        require(len(step.sources) <= 64, "more than 64 sources")
        require(len({of_type(one, bytes) for one in step.sources}) == len(step.sources), "a source twice")
        steps.append(step)
    features = []
    for row in feature_rows:
        values = record(row, str, str)
        names.check_feature(*values)
        features.append(values[0])
    _ascending(features, "features")
    return bases, removed, sources, steps, features


def _check_steps(blobs: list[Blob], has_base: bool, sources: Any, steps: list[Step]) -> None:
    plans = {blob.digest: blob.disposition for blob in blobs}
    made: set[bytes] = set()
    used: set[bytes] = set()
    for step in steps:
        require(step.digest not in made, "a blob that is made twice")
        require(plans.get(step.digest, PATCHED) == PATCHED, "a step for a blob that is not patched")
        for source in step.sources:
            require(source in made or source in sources, "a source from nowhere, or from a later step")
            used.add(source)
        made.add(step.digest)
    manifests = {blob.digest: blob.disposition for blob in blobs if blob.is_manifest}
    require(PATCHED not in manifests.values(), "a manifest that is patched")
    require(not set(sources) & set(manifests), "a manifest that is a source")
    patched = {blob.digest for blob in blobs if blob.disposition == PATCHED}
    require(patched <= made, "a patched blob that no step makes")
    require(made - set(plans) <= used, "a step for a blob that nothing needs")
    require(not made & set(sources), "a blob of the table of sources that a step makes")
    require(set(sources) <= used, "a blob of the table of sources that is none")
    require(has_base or all(digest in plans for digest in sources), "a source on the target, without a base")
