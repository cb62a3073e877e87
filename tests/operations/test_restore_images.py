"""Restoring patches upon what a host has, which need not be a registry."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import BaseMismatch, TrustError, UsageError
from airpatch.model.digest import Digest
from airpatch.sources.containerd_stores import CONTENT
from airpatch.sources.gather import gather
from airpatch.sources.location import CONTAINERD_DATABASE as DATABASE
from tests.cli.support import IMAGES
from tests.sources.sample_sources import pack


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both releases as trees, the first one as a bundle, an archive and a root, and the patch between them."""
    folder = tmp_path_factory.mktemp("made")
    found = {name: IMAGES / name for name in ("r1", "r2")}
    found |= {name: folder / name for name in ("full1", "patch", "archive", "root")}
    airpatch.create(found["r1"], found["full1"])
    airpatch.diff(found["full1"], found["r2"], found["patch"], effort="fast")
    airpatch.apply(found["full1"], found["root"])
    airpatch.restore(found["full1"], found["archive"], form="oci-archive")
    return found


def check(output: Path, made: dict[str, Path]) -> None:
    assert pack(gather([str(output)])) == pack(gather([str(made["r2"])]))


@pytest.mark.parametrize("base", ["r1", "full1", "archive", "root"])
def test_a_patch_upon_every_kind_of_base(base: str, made: dict[str, Path], tmp_path: Path) -> None:
    done = airpatch.restore(made["patch"], tmp_path / "out", base=made[base])
    check(tmp_path / "out", made)
    assert not done.warnings


def test_archives_and_picks(made: dict[str, Path], tmp_path: Path) -> None:
    airpatch.restore(made["patch"], tmp_path / "out.tar", base=made["full1"], form="oci-archive")
    check(tmp_path / "out.tar", made)
    done = airpatch.restore(
        made["patch"], tmp_path / "one.tar", base=made["full1"], images=["shop/web"], form="oci-archive"
    )
    assert {image.name.repository for image in done.images} == {"shop/web"}
    with pytest.raises(UsageError, match="no such image"):
        airpatch.restore(made["patch"], tmp_path / "x", base=made["full1"], images=["nothing"])


def test_containerd_with_images_of_which_platforms_are_missing(made: dict[str, Path], tmp_path: Path) -> None:
    """All that a patch needs is by its digests in the content store; other images there may be incomplete."""
    store = tmp_path / "containerd"
    (store / CONTENT).mkdir(parents=True)
    (store / DATABASE).parent.mkdir()
    (store / DATABASE).write_bytes(b"whatever is in it is not read")
    with airpatch.open_bundle(made["patch"]) as patch:
        needed = {blob.digest for blob in patch.index.needed}
    for file in made["r1"].rglob("*"):
        if file.is_file() and (digest := Digest.of(file.read_bytes())) in needed:
            shutil.copy(file, store / CONTENT / digest.hex)
    airpatch.restore(made["patch"], tmp_path / "out.tar", base=f"containerd:{store}", form="oci-archive")
    check(tmp_path / "out.tar", made)
    gone = sorted(needed)[0]
    (store / CONTENT / gone.hex).unlink()
    with pytest.raises(BaseMismatch) as caught:
        airpatch.restore(made["patch"], tmp_path / "none", base=f"containerd:{store}")
    assert str(gone) in caught.value.findings[0]
    assert not (tmp_path / "none").exists()


def test_what_makes_no_sense_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs no --base"):
        airpatch.restore(made["full1"], tmp_path / "x", base=made["full1"])
    with pytest.raises(UsageError, match="--release"):
        airpatch.restore(made["patch"], tmp_path / "x", base=made["full1"], release="r2")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (tmp_path / "signers").write_text(f"us {(tmp_path / 'key.pub').read_text()}")
    with pytest.raises(TrustError):
        airpatch.restore(
            made["patch"], tmp_path / "x", base=made["full1"], trusted=airpatch.trusted_signers(tmp_path / "signers")
        )


def test_an_image_of_a_release_is_picked_by_any_of_its_names(made: dict[str, Path], tmp_path: Path) -> None:
    with airpatch.open_bundle(made["full1"]) as bundle:
        name = bundle.index.release.images[0].name
    for number, reference in enumerate((str(name), name.repository, f"docker.io/{name}", f"host.example/{name}")):
        whole = airpatch.restore(made["root"], tmp_path / f"a{number}", images=[reference])
        of_release = airpatch.restore(made["root"], tmp_path / f"b{number}", images=[reference], release="r1")
        assert whole.images == of_release.images
    with pytest.raises(UsageError, match="no such image"):
        airpatch.restore(made["root"], tmp_path / "c", images=["shop/nothing"], release="r1")
