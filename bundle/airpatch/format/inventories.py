"""Small files from a target to the sender: inventories and requests (spec/FORMAT.md, Inventories and requests).

An inventory says which blobs a root has; a request says which blobs of one release it lacks. Either is canonical
msgpack after its own sha256, in zstd frames, so that damage on the way is noticed and the id names the content.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.format import canonical, zstd
from airpatch.format.features import is_feature, is_version
from airpatch.model.digest import SIZE, Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.model.names import check_repository
from airpatch.model.release import DEFAULT_PRODUCT, check_label, check_product

VERSION = 1


@dataclass(frozen=True, slots=True)
class Inventory:
    """The blobs that a root has, with their sizes in bytes.

    `name`, `repositories` and `sequence` are of the current release of `product`; without one they are empty. `version`
    is that of the airpatch there, and `features` are what it can carry out (spec/FORMAT.md, Features), sorted; both are
    empty if something else made the inventory.
    """

    name: str
    repositories: tuple[str, ...]
    blobs: Mapping[Digest, int]
    product: str = DEFAULT_PRODUCT
    sequence: int = 0
    version: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """The blobs, with their sizes in bytes, that a root lacks of the release `release_id`, called `name`."""

    name: str
    release_id: Digest
    blobs: Mapping[Digest, int]
    product: str = DEFAULT_PRODUCT
    sequence: int = 0


def content_id(value: Inventory | Request) -> Digest:
    """Return what names the inventory or request: the sha256 of its encoding."""
    return Digest.of(_body(value))


def emit(value: Inventory | Request) -> bytes:
    """Return the file that holds `value`."""
    body = _body(value)
    content = content_id(value).raw + body
    pieces = (content[start : start + zstd.MAX_WINDOW] for start in range(0, len(content), zstd.MAX_WINDOW))
    return b"".join(zstd.compress(piece) for piece in pieces)


def parse(file: bytes) -> Inventory | Request:
    """Return the inventory or request in the file. Raises FormatError unless it is whole and its body canonical."""
    content = _decompress(file)
    body = content[SIZE:]
    if hashlib.sha256(body).digest() != content[:SIZE]:
        raise FormatError("an inventory or request that is damaged, or something else")
    value = _from_plain(canonical.unpack(body, "the inventory"))
    if _body(value) != body:
        raise FormatError("an inventory or request that is not in its canonical form")
    return value


def _decompress(file: bytes) -> bytes:
    stream = io.BytesIO(file)
    content = bytearray()
    while stream.tell() < len(file):
        if len(content) % zstd.MAX_WINDOW:  # many small frames would take long
            raise FormatError("an inventory with a frame that is not filled before the last")
        content += zstd.decompress(zstd.read_frame(stream.read))
        if len(content) > limits.INVENTORY.value:
            raise FormatError(f"an inventory of more than {limits.INVENTORY} bytes")
    return bytes(content)


def _body(value: Inventory | Request) -> bytes:
    head: dict[str, object] = {
        "airpatch": VERSION,
        "product": value.product,
        "name": value.name,
        "sequence": value.sequence,
    }
    if isinstance(value, Inventory):
        head |= {
            "version": value.version,
            "features": list(value.features),
            "repositories": list(value.repositories),
        }
    else:
        head["lacks"] = value.release_id.raw
    blobs = sorted(value.blobs.items())
    return canonical.pack(
        head | {"digests": b"".join(digest.raw for digest, _ in blobs), "sizes": [size for _, size in blobs]}
    )


def _from_plain(plain: object) -> Inventory | Request:
    if not isinstance(plain, dict) or plain.get("airpatch") != VERSION:
        raise FormatError("neither an inventory nor a request that this airpatch reads")
    match plain:
        case {
            "product": str(product),
            "name": str(name),
            "sequence": int(sequence),
            "digests": bytes(digests),
            "sizes": list(sizes),
            **own,
        } if not isinstance(sequence, bool):
            blobs = _blobs(digests, sizes)
            check_product(product)
            match own:
                case {"version": str(version), "features": list(features), "repositories": list(names)}:
                    check_label(name or "none", sequence)
                    repositories = _repositories(names)
                    return Inventory(
                        name, repositories, blobs, product, sequence, version, _features(features, version)
                    )
                case {"lacks": bytes(release_id)}:
                    check_label(name, sequence)
                    return Request(name, Digest(release_id), blobs, product, sequence)
    raise FormatError("neither an inventory nor a request that this airpatch reads")


def _repositories(names: list[object]) -> tuple[str, ...]:
    repositories = tuple(name for name in names if isinstance(name, str))
    if len(repositories) != len(names) or list(repositories) != sorted(set(repositories)):
        raise FormatError("an inventory whose repositories are not names in order")
    for repository in repositories:
        check_repository(repository)
    return repositories


def _features(names: list[object], version: str) -> tuple[str, ...]:
    features = tuple(name for name in names if isinstance(name, str) and is_feature(name))
    if len(features) != len(names) or list(features) != sorted(set(features)):
        raise FormatError("an inventory whose features are not names in order")
    if not is_version(version) and (version or features):
        raise FormatError("an inventory whose version is invalid")
    return features


def _blobs(digests: bytes, sizes: list[object]) -> dict[Digest, int]:
    if len(digests) != SIZE * len(sizes):
        raise FormatError("an inventory whose digests and sizes do not match")
    blobs = {}
    for i, size in enumerate(sizes):
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_BLOB:
            raise FormatError("an inventory with an invalid size")
        blobs[Digest(digests[SIZE * i : SIZE * (i + 1)])] = size
    return blobs
