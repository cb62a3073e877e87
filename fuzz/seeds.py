"""What the targets (fuzz/targets.py) begin with: the vectors and other files of fixtures/, taken apart."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LONGEST = 1 << 16
"""Bytes of an input."""
MOST = 1 << 26
"""Bytes of a vector's content that are looked at: some are bombs."""
DIGEST, RAW_DIGEST, NEXT = b"\xff\xfd", b"\xff\xfc", b"\xff\xfe"
"""In the inputs of `roots`: what is followed by the number of a file whose digest stands there, and a file's end."""
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 63,
    (1 << 64) - 1,
    0.5,
    "",
    "\u2603",
    "\u202e",
    b"",
    bytes(32),
    [],
    [[]],
    {},
    {"": 0},
)
"""What stands where it does not belong."""
REPOSITORY, TAG = "shop/web", "r1"


class Choice(Generic[_T]):
    """What inputs choose from by the first bytes of its digest, so that they still do so when there is more."""

    KEY = 2
    """Bytes."""

    def __init__(self, things: Iterable[_T]) -> None:
        self._things = {self.key(thing): thing for thing in things}
        self._keys = sorted(self._things)

    @classmethod
    def key(cls, thing: _T) -> bytes:
        return hashlib.sha256(repr(thing).encode()).digest()[: cls.KEY]

    def by(self, key: bytes) -> _T:
        """Return the thing with that key, or with the next one."""
        return self._things[self._keys[bisect_left(self._keys, key) % len(self._keys)]]


def vectors(pattern: str = "*") -> Iterator[bytes]:
    for path in sorted((FIXTURES / "vectors").glob(f"{pattern}.vector")):
        if path.stat().st_size < 1 << 18:
            yield path.read_bytes().partition(b"\n\n")[2]


def members(name: str, pattern: str = "*") -> Iterator[bytes]:
    """The contents of members of vectors whose path begins with `name`, as far as their headers make sense."""
    import zstandard

    for vector in vectors(pattern):
        with contextlib.suppress(zstandard.ZstdError, ValueError):
            reader = zstandard.ZstdDecompressor().stream_reader(vector, read_across_frames=True)
            content = reader.read(MOST)
            for at in range(0, len(content) - 512, 512):
                if content[at : at + len(name)] == name.encode() and content[at + 257 : at + 262] == b"ustar":
                    size = int(content[at + 124 : at + 135] or b"0", 8)
                    yield content[at + 512 : at + 512 + size]


def indexes() -> Iterator[bytes]:
    """The indexes of vectors, and good ones of which a value is another, or is there twice or not at all."""
    import msgpack

    yield from members(".airpatch/index")
    for pattern in ("good-patch", "good-expires", "layer-plain"):
        for index in members(".airpatch/index", pattern):
            yield from map(msgpack.packb, _varied(msgpack.unpackb(index, strict_map_key=False)))


def _varied(value: Any) -> Iterator[Any]:
    """Yield what becomes of a document by one change; of the rows of a list, the first two are changed."""
    yield from _VALUES
    if isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str | bytes) and value:
        yield from (value[1:], value[:-1], value * 2, value * 300)
    elif isinstance(value, dict):
        for key in value:
            yield from (value | {key: each} for each in _varied(value[key]))
            yield {other: value[other] for other in value if other != key}
        yield value | {"other": 1}
    elif isinstance(value, list) and value:
        for at in range(min(len(value), 2) if isinstance(value[0], list) else len(value)):
            yield from ([*value[:at], each, *value[at + 1 :]] for each in _varied(value[at]))
        yield from (value[1:], value[:1] + value, value[::-1])


ROOT_PATHS = (
    "docker/registry/v2/blobs/sha256/{start}/{digest}/data",
    f"docker/registry/v2/repositories/{REPOSITORY}/_layers/sha256/{{digest}}/link",
    f"docker/registry/v2/repositories/{REPOSITORY}/_manifests/revisions/sha256/{{digest}}/link",
    f"docker/registry/v2/repositories/{REPOSITORY}/_manifests/tags/{TAG}/current/link",
    f"docker/registry/v2/repositories/{REPOSITORY}/_manifests/tags/{TAG}/index/sha256/{{digest}}/link",
    ".airpatch/history",
    ".airpatch/journal",
    ".airpatch/trust",
    ".airpatch/releases/{digest}",
    "oci-layout",
    "index.json",
    "blobs/sha256/{digest}",
)
"""What airpatch looks at in a registry's storage and in an OCI layout."""


def roots() -> Iterator[bytes]:
    """A root to which a bundle was applied, an OCI layout with its image, and small ones."""
    import airpatch
    from airpatch.model.digest import Digest
    from fixtures.vector_kit import seal, squeeze, tiny

    with tempfile.TemporaryDirectory() as scratch:
        bundle, root, layout = (Path(scratch) / name for name in ("bundle", "root", "layout"))
        bundle.write_bytes(seal(map(squeeze, tiny().contents())))
        airpatch.apply(bundle, root)
        airpatch.restore(bundle, layout, form="oci")
        for folder in (root, layout):
            yield as_root(
                {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            )
    link = b"sha256:" + DIGEST
    yield as_root({f"blobs/sha256/{Digest.of(b'').hex}": b"", "index.json": b'{"manifests":[]}', "oci-layout": b"{}"})
    yield NEXT.join(
        [b"\0\0{}", b"\1\0" + link + b"\0", b"\5\0" + b'{"airpatch":1,"previous":null}\n', b"\6\0\x83", b"\7\0\x80"]
    )


def as_root(files: dict[str, bytes]) -> bytes:
    """The input of the target `roots` that becomes these files, of those that it can make."""
    from airpatch.model.digest import Digest

    left: list[tuple[int, str, bytes]] = []
    for path, content in files.items():
        for kind, pattern in enumerate(ROOT_PATHS):
            parts = re.escape(pattern).replace(r"\{start\}", "..").replace(r"\{digest\}", "(?P<digest>[0-9a-f]{64})")
            if found := re.fullmatch(parts, path):
                left.append((kind, found.groupdict().get("digest", ""), content))
    out: list[bytes] = []
    numbers: dict[str, int] = {}
    while left:  # what names no other file comes first
        names = {Digest.of(content).hex for _, _, content in left}

        def depends(each: tuple[int, str, bytes], names: set[str] = names) -> bool:
            own = Digest.of(each[2]).hex
            held = (name for name in names if name.encode() in each[2] or bytes.fromhex(name) in each[2])
            return any(name != own for name in held) or (each[1] != own and each[1] in names)

        kind, digest, content = next((each for each in left if not depends(each)), left[0])
        left.remove((kind, digest, content))
        number = len(out)
        own = Digest.of(content).hex
        numbers.setdefault(own, number)
        for name, other in numbers.items():
            if name != own:
                content = content.replace(name.encode(), DIGEST + bytes([other]))
                content = content.replace(bytes.fromhex(name), RAW_DIGEST + bytes([other]))
        out.append(bytes([kind, numbers.get(digest, number)]) + content)
    return NEXT.join(out)
