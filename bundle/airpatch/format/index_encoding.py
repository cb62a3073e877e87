"""The encoding of an index (spec/FORMAT.md, Index).

`emit_index` and `parse_index` are inverse; there is one encoding, and `parse_index` refuses all others.
"""

from __future__ import annotations

from itertools import chain

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.features import is_feature, is_version
from airpatch.format.fields import bytes_, fields, integer, list_, rows, text
from airpatch.format.index import MAX_SOURCES, Base, Disposition, Feature, Index, SourceBlob, Step
from airpatch.format.release_part import release_from_plain, release_to_plain
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.model.names import check_repository
from airpatch.model.printable import is_printable
from airpatch.model.release import (
    MAX_RELEASE_NAME,
    image_findings,
)

VERSION = 1


def emit_index(index: Index) -> bytes:
    """Return the encoding of `index`. Raises FormatError if it is over a limit."""
    content = canonical.pack(
        {
            "airpatch": VERSION,
            "release": release_to_plain(index.release),
            "packing": {
                "bases": [[base.id.raw, base.name] for base in index.bases],
                "plans": bytes(index.dispositions),
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
    if len(content) > limits.INDEX.value:
        raise FormatError(f"the index has {len(content)} bytes, more than {limits.INDEX}")
    return content


def parse_index(content: bytes) -> Index:
    """Return the index that `content` encodes. Raises FormatError unless it is valid and canonical."""
    document = canonical.unpack(content, "the index")
    version = document.get("airpatch") if isinstance(document, dict) else None
    if version != VERSION:
        raise FormatError(f"a bundle of format version {version!r:.20}; this airpatch reads version {VERSION}")
    _, release_part, packing = fields(document, ("airpatch", "release", "packing"), "the index")
    release = release_from_plain(release_part)
    keys = ("bases", "plans", "removed", "sources", "steps", "features")
    bases, dispositions, removed, sources, steps, features = fields(packing, keys, "the packing")
    index = Index(
        release,
        _dispositions(dispositions, len(release.blobs)),
        tuple(Base(Digest(bytes_(id_)), text(name)) for id_, name in rows(bases, 2)),
        tuple(text(repository) for repository in list_(removed)),
        tuple(
            SourceBlob(Digest(bytes_(digest)), integer(size, MAX_BLOB), integer(uncompressed_size, MAX_BLOB))
            for digest, size, uncompressed_size in rows(sources, 3)
        ),
        tuple(_step(*row) for row in rows(steps, 7)),
        tuple(Feature(text(name), text(since)) for name, since in rows(features, 2)),
    )
    _check(index)
    if emit_index(index) != content:
        raise FormatError("the index is not in its canonical form")
    return index


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
        Digest(bytes_(digest)),
        integer(size, MAX_BLOB),
        integer(uncompressed_size, MAX_BLOB),
        Digest(bytes_(patch)),
        integer(patch_size, MAX_BLOB),
        tuple(Digest(bytes_(source)) for source in list_(sources)),
        integer(expanded, MAX_BLOB),
    )


def _check_sizes(index: Index) -> None:
    """A digest has the same size wherever it stands."""
    sizes: dict[Digest, int] = {}
    pairs = chain(
        ((blob.digest, blob.size) for blob in index.release.blobs),
        ((one.digest, one.size) for image in index.release.images for one in image.signatures),
        ((source.digest, source.size) for source in index.sources),
        ((step.digest, step.size) for step in index.steps),
        ((step.patch, step.patch_size) for step in index.steps),
    )
    for digest, size in pairs:
        if sizes.setdefault(digest, size) != size:
            raise FormatError(f"the index has two sizes of {digest}")


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
    if max(sizes, default=0) > limits.MANIFEST.value or sum(sizes) > limits.MANIFESTS.value:
        raise FormatError("the index has manifests that are over a limit of size")
    if len(digests) != len(release.blobs) or data != sorted(data):
        raise FormatError("the index lists a blob twice or blobs out of order")
    if any(blob.is_manifest for blob in release.blobs[: len(data)]):
        raise FormatError("the index lists a manifest before layers and configs")
    if missing := [str(image.name) for image in release.images if image.manifest not in manifests]:
        raise FormatError("the index has images without a manifest", missing)
    if any(signature.manifest not in manifests for image in release.images for signature in image.signatures):
        raise FormatError("the index has signatures of manifests that are not in its table")
    if not index.bases and (index.removed or index.left_out):
        raise FormatError("the index leaves blobs out but names no base")
    repositories = {name.repository for name in names}
    if list(index.removed) != sorted(set(index.removed)) or not repositories.isdisjoint(index.removed):
        raise FormatError("the index lists removed repositories out of order, twice, or ones that it has")
    for repository in index.removed:
        check_repository(repository)
    _check_steps(index)
    _check_sizes(index)
    _check_features(index)
    if any(len(b.name.encode()) > MAX_RELEASE_NAME or not is_printable(b.name) for b in index.bases):
        raise FormatError("the index has a base with an unusable name")
    ids = [base.id for base in index.bases]
    if ids != sorted(set(ids)):
        raise FormatError("the index lists bases out of order or twice")


def _check_features(index: Index) -> None:
    names = [feature.name for feature in index.features]
    if names != sorted(set(names)):
        raise FormatError("the index lists features out of order or twice")
    for feature in index.features:
        if not is_feature(feature.name) or not is_version(feature.since):
            raise FormatError("the index has a feature with an unusable name or version")


def _check_steps(index: Index) -> None:
    """Every patched blob has one step, and every step finds its sources in the table or made before it."""
    pairs = zip(index.release.blobs, index.dispositions, strict=True)
    blobs = {blob.digest: (blob.size, disposition) for blob, disposition in pairs}
    table = {source.digest: source.size for source in index.sources}
    if list(table) != sorted(table) or len(table) != len(index.sources):
        raise FormatError("the index lists sources of steps out of order or twice")
    for digest, size in table.items():
        known, disposition = blobs.get(digest, (size, Disposition.LEFT_OUT))
        if known != size or disposition is Disposition.PATCHED:
            raise FormatError(f"the index lists {digest} as a source with another size, or though a step makes it")
        if not index.bases and digest not in blobs:
            raise FormatError(f"the index asks for {digest} on the target but names no base")
    made: set[Digest] = set()
    used: set[Digest] = set()
    for step in index.steps:
        known, disposition = blobs.get(step.digest, (step.size, Disposition.PATCHED))
        if known != step.size or disposition is not Disposition.PATCHED or step.digest in table or step.digest in made:
            raise FormatError(f"the index has a step for {step.digest} that is not to be made, or not in that size")
        unknown = [source for source in step.sources if source not in table and source not in made]
        if unknown or len(set(step.sources)) != len(step.sources) or len(step.sources) > MAX_SOURCES:
            raise FormatError(
                f"the index has a step for {step.digest} whose sources are repeated, made later, unknown or too many"
            )
        made.add(step.digest)
        used.update(step.sources)
    patched = {digest for digest, (_, disposition) in blobs.items() if disposition is Disposition.PATCHED}
    if not patched <= made or not made - patched <= used or not table.keys() <= used:
        raise FormatError("the index has patched blobs without a step, or steps and sources that nothing needs")
    if any(blob.is_manifest and (blob.digest in patched or blob.digest in table) for blob in index.release.blobs):
        raise FormatError("the index has a manifest that is patched, or a source")


def _dispositions(value: object, count: int) -> tuple[Disposition, ...]:
    dispositions = bytes_(value)
    if len(dispositions) != count or max(dispositions, default=0) > max(Disposition):
        raise FormatError("the index does not say of each blob what the bundle does with it")
    return tuple(map(Disposition, dispositions))
