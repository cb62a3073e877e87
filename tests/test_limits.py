"""What files from elsewhere may cost is bounded before memory is allocated, and the bounds can be raised."""

from __future__ import annotations

import hashlib
import io
import json
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
import zstandard

import airpatch
from airpatch import limits
from airpatch.delta import varints
from airpatch.delta.columns import ColumnCompressor
from airpatch.delta.decoder import decode
from airpatch.errors import FormatError, SourceError, UsageError
from airpatch.format import inventories, zstd
from airpatch.limits import LIMITS, raise_limit
from tests.cli.support import airpatch as command
from tests.operations.conftest import write_images


@pytest.fixture(autouse=True)
def _kept() -> Iterator[None]:
    """Limits are of the process."""
    before = {limit.name: limit.value for limit in LIMITS.values()}
    yield
    for name, value in before.items():
        LIMITS[name].value = value


def peak_of(code: str, *words: object) -> int:
    """The most memory, in bytes, that a process of its own takes for `code`, which must not fail."""
    code += "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True, capture_output=True, text=True)
    return int(done.stdout) << 10


def inventory_of(body: bytes) -> bytes:
    content = hashlib.sha256(body).digest() + body
    return b"".join(zstd.compress(content[at : at + zstd.MAX_WINDOW]) for at in range(0, len(content), zstd.MAX_WINDOW))


def body_with(key: str, values: bytes, count: int) -> bytes:
    """An inventory in which a list of `count` values takes the place of what belongs there."""
    fields = {
        "airpatch": 1,
        "product": "default",
        "name": "",
        "sequence": 0,
        "repositories": [],
        "digests": b"",
        "sizes": [],
    }
    body = bytes([0x80 | len(fields)])
    for name, value in fields.items():
        body += msgpack.packb(name)
        body += struct.pack(">BI", 0xDD, count) + values * count if name == key else msgpack.packb(value)
    return body


@pytest.mark.parametrize(
    ("key", "value", "count"),
    [("sizes", b"\0", 62_000_000), ("repositories", b"\xa1a", 30_000_000), ("sizes", b"\xcd\1\1", 20_000_000)],
)
def test_adversary_41_an_inventory_of_millions_of_values_is_refused_at_its_header(
    key: str, value: bytes, count: int, tmp_path: Path
) -> None:
    """It took 34 s and 734 MiB out of a file of 2 KiB: no value is looked at now."""
    file = inventory_of(body_with(key, value, count))
    assert len(file) < 10_000
    (tmp_path / "x").write_bytes(file)
    with pytest.raises(FormatError, match=r"has more values than 1048576 \(--limit values raises that\)"):
        inventories.parse(file)
    code = (
        "import sys, pathlib\nfrom airpatch.format.inventories import parse\nfrom airpatch.errors import FormatError\n"
        "try: parse(pathlib.Path(sys.argv[1]).read_bytes())\nexcept FormatError: pass"
    )
    assert peak_of(code, tmp_path / "x") < 320 << 20


@pytest.mark.parametrize("entry", ["{}", "[]", "0", '""'])
def test_adversary_41_an_index_json_of_millions_of_values_is_refused(entry: str, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    with (layout / "index.json").open("w") as file:
        file.write('{"manifests":[' + ",".join([entry] * (limits.VALUES.value + 1)) + "]}")
    with pytest.raises(SourceError, match="may have more values than"):
        airpatch.create(layout, tmp_path / "out")
    with (layout / "index.json").open("w") as file:
        file.truncate(limits.LISTING.value + 1)
    with pytest.raises(SourceError, match="more than"):
        airpatch.create(layout, tmp_path / "out")


def test_adversary_36_numbers_of_a_delta_do_not_take_eight_times_their_size() -> None:
    """Five such deltas of one layer patch of 4 KiB took 772 MiB."""
    wrong = 4_000_000
    source = bytes(wrong + 1)

    def number(value: int) -> bytes:
        out = bytearray()
        varints.put(out, value)
        return bytes(out)

    columns = [
        number(1) + number(1) + b"\0",
        number(0) + number(len(source)),
        number(0),
        b"",
        b"",
        b"\0" * wrong,
        b"\1" * wrong,
    ]
    head = b"APD\x01" + number(len(source)) + number(1) + number(len(source))
    delta = head + b"".join(ColumnCompressor([3] * 7, len(source)).segment(columns))
    assert len(delta) < 2000
    made = b"".join(decode(io.BytesIO(delta), [source], len(source)))
    assert made == b"\1" * wrong + b"\0"
    code = (
        "import sys, io\nfrom airpatch.delta.decoder import decode\n"
        "delta, source = io.BytesIO(bytes.fromhex(sys.argv[1])), bytes(int(sys.argv[2]))\n"
        "for _ in decode(delta, [source], len(source)): pass"
    )
    assert peak_of(code, delta.hex(), len(source)) < 96 << 20


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def zstd_bomb(size: int) -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.parametrize("bomb", [gzip_bomb, zstd_bomb])
def test_adversary_36_a_bomb_is_not_unpacked_to_disk(
    bomb: Callable[[int], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It travels whole instead, and arrives as it was. The limit is made small for the test, as is the largest file."""
    monkeypatch.setattr(limits.UNPACKED, "value", 16 << 20)
    content = bomb(64 << 20)
    assert limits.unpacked(len(content)) == 16 << 20
    write_images(tmp_path / "r1", {"app:r1": [content]})
    write_images(tmp_path / "r2", {"app:r2": [content + bytes(7)]})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (24 << 20, hard))
    try:
        airpatch.create(tmp_path / "r1", tmp_path / "r1.bundle")
        made = airpatch.diff(tmp_path / "r1.bundle", tmp_path / "r2", tmp_path / "patch")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not made.index.patched
    airpatch.apply([tmp_path / "r1.bundle", tmp_path / "patch"], tmp_path / "root")
    airpatch.verify(tmp_path / "root")


def test_what_is_usual_has_no_limit() -> None:
    assert limits.unpacked(1 << 30) == 64 << 30
    assert limits.unpacked(1000) == 4 << 30


def test_a_limit_is_raised_by_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "r1", {"app:r1": [b"layer"]})
    monkeypatch.setattr(limits.MANIFEST, "value", 100)
    refused = command("create", tmp_path / "r1", "-o", tmp_path / "out")
    assert refused.code == 7
    taken = command("create", tmp_path / "r1", "-o", tmp_path / "out", "--limit", "manifest=1MiB", "-q")
    assert (taken.code, taken.err) == (0, "")
    assert limits.MANIFEST.value == 1 << 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nothing=1", "no limit is called 'nothing'; there are index, values"),
        ("index=1", "can only be raised"),
        ("index", "must be NAME=VALUE"),
        ("index=x", "must be a whole number"),
        ("=", "must be NAME=VALUE"),
    ],
)
def test_what_is_no_limit_is_refused(words: str, message: str, tmp_path: Path) -> None:
    outcome = command("inspect", tmp_path, "--limit", words)
    assert outcome.code == 2
    assert message in outcome.err


def test_limits_say_how_they_are_raised() -> None:
    raise_limit("index", 32 << 20)
    assert str(limits.INDEX) == "33554432 (--limit index raises that)"
    with pytest.raises(UsageError):
        raise_limit("index", 16 << 20)
    assert json.dumps(sorted(LIMITS)) == json.dumps(sorted(limit.name for limit in LIMITS.values()))
