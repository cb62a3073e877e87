"""A bundle from its first byte to its last: what is refused, and the blobs that it gives (FORMAT.md, Reading)."""

import hashlib
import time
from dataclasses import dataclass, field

from . import sshsig
from .archive import FRAME, RECORD, Archive, header_of
from .encoders import is_feature
from .errors import BaseMismatch, IntegrityError, TrustError, Unsupported, require
from .index import MAX_INDEX, PATCHED, STORED, Index, parse_index
from .layer_patch import Blob, carry_out
from .manifests import Manifests, blob_path, signature_members

MAX_SIGNATURES = 16


@dataclass
class Bundle:
    """What a bundle gives. `blobs` has those of the release; `unsupported` says why blobs are missing, if they are."""

    index: Index
    index_bytes: bytes
    signatures: list[bytes]
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    patches: dict[bytes, bytes] = field(default_factory=dict)
    unsupported: str = ""


def read(data: bytes, base: dict[bytes, bytes] | None, allowed_signers: str | None = None) -> Bundle:
    """Read a bundle; `base` has what the target has. Without one, steps are carried out as far as they can be.

    Raises:
        FormatError: it breaks a rule.
        IntegrityError: content does not have its digest.
        BaseMismatch: the target lacks what the bundle needs.
        TrustError: the release has expired, or nobody of those who are allowed signed it.
    """
    archive = Archive(data)
    index_bytes = archive.index(MAX_INDEX)
    index = parse_index(index_bytes)
    bundle = Bundle(index, index_bytes, _signatures(archive))
    if allowed_signers is not None:
        require_signed(bundle, allowed_signers)
    if 0 < index.expires <= time.time():
        raise TrustError("a release that has expired")
    for blob in index.blobs:
        if base and blob.digest in base and len(base[blob.digest]) == blob.size:
            bundle.blobs[blob.digest] = base[blob.digest]
    if base is not None:
        _require_base(index, base)
    _contents(archive, bundle)
    manifests = {blob.digest for blob in index.blobs if blob.is_manifest}
    links = []
    if manifests <= set(bundle.blobs):
        given = Manifests(index, bundle.blobs)
        links = given.links() if index.has_links else []
    archive.links(links)
    _carry_out(bundle, base or {})
    return bundle


def require_signed(bundle: Bundle, allowed_signers: str) -> None:
    """Refuse a bundle that none of these signed (TrustError)."""
    for armored in bundle.signatures:
        try:
            sshsig.signer(bundle.index_bytes, armored, allowed_signers)
            return
        except TrustError:
            continue
    raise TrustError("a bundle that nobody of those who are allowed signed")


def _signatures(archive: Archive) -> list[bytes]:
    size = archive.content_size()
    if size is None or not RECORD <= size <= FRAME or not archive.peek(size).startswith(b".airpatch/index.1.sig\0"):
        return []
    content = archive.frame(size)
    signatures: list[bytes] = []
    while content:
        require(len(signatures) < MAX_SIGNATURES, "more than 16 signatures")
        digits = content[124:135]
        require(digits.isdigit() and max(digits) <= ord("7"), "a signature without a size")
        length = int(digits, 8)
        header = header_of(f".airpatch/index.{len(signatures) + 1}.sig", length)
        end = RECORD + length
        whole = end + -length % RECORD
        require(content.startswith(header) and whole <= len(content), "a signature with another header, or cut short")
        require(not any(content[end:whole]), "padding that is not zero")
        sshsig.parse(content[RECORD:end])
        signatures.append(content[RECORD:end])
        content = content[whole:]
    return signatures


def _require_base(index: Index, base: dict[bytes, bytes]) -> None:
    own = {blob.digest: blob.disposition for blob in index.blobs}
    needed = {blob.digest: blob.size for blob in index.blobs if blob.disposition not in (STORED, PATCHED)}
    needed |= {digest: size for digest, (size, _) in index.sources.items() if digest not in own}
    lacking = [digest.hex() for digest, size in needed.items() if digest not in base or len(base[digest]) != size]
    if lacking:
        raise BaseMismatch(f"the target lacks {', '.join(lacking)}")


def _contents(archive: Archive, bundle: Bundle) -> None:
    """Read the sections of data and of manifests."""
    index = bundle.index
    signatures = signature_members(index.images)
    members = [(path, size) for path, (_, size) in signatures.items()]
    digests = [digest for digest, _ in signatures.values()]
    stored = [blob for blob in index.blobs if blob.disposition == STORED]
    layers, manifests = [[blob for blob in stored if blob.is_manifest is kind] for kind in (False, True)]
    members += [(blob_path(blob), blob.size) for blob in layers]
    members += [(f".airpatch/patches/{number}", step.patch_size) for number, step in enumerate(index.steps, 1)]
    digests += [blob.digest for blob in layers] + [step.patch for step in index.steps]
    kept = {blob.digest for blob in stored}
    later = [(blob_path(blob), blob.size) for blob in manifests]
    for section, named in ((members, digests), (later, [blob.digest for blob in manifests])):
        for digest, content in zip(named, archive.members(section), strict=True):
            if hashlib.sha256(content).digest() != digest:
                raise IntegrityError(f"content that is not {digest.hex()}")
            (bundle.blobs if digest in kept else bundle.patches)[digest] = content


def _carry_out(bundle: Bundle, base: dict[bytes, bytes]) -> None:
    """Make the blobs that steps make, as far as their sources are there and this reader knows how."""
    index = bundle.index
    unknown = [feature for feature in index.features if not is_feature(feature)]
    if unknown:
        bundle.unsupported = f"feature {unknown[0]}"
        return
    have = {
        digest: Blob(bundle.blobs.get(digest, base.get(digest, b"")), size)
        for digest, (_, size) in index.sources.items()
        if digest in bundle.blobs or digest in base
    }
    own = {blob.digest for blob in index.blobs}
    for step in index.steps:
        if not all(source in have for source in step.sources):
            bundle.unsupported = bundle.unsupported or "sources that are not there"
            continue
        patch = (bundle.patches if step.patch in bundle.patches else bundle.blobs)[step.patch]
        try:
            made = have[step.digest] = carry_out(patch, step, [have[one] for one in step.sources])
        except Unsupported as error:
            bundle.unsupported = bundle.unsupported or str(error)
            continue
        if step.digest in own:
            bundle.blobs[step.digest] = made.packed
