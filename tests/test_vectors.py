"""Every vector of `fixtures/vectors` is read as its header says, from a file and from a pipe."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

import airpatch
from airpatch import errors
from airpatch.errors import AirpatchError
from airpatch.format.index import Index
from airpatch.layers.proof import prove
from tests.support import execution, frame_reader, read_bundle

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
VECTORS = sorted((FIXTURES / "vectors").glob("*.vector"))
LAYERS = [path for path in VECTORS if path.stem.startswith(("layer-", "good-layer-"))]


def outcome(header: dict[str, str], kind: str, bundle: bytes) -> Index:
    """The index of a bundle that is as it should be; of what is wrong the first thing is raised."""
    if "layer-patches" not in header:
        return read_bundle(frame_reader(kind, bundle)).index
    with closing(frame_reader(kind, bundle)) as source:
        verified = prove(source, execution(2))
    for error in verified.findings:
        raise error
    return verified.index


def load(path: Path) -> tuple[dict[str, str], bytes]:
    header, _, bundle = path.read_bytes().partition(b"\n\n")
    return dict(line.split(": ", 1) for line in header.decode().splitlines()), bundle


@pytest.mark.parametrize("kind", ["file", "pipe"])
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("small_buffers")
def test_vector(path: Path, kind: str, tmp_path: Path) -> None:
    """Adversaries 9 to 11, 14 to 17, 24 to 28, 30, 31, 33, 34, 37, 39 to 44; each header names its own."""
    header, bundle = load(path)
    if header["expect"] == "success":
        assert header["exit"] == "0"
        assert str(outcome(header, kind, bundle).release_id) == header["release-id"]
        return
    expected = getattr(errors, header["expect"])
    assert issubclass(expected, AirpatchError)
    assert str(expected.exit_code) == header["exit"]
    if expected is errors.TrustError:  # by the clock, at which commands look
        (tmp_path / path.stem).write_bytes(bundle)
        with pytest.raises(errors.TrustError, match="expired"):
            airpatch.verify(tmp_path / path.stem)
        return
    with pytest.raises(AirpatchError) as caught:
        outcome(header, kind, bundle)
    assert type(caught.value) is expected
    if "layer-patches" in header:
        assert "layer patch of " in caught.value.message


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_a_reader_that_only_carries_layer_patches_takes_them(path: Path) -> None:
    header, bundle = load(path)
    assert header["layer-patches"] == "carried out"
    assert read_bundle(frame_reader("file", bundle)).index.is_full


def test_adversary_41_bombs_take_little_memory() -> None:
    for name in ("index-limit", "table-count", "zstd-size-2-40", "layer-bomb", "layer-bomb-declared"):
        header, bundle = load(FIXTURES / "vectors" / f"{name}.vector")
        tracemalloc.start()
        try:
            with pytest.raises(AirpatchError):
                outcome(header, "file", bundle)
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.slow
def test_the_vectors_are_those_of_their_generator() -> None:
    done = subprocess.run(
        [sys.executable, FIXTURES / "make_vectors.py", "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_header_says_what_it_must() -> None:
    assert len(VECTORS) > 100
    for path in VECTORS:
        header, _ = load(path)
        needed, more = {"expect", "exit", "about"}, {"adversary", "release-id", "layer-patches"}
        assert needed <= set(header) <= needed | more
        assert header["about"].endswith(".")
