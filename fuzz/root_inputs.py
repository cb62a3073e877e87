"""Inputs of the target `roots` (fuzz/targets.py): files at paths that airpatch looks at, each up to a `NEXT`.

Of each file there are a byte that chooses its path, a number of a file after which it is named, and its content, in
which marks stand for digests of files: names and references stay right when contents change.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import msgpack

import airpatch
from airpatch.errors import AirpatchError
from airpatch.format.receipts import parse_receipt
from airpatch.model.digest import Digest
from airpatch.signing.trusted import TrustedSigners
from airpatch.target.history import emit_event
from airpatch.target.root_trust import emit_trust
from fixtures.json_cases import json_cases
from fixtures.vector_kit import seal, squeeze, tiny
from fuzz import signature_seeds
from fuzz.layout_seeds import foreign, layouts
from fuzz.seeds import LONGEST, NEXT, varied, vectors
from fuzz.signature_seeds import EVENT, chained, signers

DIGEST, RAW_DIGEST = b"\xff\xfd", b"\xff\xfc"
"""What the number of a file follows whose digest stands there, in hexadecimal or not."""
LINK = 0x80
"""In the byte of a path: a symbolic link to what the content names lies there."""
_BLOBS, _REPOSITORIES = "docker/registry/v2/blobs/sha256", "docker/registry/v2/repositories"
_WEB, _OTHER = f"{_REPOSITORIES}/shop/web", f"{_REPOSITORIES}/x"
PATHS = (
    f"{_BLOBS}/{{start}}/{{digest}}/data",
    f"{_WEB}/_layers/sha256/{{digest}}/link",
    f"{_WEB}/_manifests/revisions/sha256/{{digest}}/link",
    f"{_WEB}/_manifests/tags/r1/current/link",
    f"{_WEB}/_manifests/tags/r1/index/sha256/{{digest}}/link",
    ".airpatch/history",
    ".airpatch/journal",
    ".airpatch/trust",
    ".airpatch/releases/{digest}",
    "oci-layout",
    "index.json",
    "blobs/sha256/{digest}",
    *(f".airpatch/signatures/shop/web@sha256={{digest}}/signature-{number}" for number in (1, 2)),
    *(".airpatch/kept/{digest}", ".airpatch/lock"),
    *(f"{_WEB}/_manifests/tags/stable/{end}" for end in ("current/link", "index/sha256/{digest}/link")),
    *(f"{_OTHER}/{kind}/sha256/{{digest}}/link" for kind in ("_layers", "_manifests/revisions")),
    *(f"{_OTHER}/_manifests/tags/r1/{end}" for end in ("current/link", "index/sha256/{digest}/link")),
    # What does not belong there, or into another folder:
    *(f"{_BLOBS}/{name}" for name in ("{start}", "{start}/{digest}", "{start}/x", "00/{digest}/data", "x/data")),
    *(f"{_BLOBS}/{{start}}/{{digest}}/{name}" for name in ("x", "data/x")),
    *(f"{_REPOSITORIES}/{name}" for name in ("x", "shop/x", "Bad/_layers/sha256/{digest}/link")),
    *(f"{_WEB}/{name}" for name in ("x", "_layers", "_layers/sha256/x/link", "_layers/sha256/{digest}/x")),
    *(f"{_WEB}/_manifests/{name}" for name in ("x", "tags", "revisions/sha256/x/link", "revisions/sha256/{digest}/x")),
    *(f"{_WEB}/_manifests/tags/{name}" for name in ("x", ".x/current/link", "r1/x", "r1/current", "r1/current/link/x")),
    *(f".airpatch/{name}" for name in ("x", "releases", "releases/x", "history/x", "journal/x", "trust/x", "kept")),
    *("oci-layout/x", "index.json/x", "blobs/sha256/x", "blobs/x", "manifest.json", ".airpatch", "docker"),
)
_HISTORY, _RELEASE, _LOCK = map(PATHS.index, (".airpatch/history", ".airpatch/releases/{digest}", ".airpatch/lock"))


def files(data: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """The paths and contents of files that an input stands for, and whether they are links."""
    digests: list[bytes] = []

    def filled(text: bytes, mark: bytes, form: Callable[[bytes], bytes]) -> bytes:
        start, *others = text.split(mark)
        return start + b"".join(form(_pick(digests, each)) + each[1:] for each in others)

    for part in data.split(NEXT):
        kind, number, text = part[0] if part else 0, part[1:2], part[2:]
        content = filled(filled(text, DIGEST, lambda raw: raw.hex().encode()), RAW_DIGEST, bytes)
        path = kind % LINK % len(PATHS)
        if path == _HISTORY:
            content = chained(content)
        digests.append(_name(path, content))
        digest = _pick(digests, number).hex()
        yield PATHS[path].format(start=digest[:2], digest=digest), content, kind >= LINK


def write(folder: str, path: str, content: bytes, is_link: bool, made: list[str]) -> None:
    """Write a file below `folder`, unless there is one in its way; add to `made` what was made, of folders with a
    slash.
    """
    at = len(folder) + 1
    whole = f"{folder}/{path}"
    with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
        while (at := whole.find("/", at) + 1) > 0:
            if whole[:at] not in made:
                os.mkdir(whole[:at])  # noqa: PTH102 - a Path would take as long again
                made.append(whole[:at])
        if is_link:
            os.symlink(re.sub(rb"[^a-z./]", b"", content)[:64] or b".", whole.encode())  # noqa: PTH211 - likewise
            made.append(whole)
        else:
            with open(whole, "xb", buffering=0) as file:  # noqa: PTH123 - likewise
                made.append(whole)
                file.write(content)


def inputs() -> Iterator[bytes]:
    """Roots and OCI layouts that vectors become, and small ones, some with one change."""
    small = list(_made_of(seal(map(squeeze, tiny().contents()))))
    signed, many = (
        next(chain.from_iterable(map(_made_of, vectors(f"good-{name}")))) for name in ("signatures", "index")
    )
    others = (found for vector in vectors("good-[!l]*") for found in list(_made_of(vector))[:: len(small) - 1])
    yield from (root for root in map(as_root, others) if len(root) <= LONGEST)
    for found in (*small, signed, many):
        root = as_root(found)
        yield root
        yield from _without(root, in_pairs=found in (small[0], signed))
    for found in (small[0], small[-1], many):
        yield from map(as_root, _changed(found))
    yield from map(as_root, layouts())
    without_one = as_root(next(_made_of(foreign().bundle())))
    yield without_one
    yield from _without(without_one, in_pairs=True)
    events = (content for kind, content in signature_seeds.seeds() if kind in ("history", "chained"))
    yield from (bytes([_HISTORY, 0]) + content for content in events)
    link = b"sha256:" + DIGEST
    nothing = {f"blobs/sha256/{Digest.of(b'').hex}": b"", "index.json": b'{"manifests":[]}', "oci-layout": b"{}"}
    yield as_root(nothing)
    history = b'{"airpatch":1,"previous":null}\n'
    yield NEXT.join([b"\0\0{}", b"\1\0" + link + b"\0", b"\5\0" + history, b"\6\0\x83", b"\7\0\x80"])
    for path in range(len(PATHS)):
        for kind in (path, path | LINK):
            yield bytes([kind, 0])
            for root in map(as_root, (small[0], small[-1])):
                yield root + NEXT + bytes([kind, 0]) + link + b"\0"
                yield bytes([kind, 0]) + NEXT + root


def _made_of(bundle: bytes) -> Iterator[dict[str, bytes]]:
    """Yield the files of a root to which the bundle was applied, with and without trust, and of an OCI layout."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.suppress(AirpatchError):
        path, root, layout = (Path(scratch) / name for name in ("bundle", "root", "layout"))
        path.write_bytes(bundle)
        airpatch.apply(path, root)
        found = _files_in(root)
        yield found
        yield found | {".airpatch/trust": emit_trust(TrustedSigners(signers()))}
        yield found | {".airpatch/history": found[".airpatch/history"] + emit_event(EVENT, None) + b"{"}
        airpatch.restore(path, layout, form="oci")
        yield _files_in(layout)


def _files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _without(root: bytes, *, in_pairs: bool) -> Iterator[bytes]:
    """Yield a root without some of its files, with a link in the place of one, or with another content."""
    parts = root.split(NEXT)
    gone = [bytes([_LOCK]) + part[1:] for part in parts]  # is not looked at, but may be named
    for at, part in enumerate(parts):
        for other in (gone[at], part[:2], part + b" ", bytes([part[0] | LINK]) + part[1:2] + b"oci-layout"):
            yield NEXT.join([*parts[:at], other, *parts[at + 1 :]])
        yield NEXT.join([*parts[:at], *gone[at:]])
        yield NEXT.join([*gone[:at], *parts[at:]])
        for second in range(at + 1, len(parts) if in_pairs else 0):
            yield NEXT.join([*parts[:at], gone[at], *parts[at + 1 : second], gone[second], *parts[second + 1 :]])


def _changed(found: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Yield the files with another value in one of their documents, or with another manifest."""
    for path, content in found.items():
        with contextlib.suppress(ValueError):
            if content.startswith(b"{"):
                for value in varied(json.loads(content)):
                    yield _replaced(found, path, json.dumps(value, default=bytes.hex).encode())
                if b'"layers"' in content:
                    yield from (_replaced(found, path, case.content) for case in json_cases())
            elif path.startswith((".airpatch/releases", ".airpatch/trust")):
                others = varied(msgpack.unpackb(content, strict_map_key=False))
                yield from (found | {path: msgpack.packb(each)} for each in others)


def _replaced(found: dict[str, bytes], path: str, content: bytes) -> dict[str, bytes]:
    """Return the files with another content of one, after which all are named that were named after the old one."""
    old, new = Digest.of(found[path]), Digest.of(content)
    sizes = (b'"size":%d' % len(each) for each in (found[path], content))
    pairs = ((old.hex.encode(), new.hex.encode()), (old.raw, new.raw), tuple(sizes))

    def renamed(path: str) -> str:
        return path.replace(f"/{old.hex[:2]}/{old.hex}", f"/{new.hex[:2]}/{new.hex}").replace(old.hex, new.hex)

    def named(text: bytes) -> bytes:
        for before, after in pairs:
            text = text.replace(before, after)
        return text

    others = {renamed(other): named(text) for other, text in found.items() if other != path}
    return others | {renamed(path): content}


def as_root(found: dict[str, bytes]) -> bytes:
    """The input that becomes these files, of those that it can make."""
    left: list[tuple[int, str, bytes]] = []
    for path, content in found.items():
        for kind, pattern in enumerate(PATHS):
            parts = re.escape(pattern).replace(r"\{start\}", "..").replace(r"\{digest\}", "(?P<digest>[0-9a-f]{64})")
            if matched := re.fullmatch(parts, path):
                left.append((kind, matched.groupdict().get("digest", ""), content))
                break
    out: list[bytes] = []
    numbers: dict[str, int] = {}
    while left:  # what names no other file comes first
        names = {_name(kind, content).hex() for kind, _, content in left}

        def depends(each: tuple[int, str, bytes], names: set[str] = names) -> bool:
            own = _name(each[0], each[2]).hex()
            held = (name for name in names if name.encode() in each[2] or bytes.fromhex(name) in each[2])
            return any(name != own for name in held) or (each[1] != own and each[1] in names)

        kind, digest, content = next((each for each in left if not depends(each)), left[0])
        left.remove((kind, digest, content))
        own = _name(kind, content).hex()
        number = len(out) & 0xFF
        numbers.setdefault(own, number)
        for name, other in numbers.items():
            if name != own:
                content = content.replace(name.encode(), DIGEST + bytes([other]))
                content = content.replace(bytes.fromhex(name), RAW_DIGEST + bytes([other]))
        out.append(bytes([kind, numbers.get(digest, number)]) + content)
    return NEXT.join(out)


def _name(path: int, content: bytes) -> bytes:
    """Return what a file is named after, if it is by its content: a digest of that, or of the release in it."""
    if path == _RELEASE:
        with contextlib.suppress(AirpatchError):
            return parse_receipt(content).id.raw
    return hashlib.sha256(content).digest()


def _pick(digests: list[bytes], number: bytes) -> bytes:
    return digests[number[0]] if number and number[0] < len(digests) else bytes(32)
