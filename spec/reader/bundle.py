"""A bundle from its first byte to its last: what is refused, and the blobs that it gives (FORMAT.md, Reading)."""

import hashlib
import time
from dataclasses import dataclass, field

from . import sshsig
from .archive import END, FRAME, RECORD, Archive, cut, member, octal_size, whole_size
from .encoders import is_feature
from .errors import BaseMismatch, IntegrityError, TrustError, Unsupported, require
from .index import LEFT_OUT, MAX_INDEX, STORED, Index, parse_index
from .layer_patch import Source, carry_out
from .manifests import Manifests, blob_path, signature_members

MAX_SIGNATURES = 16


@dataclass
class Bundle:
    """What a bundle gives. `blobs` has those of the release; `unsupported` says why blobs are missing, if they are."""

    index: Index
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    patches: dict[bytes, bytes] = field(default_factory=dict)
    unsupported: str = ""


def read(data: bytes, base: dict[bytes, bytes] | None, signers: str | None = None, now: float | None = None) -> Bundle:
    """Read a bundle; `base` has what the target has. Without one, steps are carried out as far as they can be.

    One of the allowed signers must have signed it, if they are given; `now` is seconds since 1970, if not the clock's.
    """
    now = time.time() if now is None else now
    archive = Archive(data)
    index_bytes = archive.index(MAX_INDEX)
    bundle = Bundle(parse_index(index_bytes))
    index = bundle.index
    signatures = _signatures(archive)
    if signers is not None:
        sshsig.require_signer(index_bytes, signatures, signers)
    require(not 0 < index.expires <= now, "a release that has expired", TrustError)
    if base is not None:
        _require_base(index, base)
        bundle.blobs = {blob.digest: base[blob.digest] for blob in index.blobs if blob.disposition == LEFT_OUT}
    _read_contents(archive, bundle)
    links: list[tuple[str, bytes]] = []
    if all(blob.digest in bundle.blobs for blob in index.blobs if blob.is_manifest):
        manifests = Manifests(index, bundle.blobs)
        if not index.bases and all(blob.disposition == STORED for blob in index.blobs):
            links = manifests.links()
    found = archive.section([*(member(path, len(content)) for path, content in links), END])
    right = all(content == one for content, one in zip(found, [*dict(links).values(), b""], strict=True))
    require(right, "links that do not follow from the manifests")
    require(archive.content_size() < 0, "a frame behind the end of the archive")
    _carry_out(bundle, base or {})
    return bundle


def _signatures(archive: Archive) -> list[bytes]:
    size = archive.content_size()
    if not RECORD <= size <= FRAME or not archive.peek(size).startswith(b".airpatch/index.1.sig\0"):
        return []
    content = archive.frame(size)
    signatures: list[bytes] = []
    while content:
        require(len(signatures) < MAX_SIGNATURES, "too many signatures")
        one = member(f".airpatch/index.{len(signatures) + 1}.sig", octal_size(content))
        signatures += cut(content, [one])
        sshsig.parse(signatures[-1])
        content = content[whole_size(one) :]
    return signatures


def _require_base(index: Index, base: dict[bytes, bytes]) -> None:
    own = {blob.digest for blob in index.blobs}
    needed = {blob.digest: blob.size for blob in index.blobs if blob.disposition == LEFT_OUT}
    needed |= {digest: size for digest, (size, _) in index.sources.items() if digest not in own}
    lacking = [digest.hex() for digest, size in needed.items() if digest not in base or len(base[digest]) != size]
    require(not lacking, f"the target lacks {', '.join(lacking)}", BaseMismatch)


def _read_contents(archive: Archive, bundle: Bundle) -> None:
    """Read the sections of data and of manifests: members by path, digest and size."""
    index = bundle.index
    stored = [blob for blob in index.blobs if blob.disposition == STORED]
    data = [(path, digest, size) for path, (digest, size) in signature_members(index.images).items()]
    data += [(blob_path(blob), blob.digest, blob.size) for blob in stored if not blob.is_manifest]
    data += [(f".airpatch/patches/{number}", step.patch, step.patch_size) for number, step in enumerate(index.steps, 1)]
    manifests = [(blob_path(blob), blob.digest, blob.size) for blob in stored if blob.is_manifest]
    kept = {blob.digest for blob in stored}
    for section in (data, manifests):
        contents = archive.section([member(path, size) for path, _, size in section])
        for (path, digest, _), content in zip(section, contents, strict=True):
            require(hashlib.sha256(content).digest() == digest, f"{path} has another digest", IntegrityError)
            (bundle.blobs if digest in kept else bundle.patches)[digest] = content


def _carry_out(bundle: Bundle, base: dict[bytes, bytes]) -> None:
    """Make the blobs that steps make, as far as their sources are there and this reader knows how."""
    index, there = bundle.index, base | bundle.blobs
    unknown = [feature for feature in index.features if not is_feature(feature)]
    if unknown:
        bundle.unsupported = unknown[0]
        return
    have = {one: Source(there[one], size) for one, (_, size) in index.sources.items() if one in there}
    own = {blob.digest for blob in index.blobs}
    for step in index.steps:
        if not all(source in have for source in step.sources):
            bundle.unsupported = bundle.unsupported or "sources that are not there"
            continue
        patch = (bundle.patches if step.patch in bundle.patches else bundle.blobs)[step.patch]
        try:
            have[step.digest] = carry_out(patch, step, [have[one] for one in step.sources])
        except Unsupported as error:
            bundle.unsupported = bundle.unsupported or str(error)
            continue
        if step.digest in own:
            bundle.blobs[step.digest] = have[step.digest].packed
