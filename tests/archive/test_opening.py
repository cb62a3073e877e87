"""The opening of a bundle: signatures are looked at before anything is parsed, and both must be as the format says."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from airpatch.archive.opening import Opening, read_opening
from airpatch.errors import FormatError, TrustError
from airpatch.format import layout, tar, zstd
from airpatch.format.index import Index
from airpatch.format.index_encoding import emit_index
from airpatch.signing import MAX_SIGNATURE, sshsig
from airpatch.signing.sshsig import Signature
from airpatch.signing.trusted import TrustedSigners
from tests.support import Builder, frame_reader, join_frames, split_frames

kinds = pytest.mark.parametrize("kind", ["file", "pipe"])
NOW = 1_800_000_000


def opening(kind: str, frames: list[bytes]) -> Opening:
    with closing(frame_reader(kind, join_frames(frames))) as reader:
        return read_opening(reader)


def with_signatures(sample: Builder, *members: bytes) -> list[bytes]:
    """The frames of a bundle with a frame of these members behind its index."""
    first, *others = split_frames(sample.bundle())
    return [first, zstd.compress(b"".join(members)), *others]


def member(number: int, content: bytes) -> bytes:
    path = layout.index_signature_path(number)
    return tar.header(path, len(content)) + content + tar.padding(len(content))


def signature(number: int = 0, namespace: str = "airpatch") -> bytes:
    return sshsig.emit(Signature(bytes([number]) * 51, namespace, "sha512", bytes(83))).encode()


@pytest.fixture
def signed(tmp_path: Path) -> tuple[TrustedSigners, Callable[[bytes, str], bytes]]:
    """Whom to trust, and what signs as they do."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    def sign(message: bytes, namespace: str = "airpatch") -> bytes:
        words = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
        return subprocess.run(words, input=message, capture_output=True, check=True).stdout

    return TrustedSigners(f"vendor {Path(f'{key}.pub').read_text()}".encode()), sign


@kinds
@pytest.mark.parametrize("count", [0, 1, layout.MAX_SIGNATURES])
def test_index_and_signatures_come_back(kind: str, count: int, sample: Builder) -> None:
    texts = [signature(number) for number in range(count)]
    frames = with_signatures(sample, *(member(number, text) for number, text in enumerate(texts, 1)))
    found = opening(kind, frames if count else split_frames(sample.bundle()))
    assert found.signatures == tuple(texts)
    assert found.content == emit_index(Index.full(sample.release))
    assert found.index == Index.full(sample.release)


@kinds
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member(number, signature()) for number in range(1, layout.MAX_SIGNATURES + 2)], "more than 16 signatures"),
        ([member(1, signature())[:-1]], "does not fill its place"),
        ([member(1, signature()) + b"\1" * 512], "member"),
        ([member(1, b"x")[:-1] + b"\1"], "does not fill its place"),
        ([member(1, signature()), member(3, signature())], "member"),
        ([tar.header(layout.index_signature_path(1), MAX_SIGNATURE + 1) + bytes(512)], "member|limit|more|size"),
    ],
    ids=["seventeen", "cut short", "tail", "padding", "a number left out", "too large"],
)
def test_members_that_are_not_those_of_signatures_are_refused(
    kind: str, members: list[bytes], reason: str, sample: Builder
) -> None:
    with pytest.raises(FormatError, match=reason):
        opening(kind, with_signatures(sample, *members))


@pytest.mark.parametrize("text", [b"no signature", signature(namespace="file")], ids=["text", "namespace"])
def test_what_is_no_signature_over_an_index_is_refused_where_none_is_demanded(text: bytes, sample: Builder) -> None:
    found = opening("file", with_signatures(sample, member(1, text)))
    with pytest.raises(FormatError, match=r"bundle: \.airpatch/index\.1\.sig: "):
        found.index  # noqa: B018 - it is parsed when it is asked for


def test_adversary_1_2_3_who_demands_signatures_parses_nothing_that_lacks_them(
    sample: Builder, signed: tuple[TrustedSigners, Callable[..., bytes]]
) -> None:
    """Even what cannot be parsed is told as not signed."""
    trusted, sign = signed
    content = emit_index(Index.full(sample.release))
    good = sign(content)
    cases = [
        ("is not signed", content, []),
        ("its only signature does not count", content, [sign(content, "file")]),
        ("its only signature does not count", content, [sign(content + b".")]),
        ("its only signature does not count", content, [signature()]),
        ("its only signature does not count", content, [b"no signature"]),
        ("its only signature does not count", b"no index", [good]),
        ("its only signature does not count", content[:-1], [good]),
    ]
    for reason, message, texts in cases:
        with pytest.raises(TrustError, match=f"a name: .*{reason}"):
            Opening("a name", message, tuple(texts)).require_signed(trusted, "a name", NOW)
    (signer,) = Opening("a name", content, (good,)).require_signed(trusted, "a name", NOW)
    assert signer.principals == ("vendor",)
    assert Opening("a name", b"no index", ()).require_signed(None, "a name", NOW) == ()


def test_adversary_61_a_release_is_fresh_until_the_moment_that_it_says(sample: Builder) -> None:
    release = replace(sample.release, expires=NOW)
    found = Opening("a name", emit_index(Index.full(release)), ())
    found.require_fresh("a name", NOW - 1)
    with pytest.raises(TrustError, match=r"a name: release .* expired at 2027-01-15T08:00:00Z, and the clock"):
        found.require_fresh("a name", NOW)
