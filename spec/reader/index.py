"""The index of a bundle, and all that can be checked by it alone (FORMAT.md, Index)."""

import hashlib
import itertools
import re
from typing import Any, NamedTuple

import msgpack

from . import names
from .canonical import BYTES, DIGEST, SIZE, UINT, VERSION, Leaf, build, decode, row
from .errors import require

MAX_MANIFEST, MAX_MANIFESTS, MAX_SOURCES = 4194304, 67108864, 64
STORED, LEFT_OUT, PATCHED = 0, 1, 2
SIGNATURE = row(signed=DIGEST, digest=DIGEST, size=Leaf(int, "size of a signature", lambda size: 0 <= size <= 4194304))
STEP = row(digest=DIGEST, size=SIZE, unpacked=SIZE, patch=DIGEST, patch_size=SIZE, sources=[DIGEST], view=SIZE)
INDEX = {  # sizes are bytes
    "airpatch": VERSION,
    "release": {
        "product": names.TITLE,
        "name": names.TITLE,
        "sequence": SIZE,
        "expires": Leaf(int, "moment up to the year 9999", lambda moment: 0 <= moment <= 253402300799),
        "media_types": [names.MEDIA_TYPE],
        "blobs": [row(digest=DIGEST, size=SIZE, media_type=UINT)],
        "images": [row(repository=names.REPOSITORY, tag=names.TAG, manifest=DIGEST, signatures=[SIGNATURE])],
    },
    "packing": {
        "bases": [row(digest=DIGEST, name=names.BASE_NAME)],
        "plans": BYTES,
        "removed": [names.REPOSITORY],
        "sources": [row(digest=DIGEST, size=SIZE, unpacked=SIZE)],
        "steps": [STEP],
        "features": [row(name=names.FEATURE, version=names.FEATURE_VERSION)],
    },
}


class Blob(NamedTuple):
    """A blob of the release; the size is bytes."""

    digest: bytes
    size: int
    media_type: str
    disposition: int


class Index:
    """An index that passed every check that needs nothing else."""

    def __init__(self, data: bytes) -> None:
        """Parse an index."""
        document = decode(data)
        made = build(INDEX, document)
        self.release, self.packing = release, packing = made.release, made.packing
        self.release_id = hashlib.sha256(msgpack.packb(document["release"])).digest()
        types, rows, plans = release.media_types, release.blobs, packing.plans
        require(len(plans) == len(rows) and max(plans, default=0) <= PATCHED, "plans that do not fit the blobs")
        require(all(row.media_type < len(types) for row in rows), "a media type that is not there")
        self.blobs = [Blob(row[0], row[1], types[row[2]], plan) for row, plan in zip(rows, plans, strict=True)]
        self.manifests = {blob.digest: blob for blob in self.blobs if blob.media_type in names.ALL_MANIFESTS}
        _ascending(types, "media types")
        _ascending([base.digest for base in packing.bases], "bases")
        _ascending(packing.removed, "removed repositories")
        _ascending([source.digest for source in packing.sources], "sources")
        _ascending([feature.name for feature in packing.features], "features")
        self._check_sizes()
        self._check_table()
        self._check_images()
        self._check_steps()

    def _check_sizes(self) -> None:
        """One size for each digest, wherever it stands."""
        signatures = itertools.chain(*(image.signatures for image in self.release.images))
        packing, known = self.packing, dict[bytes, int]()
        sized = [one[:2] for one in itertools.chain(self.blobs, packing.sources, packing.steps)]
        sized += [(one.digest, one.size) for one in signatures]
        sized += [(step.patch, step.patch_size) for step in packing.steps]
        for digest, size in sized:
            require(known.setdefault(digest, size) == size, f"two sizes of {digest.hex()}")

    def _check_table(self) -> None:
        blobs, manifests = self.blobs, self.manifests.values()
        require(len({blob.digest for blob in blobs}) == len(blobs), "a blob twice")
        require({blob.media_type for blob in blobs} == set(self.release.media_types), "a media type that no blob has")
        require(blobs == sorted(blobs, key=lambda blob: blob.digest in self.manifests), "a manifest before other blobs")
        _ascending([(-blob.size, blob.digest) for blob in blobs[: len(blobs) - len(manifests)]], "blobs")
        require(all(blob.size <= MAX_MANIFEST for blob in manifests), "a manifest over its limit")
        require(sum(blob.size for blob in manifests) <= MAX_MANIFESTS, "manifests over their limit")

    def _check_images(self) -> None:
        images, removed, manifests = self.release.images, self.packing.removed, set(self.manifests)
        signed: dict[tuple[str, bytes], Any] = {}
        require(images, "no image")
        _ascending([image[:2] for image in images], "images")
        for repository, tag, manifest, signatures in images:
            of = [signature.signed for signature in signatures]
            by_digest = re.fullmatch("by-digest-([0-9a-f]{64})", tag)
            require(by_digest is None or by_digest[1] == manifest.hex(), "a tag by the digest of another manifest")
            require(manifest in manifests, "an image whose manifest is not there")
            require(set(of) <= manifests, "a signature of a manifest that is not there")
            require(of == sorted(of), "signatures out of order")
            require(not of or len(repository.split("/")[-1]) <= 183, "a name too long for the folder of signatures")
            require(
                signed.setdefault((repository, manifest), signatures) == signatures, "other signatures of a manifest"
            )
        firsts = {image.repository.split("/")[0] for image in images if "/" in image.repository}
        require(
            not firsts & {f"{image.repository}:{image.tag}" for image in images}, "an image in the folder of another"
        )
        require(self.packing.bases or not removed, "a full bundle that removes something")
        require(not {image.repository for image in images} & set(removed), "a repository removed, too")

    def _check_steps(self) -> None:
        plans = {blob.digest: blob.disposition for blob in self.blobs}
        patched = {digest for digest, plan in plans.items() if plan == PATCHED}
        sources, manifests = {source.digest for source in self.packing.sources}, set(self.manifests)
        made: set[bytes] = set()
        used: set[bytes] = set()
        for step in self.packing.steps:
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
        require(self.packing.bases or LEFT_OUT not in plans.values(), "a full bundle that leaves something out")
        require(self.packing.bases or sources <= set(plans), "a source on the target, without a base")


def _ascending(keys: list[Any], what: str) -> None:
    require(all(one < other for one, other in itertools.pairwise(keys)), f"{what} out of order, or twice")
