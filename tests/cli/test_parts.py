"""Whatever takes a bundle takes the folder of its parts, or one of them, and does the same with it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.support import IMAGES, airpatch

LEAST = "64KiB"
COMMANDS = {
    "create": "create {full} -o out",
    "create with a prefix": "create bundle:{full} -o out",
    "restore": "restore {full} -o out",
    "restore a patch": "restore {patch} --base {full} -o out",
    "diff": "diff --base {full} whole/r2 --effort fast -o out",
    "diff with content": "diff --base inventory --content {full} whole/r2 --effort fast -o out",
    "explain": "explain --base {full} whole/r2 --effort fast",
    "inspect": "inspect {full}",
    "inspect --layers": "inspect {full} --layers",
    "verify": "verify {full}",
    "verify a patch": "verify {patch} --base {full}",
    "merge": "merge {full} {patch} -o out",
    "sign --export": "sign {full} --export out",
    "topup": "topup {full} --request damage.request -o out",
    "store add": "store add out {full}",
    "apply --dry-run": "apply {full} {patch} --root out --dry-run",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles of one image and a patch, in `whole` as files, in `parts` as folders of parts; a root's inventory."""
    folder = tmp_path_factory.mktemp("bundles")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        Path("whole").mkdir()
        for name in ("r1", "r2"):
            Path(f"{name}.list").write_text(f"registry.example:5000/shop/web:{name}\n")
        listed = ("create", IMAGES / "r1", "--images-list", "r1.list", "--release", "r1", "--sequence", 1)
        run(*listed, "-o", "whole/full")
        run("create", IMAGES / "r2", "--images-list", "r2.list", "--release", "r2", "--sequence", 2, "-o", "whole/r2")
        run("diff", "--base", "whole/full", "whole/r2", "--effort", "fast", "-o", "whole/patch")
        run("apply", "whole/full", "--root", "root")
        run("inventory", "root", "-o", "inventory")
        damaged = bytearray(Path("whole/full").read_bytes())
        damaged[len(damaged) // 2] ^= 1
        Path("damaged").write_bytes(damaged)
        assert airpatch("verify", "damaged", "--request", "damage.request").code == 3
        for name in ("full", "patch"):
            run("split", f"whole/{name}", "--size", LEAST, "-o", f"parts/{name}")
        assert len(list(Path("parts/full").iterdir())) > 2
    return folder


def run(*words: object) -> str:
    outcome = airpatch(*words, "--json")
    assert outcome.code == 0, outcome
    return outcome.out


def content(path: Path) -> object:
    """The content of a file, or of all files below a folder; None where there is nothing."""
    if path.is_file():
        return path.read_bytes()
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def outcome_of(command: str, full: Path, patch: Path) -> tuple[str, object]:
    """What a command prints and writes; the names of what it was given are those of the bundles."""
    printed = run(*command.format(full=full, patch=patch).split())
    written = content(Path("out"))
    shutil.rmtree("out", ignore_errors=True)
    Path("out").unlink(missing_ok=True)
    return printed.replace(str(full), "FULL").replace(str(patch), "PATCH"), written


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_parts_are_taken_as_the_bundle_is(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    printed, written = outcome_of(command, Path("whole/full"), Path("whole/patch"))
    folders = (Path("parts/full"), Path("parts/patch"))
    last = [max(folder.iterdir()) for folder in folders]
    for full, patch in (folders, last):
        printed_of_parts, written_of_parts = outcome_of(command, full, patch)
        assert written_of_parts == written
        assert printed_of_parts == printed


def test_a_bundle_that_is_named_twice_is_one_source(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one of which all parts are named: each stands for all."""
    monkeypatch.chdir(place)
    for sources in (sorted(Path("parts/full").iterdir()), ["whole/full"] * 2):
        run("create", *sources, "-o", "out")
        assert content(Path("out")) == content(Path("whole/full"))
        Path("out").unlink()


def test_parts_are_not_signed_but_the_bundle(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    key = tmp_path / "key"
    before = content(Path("parts"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for full in (Path("parts/full"), min(Path("parts/full").iterdir())):
        refused = airpatch("sign", full, "--key", key)
        assert refused.code == 2
        assert "join" in refused.err
    assert content(Path("parts")) == before


def test_a_root_is_no_bundle_even_with_parts_in_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    before = [run(*words) for words in (("verify", "root"), ("inspect", "root"))]
    for part in Path("parts/patch").iterdir():
        shutil.copy(part, "root")
    assert [run(*words) for words in (("verify", "root"), ("inspect", "root"))] == before


def test_no_request_is_written_for_a_part(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    part = shutil.copy(min((place / "parts/full").iterdir()), tmp_path)
    refused = airpatch("verify", part, "--request", "request")
    assert refused.code == 4
    assert "part 2 is missing" in refused.err
    assert not Path("request").exists()
