"""Files of a release into a folder: the old ones or the new ones, and nobody else's lost."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from pathlib import Path

import pytest

import airpatch
from airpatch import linux
from airpatch.blobs.content import BytesContent
from airpatch.errors import AirpatchError, TargetError, UsageError
from airpatch.execution import Execution
from airpatch.files.laying_out import lay_out, require_own
from airpatch.files.packing import LAYER_TYPE
from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor
from tests.cli.support import IMAGES
from tests.cli.support import airpatch as command
from tests.files.support import make_folder, state

IMAGE = IMAGES / "r1/infra"


@pytest.fixture
def releases(tmp_path: Path) -> dict[str, Path]:
    """Folders of two releases, their bundles, and the patch between them."""
    old, new = make_folder(tmp_path / "old"), make_folder(tmp_path / "new")
    (new / "charts/web/values.yaml").write_text("replicas: 2\n")
    (new / "scripts/again.sh").unlink()
    (new / "docs").mkdir()
    (new / "docs/howto").write_text("do\n")
    found = {"old": old, "new": new, **{name: tmp_path / name for name in ("full1", "full2", "patch")}}
    airpatch.create(IMAGE, found["full1"], files=[f"{old}=shop/files"], release="1")
    airpatch.create(IMAGE, found["full2"], files=[f"{new}=shop/files"], release="2", sequence=2)
    airpatch.diff(found["full1"], IMAGE, found["patch"], files=[f"{new}=shop/files"], release="2", sequence=2)
    return found


def test_files_travel_and_are_replaced(releases: dict[str, Path], tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "srv/deploy"
    done = airpatch.apply(releases["full1"], root, files_to=out)
    assert done.files == len(state(releases["old"]))
    assert state(out) == state(releases["old"])
    (out / "charts/web/local.yaml").write_text("of this host\n")
    (out / "notes").mkdir()
    (out / "notes/today").symlink_to("/tmp")
    (out / "README").write_text("changed here\n")
    airpatch.apply(releases["patch"], root, files_to=out)
    found = state(out)
    assert found.pop("charts/web/local.yaml")[2] == b"of this host\n"
    assert found.pop("notes/today")[2] == b"/tmp"
    assert found.pop("notes")[0] == stat.S_IFDIR
    assert found == state(releases["new"])
    assert os.listdir(tmp_path / "srv") == ["deploy"]


def test_folders_of_others_stay_as_they_are(releases: dict[str, Path], tmp_path: Path) -> None:
    """Empty ones too, and the folder itself: its mode says who may look into it."""
    root, out = tmp_path / "root", tmp_path / "out"
    out.mkdir(mode=0o700)
    airpatch.apply(releases["full1"], root, files_to=out)
    for name, mode in [("data", 0o2770), ("data/private", 0o700), ("charts/cache", 0o750), ("scripts/logs", 0o755)]:
        (out / name).mkdir()
        (out / name).chmod(mode)
    (out / "data/private/key").write_text("secret\n")
    if os.geteuid() == 0:
        os.chown(out / "data", 1234, 1235)
    before = {path: path.lstat() for path in (out, *(out / name for name in ("data", "data/private", "charts/cache")))}
    airpatch.apply(releases["patch"], root, files_to=out)
    for path, status in before.items():
        found = path.lstat()
        assert (found.st_mode, found.st_uid, found.st_gid) == (status.st_mode, status.st_uid, status.st_gid)
    assert (out / "scripts/logs").is_dir()
    assert (out / "data/private/key").read_text() == "secret\n"


def test_a_folder_that_cannot_be_exchanged_stays_as_it_is(
    releases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in a lower layer of an overlay."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    root, out = tmp_path / "root", tmp_path / "srv/deploy"
    airpatch.apply(releases["full1"], root, files_to=out)
    monkeypatch.setattr(linux, "exchange", fail)
    with pytest.raises(TargetError, match=r"srv/deploy: lies in a lower layer of an overlay"):
        airpatch.apply(releases["patch"], root, files_to=out)
    assert state(out) == state(releases["old"])
    assert os.listdir(tmp_path / "srv") == ["deploy"]


@pytest.mark.parametrize("kind", ["full2", "patch"])
def test_restore_lays_them_out_too(kind: str, releases: dict[str, Path], tmp_path: Path) -> None:
    base = releases["full1"] if kind == "patch" else None
    done = airpatch.restore(releases[kind], tmp_path / "images", base=base, files_to=tmp_path / "out")
    assert done.files == len(state(releases["new"]))
    assert state(tmp_path / "out") == state(releases["new"])


def test_several_artifacts_get_a_folder_each(releases: dict[str, Path], tmp_path: Path) -> None:
    files = [f"{releases['old']}=shop/old", f"{releases['new']}=shop/new"]
    airpatch.create(IMAGE, tmp_path / "both", files=files, release="3")
    airpatch.restore(tmp_path / "both", tmp_path / "images", files_to=tmp_path / "out")
    assert state(tmp_path / "out/shop/old") == state(releases["old"])
    assert state(tmp_path / "out/shop/new") == state(releases["new"])


def test_the_tag_is_the_release(releases: dict[str, Path], tmp_path: Path) -> None:
    made = airpatch.create(IMAGE, tmp_path / "x", files=[f"{releases['old']}=shop/files"])
    assert made.index.release.name == "r1"
    assert "shop/files:r1" in [str(image.name) for image in made.index.release.images]
    alone = airpatch.create([], tmp_path / "y", files=[f"{releases['old']}=shop/files"], release="4 beta")
    assert [str(image.name) for image in alone.index.release.images] == ["shop/files:4-beta"]
    with pytest.raises(UsageError, match="--release"):
        airpatch.create([], tmp_path / "y", files=[f"{releases['old']}=shop/files"])


def test_folders_of_others_are_not_touched(releases: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine\n")
    before = state(out)
    with pytest.raises(TargetError, match="airpatch did not lay out"):
        airpatch.restore(releases["full1"], tmp_path / "images", files_to=out)
    link = tmp_path / "link"
    link.symlink_to(releases["old"])
    with pytest.raises(TargetError, match="is not a folder"):
        airpatch.restore(releases["full1"], tmp_path / "images", files_to=link)
    assert state(out) == before


@pytest.mark.parametrize("kind", ["file", "pipe"])
@pytest.mark.parametrize("several", [False, True])
def test_a_folder_of_others_is_told_before_anything_is_applied_or_restored(
    several: bool, kind: str, releases: dict[str, Path], tmp_path: Path
) -> None:
    bundle, out, root = tmp_path / "bundle", tmp_path / "out", tmp_path / "root"
    names = ["old", "new"] if several else ["old"]
    airpatch.create(IMAGE, bundle, files=[f"{releases[name]}=shop/{name}" for name in names], release="1")
    mine = out / "shop/old/mine" if several else out / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n")
    with ExitStack() as stack:
        given = bundle
        if kind == "pipe":
            given = tmp_path / "pipe"
            os.mkfifo(given)
            stack.enter_context(subprocess.Popen(["cp", bundle, given], stderr=subprocess.DEVNULL))
        with pytest.raises(TargetError, match=f"^{mine.parent}: holds files that airpatch did not lay out"):
            airpatch.apply(given, root, files_to=out)
    assert not root.exists()
    with pytest.raises(TargetError, match=f"^{mine.parent}: holds files that airpatch did not lay out"):
        airpatch.restore(bundle, tmp_path / "images", files_to=out)
    assert not (tmp_path / "images").exists()
    assert [path for path in out.rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("content", [b"[" * 200_000, b"{}", b"[5]", b"[", None])
def test_a_list_that_airpatch_did_not_write(content: bytes | None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    if content is None:
        os.mkfifo(out / ".airpatch-files")
    else:
        (out / ".airpatch-files").write_bytes(content)
    with pytest.raises(TargetError, match="airpatch did not lay out" if content else "it is a pipe"):
        require_own(out)


@pytest.mark.parametrize("is_old", [True, False])
def test_folders_of_others_may_be_deep(is_old: bool, tmp_path: Path) -> None:
    """Where they are within folders that only the old release has, too."""
    out, deep = tmp_path / "out", "/".join("d" * 1100)
    chain = ["/".join("d" * depth) for depth in range(1, 1101)]
    folders = [(path, FOLDER, "") for path in chain] if is_old else []
    for members in (folders, []):
        content = tar(*members, ("a", FILE, ""))
        layer = Descriptor(LAYER_TYPE, Digest.of(content), len(content))
        with Execution().part("", len(content)) as part:
            lay_out([layer], BytesContent({layer.digest: content}), out, part)
        if not (out / deep / "mine").exists():
            for path in chain if not is_old else ():
                (out / path).mkdir()
            (out / deep / "mine").write_text("mine\n")
    assert (out / deep / "mine").read_text() == "mine\n"
    assert (out / "a").read_bytes() == b"x"


def test_a_file_of_others_in_the_way_is_told(releases: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    airpatch.restore(releases["full1"], tmp_path / "images", files_to=out)
    (out / "docs").write_text("mine\n")
    before = state(out)
    with pytest.raises(TargetError, match="docs"):
        airpatch.restore(releases["full2"], tmp_path / "images2", files_to=out)
    assert state(out) == before


def test_a_release_without_files(tmp_path: Path) -> None:
    airpatch.create(IMAGE, tmp_path / "plain")
    with pytest.raises(UsageError, match="the release has no files"):
        airpatch.restore(tmp_path / "plain", tmp_path / "images", files_to=tmp_path / "out")
    with pytest.raises(UsageError, match="the release has no files"):
        airpatch.apply(tmp_path / "plain", tmp_path / "root", files_to=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain"]
    with pytest.raises(UsageError, match="dry run"):
        airpatch.apply(tmp_path / "plain", tmp_path / "root", dry_run=True, files_to=tmp_path / "out")


def tar(*members: tuple[str, bytes, str]) -> bytes:
    """A tar of members: name, type, link target; files have one byte."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, int(kind == tarfile.REGTYPE)
            archive.addfile(info, io.BytesIO(b"x"))
    return buffer.getvalue()


FILE, FOLDER, LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    "members",
    [
        [("../out", FILE, "")],
        [("/out", FILE, "")],
        [("a", LINK, "."), ("a/b", FILE, "")],
        [("a", LINK, "/tmp")],
        [("d", FOLDER, ""), ("d/l", LINK, "../.."), ("d/l/x", FILE, "")],
        [("a", FILE, ""), ("a", FILE, "")],
        [("a/b", FILE, "")],
        [("a", FILE, ""), ("a/b", FILE, "")],
        [(".airpatch-files", FILE, "")],
        [("a", tarfile.CHRTYPE, "")],
        [("a", tarfile.LNKTYPE, "/etc/passwd")],
    ],
)
def test_18_19_25_what_a_hostile_layer_brings_is_refused(members: list[tuple[str, bytes, str]], tmp_path: Path) -> None:
    check_refused(tar(*members), tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 512, tar(("a", FILE, ""))[:700], b"\0" * 512])
def test_what_is_no_tar_is_refused_or_empty(content: bytes, tmp_path: Path) -> None:
    if content.strip(b"\0"):
        check_refused(content, tmp_path)


def test_wrong_bytes_are_refused(tmp_path: Path) -> None:
    content = tar(("a", FILE, ""))
    check_refused(content, tmp_path, digest=Digest.of(b"other"))


def check_refused(content: bytes, tmp_path: Path, digest: Digest | None = None) -> None:
    digest = digest or Digest.of(content)
    layer = Descriptor(LAYER_TYPE, digest, len(content))
    folder = tmp_path / "base/out"
    with Execution().part("", len(content)) as part, pytest.raises(AirpatchError) as caught:
        lay_out([layer], BytesContent({digest: content}), folder, part)
    assert caught.value.exit_code in (3, 4)
    assert os.listdir(tmp_path) == ["base"]
    assert os.listdir(tmp_path / "base") == []


@pytest.mark.faults
@pytest.mark.parametrize("call", ["mkdirat", "symlinkat", "renameat", "renameat2", "unlinkat", "linkat", "fsync"])
def test_45_a_kill_at_any_call_leaves_the_old_or_the_new(call: str, releases: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    states = [state(releases["old"]), state(releases["new"])]
    script = tmp_path / "run.py"
    script.write_text(
        f"import sys, airpatch\nairpatch.restore({str(releases['full2'])!r}, sys.argv[1], files_to={str(out)!r})\n"
    )
    staging = tmp_path / ".airpatch-out.new"
    killed = 0
    for number in range(1, 200, 2 if call == "unlinkat" else 1):
        subprocess.run(["rm", "-rf", out, tmp_path / "i1", tmp_path / "i2"], check=True)
        airpatch.restore(releases["full1"], tmp_path / "i1", files_to=out)
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        places = [word for path in (out, tmp_path, staging) for word in ("-P", str(path))]
        words = ["strace", "-f", "-o", "/dev/null", *places, "-e", f"trace={call}", "-e", inject]
        done = subprocess.run([*words, sys.executable, script, tmp_path / "i2"], capture_output=True)
        assert state(out) in states, (call, number)
        if done.returncode == 0:
            break
        killed += 1
        airpatch.restore(releases["full2"], tmp_path / "i2", files_to=out)
        assert state(out) == states[1]
        assert not [name for name in os.listdir(tmp_path) if name.startswith(".airpatch-out")]
    assert killed or call in ("renameat", "linkat"), "calls that this file system makes needless"


def test_the_command(releases: dict[str, Path], tmp_path: Path) -> None:
    words = ("create", IMAGE, "--files", f"{releases['old']}=shop/files", "--release", "1", "-o", tmp_path / "x")
    assert command(*words).code == 0
    done = command("restore", tmp_path / "x", "-o", tmp_path / "images", "--files", tmp_path / "out", "--json")
    assert done.document["files"] == len(state(releases["old"]))
    done = command("apply", tmp_path / "x", "--root", tmp_path / "root", "--files", tmp_path / "out", "--json")
    assert done.document["files"] == len(state(releases["old"]))
    assert hashlib.sha256((tmp_path / "out/README").read_bytes()).digest()
