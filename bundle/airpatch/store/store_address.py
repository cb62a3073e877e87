"""What users write for a store and a release in it: a folder or a URL, and behind `#` the release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airpatch.errors import UsageError
from airpatch.format.registry import STORAGE
from airpatch.linux import is_file, is_folder

MARKER = "airpatch-store.json"
"""The object that makes a place a store."""
MARKER_CONTENT = b'{"format": "airpatch.store/1"}\n'
PREFIX = "store"
_SCHEMES = ("file", "s3")


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store in the folder `path`, or at the URL `url` in object storage; `release` says which of its releases.

    `spec` is what the user wrote, for messages.
    """

    spec: str
    path: Path | None = None
    url: str = ""
    release: str | None = None


def parse_store_address(spec: str) -> StoreAddress:
    """Return the address that `spec` is: `[store:]FOLDER[#RELEASE]`, `file:///FOLDER[#RELEASE]`,
    `s3://BUCKET[/PREFIX][#RELEASE]`.

    Raises UsageError for a URL of another kind.
    """
    place, release = _split(spec.removeprefix(f"{PREFIX}:"))
    scheme, has_scheme, _ = place.partition("://")
    if not has_scheme:
        return StoreAddress(spec, Path(place), release=release)
    try:
        url = urlsplit(place)
    except ValueError as error:
        raise UsageError(f"{spec}: is no URL: {error}") from None
    if scheme not in _SCHEMES:
        raise UsageError(f"{spec}: is no place of a store; write a folder, file:///FOLDER or s3://BUCKET/PREFIX")
    if url.query or "@" in url.netloc:
        raise UsageError(f"{spec}: a store's URL has neither options nor credentials; set those in the environment")
    if scheme == "file":
        if url.netloc not in ("", "localhost") or not url.path:
            raise UsageError(f"{spec}: names another host; write file:///FOLDER")
        return StoreAddress(spec, Path(unquote(url.path)), release=release)
    if not url.netloc:
        raise UsageError(f"{spec}: names no bucket; write s3://BUCKET/PREFIX")
    return StoreAddress(spec, url=place.rstrip("/"), release=release)


def parse_whole_store(spec: str) -> StoreAddress:
    """As `parse_store_address`, where all of a store is meant. Raises UsageError, too, if `spec` names a release."""
    address = parse_store_address(spec)
    if address.release is not None:
        raise UsageError(
            f"{spec}: names the release {address.release!r:.100} behind #, where a whole store is meant; "
            "leave that out, or, if the folder is to have such a name, make it first"
        )
    return address


def is_store_address(spec: str) -> bool:
    """Return whether `spec` means a store: by its form, or since there is one in the folder that it names, or a root of
    which it names a release.
    """
    if spec.startswith((f"{PREFIX}:", *(f"{scheme}://" for scheme in _SCHEMES))):
        return True
    if "://" in spec or not spec:
        return False
    place, release = _split(spec)
    return is_store_folder(Path(place)) or (release is not None and is_root(StoreAddress(spec, Path(place))))


def is_store_folder(path: Path) -> bool:
    """Return whether the folder `path` is a store."""
    return is_file(path / MARKER)


def is_root(address: StoreAddress) -> bool:
    """Return whether `address` is that of a registry's root, which is no store of its own."""
    return address.path is not None and not is_store_folder(address.path) and is_folder(address.path / STORAGE)


def _split(place: str) -> tuple[str, str | None]:
    """Return the place and the release behind the last `#`; a folder may have such a character in its name."""
    before, mark, release = place.rpartition("#")
    if not mark or ("://" not in place and Path(place).exists()):
        return place, None
    if not release:
        raise UsageError(f"{place}: names no release behind #")
    return before, release
