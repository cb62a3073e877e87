"""What an attacker who holds the disk could do (TUF specification 1.0, 1.5.2): each is refused before the first write.

Bundles come from a file and through a pipe. The time is that of a clock that the tests set.
"""

from __future__ import annotations

import importlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.errors import AirpatchError, BaseMismatch, FormatError, SourceError, TrustError
from airpatch.format import layout, tar, zstd
from airpatch.format.index import Base, Disposition, Index
from airpatch.format.index_encoding import emit_index
from airpatch.model.release import Release
from tests.cli.support import PROJECT
from tests.operations.conftest import write_images
from tests.support import Builder, contents_of, join_frames, split_frames

Spoil = Callable[[list[bytes]], list[bytes]]
NOW = 1_800_000_000
"""2027-01-15T08:00:00Z."""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: float(NOW))


@pytest.fixture(params=["file", "pipe"])
def take(request: pytest.FixtureRequest) -> Callable[..., object]:
    """Applies the bundle in a file, or what comes through a pipe out of it."""

    def apply(bundle: Path, root: Path, **options: Any) -> object:
        if request.param == "file":
            return airpatch.apply(bundle, root, **options)
        with standard_input(bundle):
            return airpatch.apply("-", root, **options)

    return apply


@contextmanager
def standard_input(file: Path) -> Iterator[None]:
    """Standard input is a pipe that cat fills from `file`."""
    before = os.dup(0)
    with subprocess.Popen(["cat", str(file)], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        os.dup2(cat.stdout.fileno(), 0)
        cat.stdout.close()
        try:
            yield
        finally:
            os.dup2(before, 0)
            os.close(before)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key `vendor`, and the file `signers` that allows it."""
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "vendor")], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "stranger")], check=True)
    (folder / "signers").write_text(f"vendor {(folder / 'vendor.pub').read_text()}")
    return folder


def write(path: Path, builder: Builder, index: Index | None = None, **changes: Any) -> Path:
    """The bundle of `builder`, whose release is changed, in the file `path`."""
    release = replace(builder.release, **changes)
    path.write_bytes(builder.bundle(index or Index.full(release)))
    return path


def refused(act: Callable[[], object], root: Path, kind: type[AirpatchError], match: str) -> None:
    """`act` fails as it should, and `root` is as it was, or still not there."""
    before = sorted(root.rglob("*"))
    with pytest.raises(kind, match=match):
        act()
    assert sorted(root.rglob("*")) == before
    assert root.exists() == bool(before)


def test_adversary_7_rollback(take: Callable[..., object], sample: Builder, tmp_path: Path) -> None:
    root = tmp_path / "root"
    take(write(tmp_path / "new", sample, name="r2", sequence=2), root)
    old = write(tmp_path / "old", sample, name="r1", sequence=1)
    refused(lambda: take(old, root), root, TrustError, "release r1, number 1, would come after r2")


def test_adversary_61_freeze(take: Callable[..., object], sample: Builder, tmp_path: Path) -> None:
    root = tmp_path / "root"
    old = write(tmp_path / "old", sample, expires=NOW)
    refused(
        lambda: take(old, root), root, TrustError,
        "expired at 2027-01-15T08:00:00Z, and the clock of this host says 2027-01-15T08:00:00Z",
    )  # fmt: skip
    refused(lambda: take(old, root, dry_run=True), root, TrustError, "expired")
    take(write(tmp_path / "fresh", sample, expires=NOW + 1), root)


def test_adversary_61_an_expired_release_is_neither_verified_nor_restored(sample: Builder, tmp_path: Path) -> None:
    old = write(tmp_path / "old", sample, expires=NOW)
    refused(lambda: airpatch.verify(old), tmp_path / "out", TrustError, "expired")
    refused(lambda: airpatch.restore(old, tmp_path / "out"), tmp_path / "out", TrustError, "expired")
    refused(lambda: airpatch.merge(old, tmp_path / "out"), tmp_path / "out", TrustError, "expired")


def patch(builder: Builder, base: Release, **changes: Any) -> Index:
    """A patch to the same images, which the base has all."""
    release = replace(builder.release, **changes)
    dispositions = (Disposition.LEFT_OUT,) * len(release.blobs)
    return Index(release, dispositions, (Base(Index.full(base).release_id, base.name),))


def test_what_is_on_the_way_may_have_expired(sample: Builder, tmp_path: Path) -> None:
    base = replace(sample.release, name="r1", sequence=1, expires=NOW)
    first = write(tmp_path / "r1", sample, Index.full(base))
    second = write(tmp_path / "r2", sample, patch(sample, base, name="r2", sequence=2, expires=NOW + 1))
    merged = airpatch.merge([first, second], tmp_path / "merged")
    assert merged.index.release.expires == NOW + 1
    done = airpatch.apply([first, second], tmp_path / "root")
    assert [each.index.release.name for each in done.applied] == ["r1", "r2"]
    with pytest.raises(TrustError, match="expired"):
        airpatch.apply([second, first], tmp_path / "root", allow_downgrade=True)


def test_an_installed_release_outlives_its_end(
    sample: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    for number in (1, 2):
        airpatch.apply(write(tmp_path / "x", sample, name=f"r{number}", sequence=number, expires=NOW + 1), root)
    monkeypatch.setattr("time.time", lambda: float(NOW + 2))
    assert airpatch.rollback(root).receipt.release.name == "r1"
    airpatch.restore(root, tmp_path / "images", release="r1")


def test_adversary_10_mix_and_match(take: Callable[..., object], sample: Builder, tmp_path: Path) -> None:
    """The index of one bundle with the content of another, both well made."""
    other = Builder()
    other.tag("shop/web:r1", other.picture([b"base " * 300, b"others"]))
    head, body = (split_frames(builder.bundle()) for builder in (sample, other))
    mixed = tmp_path / "mixed"
    mixed.write_bytes(b"".join([head[0], *body[1:]]))
    assert len(contents_of(sample.bundle())) == len(head)
    refused(lambda: take(mixed, tmp_path / "root"), tmp_path / "root", FormatError, "mixed|standard input")


def test_adversary_13_another_product(take: Callable[..., object], sample: Builder, tmp_path: Path) -> None:
    """A patch of another product, whose base this root does not have; releases of two products do not replace."""
    root = tmp_path / "root"
    take(write(tmp_path / "shop", sample, product="shop", sequence=9), root)
    other = Builder()
    other.tag("bank/app:r1", other.picture([b"of the bank"]))
    foreign = write(tmp_path / "bank", other, patch(other, other.release, product="bank"))
    refused(lambda: take(foreign, root), root, BaseMismatch, "lacks")


def test_adversary_24_endless_data(sample: Builder, tmp_path: Path) -> None:
    """A stream that does not end is given up at the first byte too many."""
    good = write(tmp_path / "good", sample)
    feed = subprocess.Popen(["sh", "-c", 'cat "$1" /dev/zero', "sh", str(good)], stdout=subprocess.PIPE)
    before = os.dup(0)
    assert feed.stdout is not None
    os.dup2(feed.stdout.fileno(), 0)
    try:
        refused(lambda: airpatch.apply("-", tmp_path / "root"), tmp_path / "root", FormatError, "behind|end|follows")
    finally:
        os.dup2(before, 0)
        os.close(before)
        feed.stdout.close()
        feed.kill()
        feed.wait()


def test_adversary_62_a_revoked_key(take: Callable[..., object], keys: Path, sample: Builder, tmp_path: Path) -> None:
    bundle = write(tmp_path / "signed", sample)
    airpatch.sign(bundle, key=keys / "vendor")
    trusted = airpatch.trusted_signers(keys / "signers", revoked=keys / "vendor.pub")
    refused(
        lambda: take(bundle, tmp_path / "root", trusted=trusted),
        tmp_path / "root",
        TrustError,
        "its only signature does not count",
    )
    take(bundle, tmp_path / "root", trusted=airpatch.trusted_signers(keys / "signers"))


def signed_with(keys: Path, message: bytes, key: str = "vendor", namespace: str = "airpatch") -> bytes:
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(keys / key)]
    return subprocess.run(words, input=message, capture_output=True, check=True).stdout


def spoiled(keys: Path, builder: Builder) -> dict[str, tuple[bytes, list[bytes]]]:
    """Contents of indexes with signatures that must not count, by what is wrong."""
    good = emit_index(Index.full(builder.release))
    other = emit_index(Index.full(replace(builder.release, name="other")))
    signature = signed_with(keys, good)
    return {
        "1 unsigned": (good, []),
        "2 a wrong key": (good, [signed_with(keys, good, "stranger")]),
        "2 a wrong namespace": (good, [signed_with(keys, good, namespace="file")]),
        "3 the signature of another index": (other, [signature]),
        "4 a byte before what is signed": (b"\0" + good, [signature]),
        "4 a byte after what is signed": (good + b"\0", [signature]),
        "4 a byte within": (good[:40] + bytes([good[40] ^ 1]) + good[41:], [signature]),
        "5 a size over 4 GiB": (emit_index(_with_size(builder, 5 << 30)), [signature]),
        "7 a greater sequence number": (emit_index(Index.full(replace(builder.release, sequence=9))), [signature]),
        "9 the greatest sequence number": (
            emit_index(Index.full(replace(builder.release, sequence=2**63 - 1))), [signature],
        ),
        "11 a field left out": (good.replace(b"\xa7expires\x00", b"").replace(b"\x87", b"\x86", 1), [signature]),
        "12 an empty signature": (good, [b""]),
        "12 a signature that is none": (good, [signature[:-30]]),
        "13 another product": (emit_index(Index.full(replace(builder.release, product="bank"))), [signature]),
    }  # fmt: skip


def frame(members: dict[str, bytes]) -> bytes:
    parts = (tar.header(path, len(content)) + content + tar.padding(len(content)) for path, content in members.items())
    return zstd.compress(b"".join(parts))


def _with_size(builder: Builder, size: int) -> Index:
    first, *others = builder.release.blobs
    return Index.full(replace(builder.release, blobs=(replace(first, size=size), *others)))


SPOILED = (
    "1 unsigned", "2 a wrong key", "2 a wrong namespace", "3 the signature of another index",
    "4 a byte before what is signed", "4 a byte after what is signed", "4 a byte within", "5 a size over 4 GiB",
    "7 a greater sequence number", "9 the greatest sequence number", "11 a field left out", "12 an empty signature",
    "12 a signature that is none", "13 another product",
)  # fmt: skip


@pytest.mark.parametrize("demanded", ["by --trust", "by the root"])
@pytest.mark.parametrize("what", SPOILED)
def test_adversary_1_2_3_4_5_7_9_11_12_13_what_nobody_has_signed_is_refused_unparsed(
    take: Callable[..., object], keys: Path, sample: Builder, tmp_path: Path, what: str, demanded: str
) -> None:
    """Whatever was done to the index or its signatures: exit 6 before the first write, whoever demands signatures."""
    cases = spoiled(keys, sample)
    assert tuple(cases) == SPOILED
    content, signatures = cases[what]
    frames = [frame({layout.INDEX_PATH: content})]
    if signatures:
        frames.append(frame({layout.index_signature_path(number): text for number, text in enumerate(signatures, 1)}))
    bundle, root = tmp_path / "bundle", tmp_path / "root"
    bundle.write_bytes(join_frames([*frames, *split_frames(sample.bundle())[1:]]))
    options: dict[str, Any] = {}
    trusted = airpatch.trusted_signers(keys / "signers")
    if demanded == "by the root":
        airpatch.trust(root, trusted)
    else:
        options = {"trusted": trusted}
    more: list[dict[str, bool]] = [{}, {"dry_run": True}, {"allow_downgrade": True}]
    for each in more:
        refused(partial(take, bundle, root, **options, **each), root, TrustError, "signature|not signed")
    assert TrustError.exit_code == 6


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda frames: [b"\0", *frames], id="a byte before"),
        pytest.param(lambda frames: [*frames, b"\0"], id="a byte after"),
        pytest.param(lambda frames: [frames[0], b"\x50\x2a\x4d\x18\0\0\0\0", *frames[1:]], id="a frame between"),
        pytest.param(lambda frames: [frames[0], *frames[2:]], id="the signature removed"),
        pytest.param(lambda frames: [frames[1], frames[0], *frames[2:]], id="the signature first"),
        pytest.param(lambda frames: [frames[0], frames[1], frames[1], *frames[2:]], id="the signature twice"),
    ],
)
def test_adversary_4_bytes_before_between_and_after_what_is_signed(
    take: Callable[..., object],
    keys: Path,
    sample: Builder,
    tmp_path: Path,
    spoil: Callable[[list[bytes]], list[bytes]],
) -> None:
    bundle = write(tmp_path / "signed", sample)
    airpatch.sign(bundle, key=keys / "vendor")
    bundle.write_bytes(b"".join(spoil(split_frames(bundle.read_bytes()))))
    trusted = airpatch.trusted_signers(keys / "signers")
    with pytest.raises((FormatError, TrustError)):
        take(bundle, tmp_path / "root", trusted=trusted)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("how", ["in place", "by another file"])
def test_adversary_6_a_file_that_changes_after_it_was_verified(
    keys: Path, sample: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """What was checked is what is used: other content is refused, another file of that name not looked at."""
    bundle = write(tmp_path / "signed", sample)
    airpatch.sign(bundle, key=keys / "vendor")
    content = bundle.read_bytes()
    (tmp_path / "other").write_bytes(content[:600] + bytes(len(content) - 600))

    def swap(root: object) -> None:
        if how == "in place":
            bundle.write_bytes((tmp_path / "other").read_bytes())
        else:
            (tmp_path / "other").rename(bundle)

    monkeypatch.setattr("airpatch.target.installer.stored_trust", swap)
    trusted = airpatch.trusted_signers(keys / "signers")
    if how == "by another file":
        (done,) = airpatch.apply(bundle, tmp_path / "root", trusted=trusted).applied
        assert done.index.release == sample.release
        return
    with pytest.raises((FormatError, airpatch.IntegrityError)):
        airpatch.apply(bundle, tmp_path / "root", trusted=trusted)
    assert not (tmp_path / "root").exists()


def of_vectors(*adversaries: str) -> list[Path]:
    return [
        path
        for path in sorted((PROJECT / "fixtures" / "vectors").glob("*.vector"))
        if any(f"\nadversary: {number}\n".encode() in path.read_bytes() for number in adversaries)
        and b"expect: success" not in path.read_bytes()
    ]


@pytest.mark.parametrize("path", of_vectors("14", "15", "16"), ids=lambda path: path.stem)
def test_adversary_17_names_are_checked_on_load(path: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(path.read_bytes().partition(b"\n\n")[2])
    refused(lambda: airpatch.apply(tmp_path / "bundle", tmp_path / "root"), tmp_path / "root", FormatError, ".")


def test_adversary_22_a_source_that_is_swapped_for_a_link_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link leads to the right bytes, so that only following it can be what is refused."""
    write_images(tmp_path / "images", {"app:r1": [b"layer " * 100]})
    (layer,) = (path for path in (tmp_path / "images").rglob("*") if path.is_file() and path.stat().st_size == 600)
    gather = importlib.import_module("airpatch.operations.create_bundle").gather

    def swapping(*words: object, **options: Any) -> object:
        gathered = gather(*words, **options)
        layer.rename(tmp_path / "elsewhere")
        layer.symlink_to(tmp_path / "elsewhere")
        return gathered

    monkeypatch.setattr("airpatch.operations.create_bundle.gather", swapping)
    with pytest.raises(SourceError, match=r"symbolic link|not a regular file"):
        airpatch.create(tmp_path / "images", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_adversary_23_nothing_unpacks_archives_on_its_own() -> None:
    """No archive's names become paths: tar members are read by their offsets."""
    code = [path for part in ("bundle", "cli") for path in (PROJECT / part).rglob("*.py")]
    assert len(code) > 200
    for path in code:
        text = path.read_text()
        assert "extractall" not in text, path
        assert "unpack_archive" not in text, path


WATCHED = "socket,connect,sendto,execve,execveat,mknod,mknodat"


def test_adversary_25_an_apply_opens_no_socket_and_runs_no_program(sample: Builder, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", sample)
    traced = subprocess.run(
        ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-e", f"trace={WATCHED}",
         sys.executable, "-m", "airpatch", "apply", bundle, "--root", tmp_path / "root", "--restore", tmp_path / "out"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{PROJECT / 'bundle'}:{PROJECT / 'cli'}"},
    )  # fmt: skip
    assert traced.returncode == 0, traced.stderr
    calls = [line.split(maxsplit=1)[1].partition("(")[0] for line in (tmp_path / "trace").read_text().splitlines()]
    assert calls == ["execve"], "the one that strace itself begins with"
    for path in [*(tmp_path / "root").rglob("*"), *(tmp_path / "out").rglob("*")]:
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode), path
        assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | 0o022), path
