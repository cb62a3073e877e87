"""Whom TLS trusts, what this client presents, and what is wrong with a certificate."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from airpatch.errors import UsageError
from airpatch.linux import is_folder
from airpatch.registry_api.access import RegistryAccess
from airpatch.registry_api.address import RegistryPlace

_CERTIFICATES = ("/etc/containers/certs.d", "/etc/docker/certs.d")


def tls_context(place: RegistryPlace, access: RegistryAccess) -> ssl.SSLContext:
    """Return who is trusted, and what this client presents: options, and the folders that docker and podman read for a
    host.

    These have `*.crt` of authorities, and `*.cert` with `*.key` for the client (containers-certs.d(5)).
    """
    context = ssl.create_default_context()
    home = Path(os.environ.get("HOME") or "/")  # a user may have no name, and so no home
    folders = [Path(base) / place.host for base in (home / ".config/containers/certs.d", *_CERTIFICATES)]
    folder = next((path for path in folders if is_folder(path)), None)
    authorities = [access.ca] if access.ca is not None else sorted(folder.glob("*.crt")) if folder is not None else []
    clients = [(access.certificate, access.key)] if access.certificate is not None else []
    if not clients and folder is not None:
        clients = [(path, path.with_suffix(".key")) for path in sorted(folder.glob("*.cert"))]
    for authority in authorities:
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise UsageError(f"{authority}: holds no readable PEM certificates: {_why(error)}") from None
    for certificate, key in clients[:1]:
        present(context, certificate, key)
    return context


def present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Have `context` present the certificate, whose key may be in the same file. Raises UsageError."""
    is_encrypted = False

    def passphrase() -> str:  # else OpenSSL would ask on a terminal
        nonlocal is_encrypted
        is_encrypted = True
        return ""

    try:
        context.load_cert_chain(certificate, key, passphrase)
    except OSError as error:
        why = "the key has a passphrase, for which nobody can be asked" if is_encrypted else _why(error)
        raise UsageError(f"{certificate}: is not a usable certificate with its key: {why}") from None


def certificate_error(error: BaseException) -> str | None:
    """Return what is wrong with a certificate, if that is why a request failed: no second attempt helps then."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message or "it cannot be verified"
        inner = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        seen = inner or seen.__cause__ or seen.__context__
    return None


def _why(error: OSError) -> str:
    """Return what the system or OpenSSL says of a file."""
    if isinstance(error, ssl.SSLError):
        return error.reason.replace("_", " ").lower() if error.reason else "one of them is not there in PEM form"
    return error.strerror or type(error).__name__
