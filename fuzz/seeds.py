"""What the targets (fuzz/targets.py) begin with: the vectors and other files of fixtures/, taken apart."""

from __future__ import annotations

import base64
import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
LONGEST = 1 << 16
"""Bytes of an input."""
MOST = 1 << 26
"""Bytes of a vector's content that are looked at: some are bombs."""
DIGEST, RAW_DIGEST, NEXT = b"\xff\xfd", b"\xff\xfc", b"\xff\xfe"
"""In the inputs of `roots`: what is followed by the number of a file whose digest stands there, and a file's end."""
REPOSITORY, TAG = "shop/web", "r1"


def vectors(pattern: str = "*") -> Iterator[bytes]:
    for path in sorted((FIXTURES / "vectors").glob(f"{pattern}.vector")):
        if path.stat().st_size < 1 << 18:
            yield path.read_bytes().partition(b"\n\n")[2]


def members(name: str) -> Iterator[bytes]:
    """The contents of members of vectors whose path begins with `name`, as far as their headers make sense."""
    import zstandard

    for vector in vectors():
        with contextlib.suppress(zstandard.ZstdError, ValueError):
            reader = zstandard.ZstdDecompressor().stream_reader(vector, read_across_frames=True)
            content = reader.read(MOST)
            for at in range(0, len(content) - 512, 512):
                if content[at : at + len(name)] == name.encode() and content[at + 257 : at + 262] == b"ustar":
                    size = int(content[at + 124 : at + 135] or b"0", 8)
                    yield content[at + 512 : at + 512 + size]


@dataclass(frozen=True)
class Surroundings:
    """What a layer patch is carried out in: sizes that its step states, and sources with their uncompressed sizes."""

    size: int
    uncompressed_size: int
    expanded: int
    sources: tuple[tuple[bytes, int], ...]


def layer_patches() -> Iterator[tuple[Surroundings, bytes]]:
    """The layer patches of vectors, and what they are carried out in."""
    from airpatch.errors import AirpatchError
    from airpatch.format import layout, registry
    from tests.support import frame_reader, read_bundle

    for vector in (each for pattern in ("layer-*", "good-layer-*") for each in vectors(pattern)):
        with contextlib.suppress(AirpatchError):
            bundle = read_bundle(frame_reader("file", vector), jobs=1)
            known = {each.digest: each.uncompressed_size for each in bundle.index.sources}
            for number, step in enumerate(bundle.index.steps, 1):
                if set(step.sources) <= set(known) and max(step.size, step.uncompressed_size, step.expanded) <= 1 << 20:
                    sources = tuple((bundle.members[registry.blob_path(each)], known[each]) for each in step.sources)
                    around = Surroundings(step.size, step.uncompressed_size, step.expanded, sources)
                    yield around, bundle.members[f"{layout.PATCHES}/{number}"]


def signed() -> Iterator[tuple[str, bytes]]:
    """Files that have to do with signatures, each with the name of what reads it."""
    from airpatch.model.digest import Digest
    from airpatch.signing.trusted import TrustedSigners
    from airpatch.target.history import Action, Event, Outcome, Subject, emit_event
    from airpatch.target.root_trust import emit_trust
    from fixtures.vector_signatures import signature

    folder = FIXTURES / "signatures"
    signers = (folder / "allowed_signers").read_bytes()
    keys = [line.split(b" ", 1)[1] for line in signers.splitlines()]
    blobs = [base64.b64decode(key.split()[1]) for key in keys]
    for path in sorted(folder.glob("*.sig")):
        yield "signature", path.read_bytes()
    yield "signature", signature()
    yield from (("signature", content) for content in members(".airpatch/index."))
    yield "signers", signers
    options = b'namespaces="airpatch",valid-after="20260101Z",valid-before="20270101",cert-authority '
    yield "signers", b"a@b,!*.c " + options + keys[0] + b" comment\n# comment\n"
    yield "revoked", b"\n".join(keys)
    yield "revoked", _revocation_list(blobs)
    yield from (("certificate", _certificate(blob, blobs[0])) for blob in (*blobs, *_security_keys()))
    yield "trust", emit_trust(TrustedSigners(signers, keys[0], ("a@b",), 2))
    subject = Subject("shop", "r1", Digest.of(b"r1"))
    line = emit_event(Event(1 << 30, 0, "root", Action.APPLY, Outcome.DONE, subject, Digest.of(b"")), None)
    event = Event(1 << 30, 0, None, Action.TRUST, Outcome.DONE, trust=Digest.of(b"t"), signers=("a@b",))
    yield "history", line + emit_event(event, Digest.of(line)) + b'{"airpatch":1'


def _certificate(key: bytes, authority: bytes) -> bytes:
    """A certificate as OpenSSH lays it out, which nobody signed."""
    from airpatch.signing.wire import string

    size = int.from_bytes(key[:4], "big")
    kind = key[4 : 4 + size].removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"
    numbers = (7).to_bytes(8, "big") + (1).to_bytes(4, "big") + string(b"id") + string(string(b"a@b"))
    validity = bytes(8) + b"\xff" * 8 + string(b"") + string(b"") + string(b"")
    proof = string(string(b"ssh-ed25519") + string(bytes(64)))
    return string(kind) + string(bytes(32)) + key[4 + size :] + numbers + validity + string(authority) + proof


def _security_keys() -> Sequence[bytes]:
    from airpatch.signing.wire import string

    point = b"\x04" + bytes(64)
    return [
        string(b"sk-ssh-ed25519@openssh.com") + string(bytes(32)) + string(b"ssh:"),
        string(b"sk-ecdsa-sha2-nistp256@openssh.com") + string(b"nistp256") + string(point) + string(b"ssh:"),
    ]


def _revocation_list(keys: Sequence[bytes]) -> bytes:
    """A list with sections of all kinds (OpenSSH, PROTOCOL.krl)."""
    from airpatch.signing.wire import string

    number = (7).to_bytes(8, "big")
    extension = string(b"more") + b"\0" + string(b"x")
    parts = {
        0x20: number * 2,
        0x21: number * 2,
        0x22: number + string(b"\x01\x05"),
        0x23: string(b"id"),
        0x39: extension,
    }
    certificates = (
        string(keys[0]) + string(b"") + b"".join(bytes([kind]) + string(part) for kind, part in parts.items())
    )
    sections = {
        1: certificates,
        2: b"".join(map(string, keys)),
        3: string(bytes(20)),
        5: string(bytes(32)),
        255: extension,
    }
    head = b"SSHKRL\n\0" + (1).to_bytes(4, "big") + bytes(24) + string(b"") + string(b"remark")
    return head + b"".join(bytes([kind]) + string(part) for kind, part in sections.items())


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
