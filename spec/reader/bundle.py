"""A bundle from its first byte to its last: what is refused, and the blobs that it gives (FORMAT.md, Reading)."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from . import encoders, framings, sshsig
from .archive import END, Archive, member
from .errors import BaseMismatch, IntegrityError, TrustError, Unsupported, require
from .index import LEFT_OUT, STORED, Blob, Index
from .layer_patch import Source, carry_out
from .manifests import Manifests


@dataclass
class Bundle:
    """What a bundle gives. `blobs` has those of the release; `unsupported` says why blobs are missing, if they are."""

    index: Index
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    patches: dict[bytes, bytes] = field(default_factory=dict)
    unsupported: str = ""


def read_file(file: str, bases: Iterable[str] = (), signers: str | None = None) -> Bundle:
    """Read a bundle, on a target that has what these bundles give, each on top of those before."""
    have: dict[bytes, bytes] | None = None
    for base in bases:
        have = (have or {}) | read(Path(base).read_bytes(), have).blobs
    return read(Path(file).read_bytes(), have, Path(signers).read_text() if signers is not None else None)


def read(data: bytes, base: dict[bytes, bytes] | None, signers: str | None = None, now: float | None = None) -> Bundle:
    """Read a bundle; `base` has what the target has. Without one, steps are carried out as far as they can be.

    One of the allowed signers must have signed it, if they are given; `now` is seconds since 1970, if not the clock's.
    """
    archive = Archive(data)
    index_bytes = archive.index()
    index = Index(index_bytes)
    signatures = archive.signatures()
    for signature in signatures:
        sshsig.parse(signature)
    if signers is not None:
        sshsig.require_signer(index_bytes, signatures, signers)
    expired = 0 < index.release.expires <= (time.time() if now is None else now)
    require(not expired, "a release that has expired", TrustError)
    bundle = Bundle(index)
    if base is not None:
        _require_base(index, base)
        bundle.blobs = {blob.digest: base[blob.digest] for blob in index.blobs if blob.disposition == LEFT_OUT}
    _read_contents(archive, bundle)
    links: list[tuple[str, bytes]] = []
    if index.manifests.keys() <= bundle.blobs.keys():
        manifests = Manifests(index, bundle.blobs)
        if not index.packing.bases and all(blob.disposition == STORED for blob in index.blobs):
            links = manifests.links()
    found = archive.section([*(member(path, len(content)) for path, content in links), END])
    require(list(found) == [*(content for _, content in links), b""], "links that do not follow from the manifests")
    require(not archive.frames, "a frame behind the end of the archive")
    _carry_out(bundle, base or {})
    return bundle


def _require_base(index: Index, base: dict[bytes, bytes]) -> None:
    own = {blob.digest for blob in index.blobs}
    needed = {blob.digest: blob.size for blob in index.blobs if blob.disposition == LEFT_OUT}
    needed |= {source.digest: source.size for source in index.packing.sources if source.digest not in own}
    lacking = [digest.hex() for digest, size in needed.items() if digest not in base or len(base[digest]) != size]
    require(not lacking, f"the target lacks {', '.join(lacking)}", BaseMismatch)


def _blob(blob: Blob) -> tuple[str, bytes, int]:
    name = blob.digest.hex()
    return f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data", blob.digest, blob.size


def _read_contents(archive: Archive, bundle: Bundle) -> None:
    """Read the sections of data and of manifests: members by path, digest and size."""
    index = bundle.index
    stored = {blob.digest: blob for blob in index.blobs if blob.disposition == STORED}
    signatures = {
        (f".airpatch/signatures/{image.repository}@sha256={signed.hex()}/signature-{number}", one.digest, one.size)
        for image in index.release.images
        for signed, group in groupby(image.signatures, lambda one: one.signed)
        for number, one in enumerate(group, 1)
    }
    data = [*sorted(signatures), *(_blob(blob) for digest, blob in stored.items() if digest not in index.manifests)]
    data += [(f".airpatch/patches/{n}", step.patch, step.patch_size) for n, step in enumerate(index.packing.steps, 1)]
    manifests = [_blob(blob) for digest, blob in stored.items() if digest in index.manifests]
    for section in (data, manifests):
        contents = archive.section([member(path, size) for path, _, size in section])
        for (path, digest, _), content in zip(section, contents, strict=True):
            require(hashlib.sha256(content).digest() == digest, f"{path} has another digest", IntegrityError)
            (bundle.blobs if digest in stored else bundle.patches)[digest] = content


def _carry_out(bundle: Bundle, base: dict[bytes, bytes]) -> None:
    """Make the blobs that steps make, as far as their sources are there and this reader knows how."""
    index, there, patches = bundle.index, base | bundle.blobs, bundle.blobs | bundle.patches
    views = {f"view {framing}" for framing in framings.FRAMINGS}
    features = [feature.name for feature in index.packing.features]
    unknown = [name for name in features if name not in views and not encoders.is_feature(name)]
    if unknown:
        bundle.unsupported = unknown[0]
        return
    have = {one: Source(there[one], size) for one, _, size in index.packing.sources if one in there}
    for step in index.packing.steps:
        try:
            if not have.keys() >= set(step.sources):
                raise Unsupported("sources that are not there")
            made = have[step.digest] = carry_out(patches[step.patch], step, [have[one] for one in step.sources])
        except Unsupported as error:
            bundle.unsupported = bundle.unsupported or str(error)
            continue
        if any(blob.digest == step.digest for blob in index.blobs):
            bundle.blobs[step.digest] = made.packed
