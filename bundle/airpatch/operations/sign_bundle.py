"""Signatures for an existing bundle."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.opening import Opening
from airpatch.archive.signed import replace_signatures
from airpatch.blobs.output import destination
from airpatch.errors import FormatError, TrustError, UsageError
from airpatch.format.index import Index
from airpatch.operations.arguments import Paths, StrPath, check_apart, names
from airpatch.operations.trusted_files import read_limited
from airpatch.signing import MAX_SIGNATURE, NAMESPACE, sshsig
from airpatch.signing.bundle_signatures import check_signature, key_of
from airpatch.signing.certificates import is_certificate
from airpatch.signing.certificates import parse as parse_certificate
from airpatch.signing.public_keys import PublicKey
from airpatch.signing.signer import make_signature


@dataclass(frozen=True, slots=True)
class SignedBundle:
    """The bundle `name` with its signatures: the fingerprints of the keys that made them, in their order.

    `exported` names the file with the message to be signed elsewhere, if requested.
    """

    name: str
    index: Index
    fingerprints: tuple[str, ...]
    exported: str | None = None


def sign(
    bundle: StrPath, *, key: StrPath | None = None, signatures: Paths = (), export: StrPath | None = None
) -> SignedBundle:
    """Add signatures to `bundle` in namespace `airpatch` (spec/FORMAT.md, Signatures); each replaces an earlier one by
    its key.

    `key` is a private Ed25519 key of OpenSSH, or a public key or certificate of any kind that an agent holds
    ($SSH_AUTH_SOCK). `signatures` are files that `ssh-keygen -Y sign -n airpatch` made elsewhere, with keys that never
    leave a token; the message to sign is what a call with only `export` writes to that file. The bundle is
    replaced in one step.

    Raises UsageError, TrustError if a signature does not fit the bundle or the agent refuses, FormatError, TargetError.
    """
    name = os.fspath(bundle)
    if export is not None:
        check_apart(export, bundle)
    with closing(BundleFile(name)) as opened:
        opening, index = opened.opening, opened.index
    if export is not None:
        if key is not None or names(signatures):
            raise UsageError("the message is either exported or signed: with --export, give no key and no signatures")
        return _exported(name, opening, os.fspath(export))
    made = [_imported(file, opening.content) for file in names(signatures)]
    if key is not None:
        made.append(make_signature(opening.content, key, NAMESPACE))
    if not made:
        raise UsageError("nothing to sign with: give a key, or signatures made elsewhere")
    keys = {sshsig.parse(text).public_key for text in made}
    kept = [text for text in opening.signatures if sshsig.parse(text).public_key not in keys]
    replace_signatures(name, [*kept, *made])
    return SignedBundle(name, index, tuple(map(_fingerprint, [*kept, *made])))


def _exported(name: str, opening: Opening, output: str) -> SignedBundle:
    with destination(output) as sink:
        sink.write([opening.content])
    return SignedBundle(name, opening.index, tuple(map(_fingerprint, opening.signatures)), output)


def _imported(file: str, message: bytes) -> bytes:
    """Return the signature in `file`, which must be one of `message`; carriage returns added on the way are removed."""
    text = read_limited(file, 2 * MAX_SIGNATURE).replace(b"\r\n", b"\n")
    try:
        signature = check_signature(text)
        _key(signature.public_key).verify(signature.blob, signature.signed_data(message))
    except (FormatError, TrustError) as error:
        raise type(error)(f"{file}: {error.message}") from None
    return text


def _key(blob: bytes) -> PublicKey:
    return parse_certificate(blob).key if is_certificate(blob) else PublicKey(blob)


def _fingerprint(text: bytes) -> str:
    key = key_of(text)
    return "a key of a kind that is not accepted" if key is None else key.fingerprint
