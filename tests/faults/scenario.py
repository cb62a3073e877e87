"""What is disturbed: a root, a command that changes it, and what must hold whatever happens in between.

`Lab.trial` runs a scenario once with a fault and judges it: right after the fault every tag is the old or the new one
with all that belongs to it, and another run gives the same root as a run that nothing disturbed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from airpatch.archive.writer import write_bundle
from airpatch.format.index import Base, Index
from airpatch.format.release_part import release_id
from airpatch.patches.bases import BaseState
from airpatch.patches.layer_patching import patch_layers
from airpatch.patches.patch_plan import plan_patch
from airpatch.sources.gather import Gathered
from airpatch.target.root import Root
from airpatch.target.state import current, receipts
from tests.faults import strace
from tests.faults.view import Snapshot, Tags, look, snapshot
from tests.faults.zygote import Ended, Zygote
from tests.layers.support import changed, layer, replica
from tests.support import OCI_GZIP_LAYER, Builder, MemorySink, execution

ROOT = "{root}"
"""Stands for the root in the words of a command."""
TARGET_ERROR = 8
KILLED = -9


RESTORING = ".airpatch-restore"
"""The hidden folder of a restore."""

Image = dict[str, bytes]


def images(folder: Path) -> dict[str, Image]:
    """The images below `folder` that a user sees, by their folders."""
    return {
        str(path.parent.relative_to(folder)): {file.name: file.read_bytes() for file in path.parent.iterdir()}
        for path in folder.rglob("version")
        if RESTORING not in path.parts
    }


@dataclass(frozen=True)
class Restored:
    """The images of a folder before and after a restore into it."""

    old: dict[str, Image]
    new: dict[str, Image]

    def judge_instant(self, folder: Path) -> list[str]:
        """What is wrong: an image that is neither the old nor the new one, or is gone, or a file that is none."""
        found = images(folder)
        problems = [f"{name} is gone" for name in self.old.keys() - found.keys()]
        problems += [
            f"{name} is neither the old image nor the new one"
            for name, image in found.items()
            if image not in (self.old.get(name), self.new.get(name))
        ]
        return problems + [f"{path.name} does not belong there" for path in folder.iterdir() if not path.is_dir()]

    def judge_end(self, folder: Path, *, with_staging: bool) -> list[str]:
        """What distinguishes `folder` from one that was restored into undisturbed."""
        problems = [] if images(folder) == self.new else ["the images are not those of the release"]
        if with_staging and (folder / RESTORING).exists():
            problems.append("the hidden folder stays")
        return problems


@dataclass(frozen=True)
class Scenario:
    """`start` is the root before, `argv` the command; `old` and `new` the tags, `end` all files of a quiet run."""

    name: str
    start: Path
    argv: tuple[str, ...]
    old: Tags
    new: Tags
    end: Snapshot
    known: frozenset[str]
    """Findings in the root before."""
    restored: Restored | None = None
    """Of a restore: its folder is no root, and is judged by its images."""

    def command(self, root: Path) -> list[str]:
        return [str(root) if word == ROOT else word for word in self.argv]


@dataclass(frozen=True)
class Bundles:
    """Files of two releases: full bundles, and the patch from one to the other.

    `layers` is a patch with layer patches, `base` the full bundle that it builds upon.
    """

    r1: Path
    r2: Path
    patch: Path
    base: Path
    layers: Path


class Lab:
    """A folder for roots, and the process that runs the commands."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.zygote = Zygote(folder)
        self.root = folder / "root"

    def close(self) -> None:
        self.zygote.close()

    def run(self, *argv: str | Path) -> Ended:
        """Run a command that must succeed."""
        ended = self.zygote.run(argv)
        if ended.code != 0:
            raise RuntimeError(f"{argv}: {ended.code}: {ended.output}")
        return ended

    def scenario(self, name: str, argv: Sequence[str | Path], prepare: Callable[[Path], None]) -> Scenario:
        """The scenario of `argv` on a root that `prepare` makes out of an empty folder."""
        start = self.folder / f"start-{name}"
        start.mkdir()
        prepare(start)
        words = tuple(str(word) for word in argv)
        before = look(start)
        self.copy(start, self.root)
        self.run(*(str(self.root) if word == ROOT else word for word in words))
        after = look(self.root)
        if after.findings:
            raise RuntimeError(f"{name}: a quiet run leaves {after.findings}")
        return Scenario(name, start, words, before.tags, after.tags, snapshot(self.root), frozenset(before.findings))

    def restore(self, name: str, argv: Sequence[str | Path], earlier: Path) -> Scenario:
        """The scenario of the restore `argv` into a folder that has the images of the bundle `earlier`."""
        start = self.folder / f"start-{name}"
        self.run("restore", "-q", earlier, "-o", start)
        words = tuple(str(word) for word in argv)
        self.copy(start, self.root)
        self.run(*(str(self.root) if word == ROOT else word for word in words))
        return Scenario(name, start, words, {}, {}, {}, frozenset(), Restored(images(start), images(self.root)))

    def copy(self, start: Path, root: Path) -> None:
        """Make `root` a copy of `start`."""
        if root.exists():
            shutil.rmtree(root)
        subprocess.run(["cp", "-a", str(start), str(root)], check=True)

    def points(self, scenario: Scenario) -> list[strace.Point]:
        """Every call of the scenario that changes the disk."""
        self.copy(scenario.start, self.root)
        calls = strace.record(self.zygote, self.argv(scenario), self.folder)
        return strace.points(calls, strict=scenario.restored is None)

    def argv(self, scenario: Scenario) -> list[str]:
        return scenario.command(self.root)

    def trial(self, scenario: Scenario, point: strace.Point, fault: str, codes: Sequence[int] = (KILLED,)) -> list[str]:
        """Run with `fault` at `point`; returns what is wrong. `codes` are the exit codes that are right."""
        self.copy(scenario.start, self.root)
        ended = strace.inject(self.zygote, self.argv(scenario), point, fault, self.folder)
        problems = [] if ended.code in codes else [f"exit code {ended.code}: {ended.output}"]
        if ended.code == 0:
            problems += judge_end(scenario, self.root, with_staging=False)
        else:
            problems += judge_instant(scenario, self.root)
            problems += self.judge_rerun(scenario, self.root)
        return [f"{scenario.name}, {fault} at {point}: {problem}" for problem in problems]

    def judge_rerun(self, scenario: Scenario, root: Path) -> list[str]:
        """What is wrong after another run on the disturbed `root`."""
        ended = self.zygote.run(scenario.command(root))
        if ended.code != 0:
            return [f"another run ends with {ended.code}: {ended.output}"]
        return judge_end(scenario, root)


def judge_instant(scenario: Scenario, root: Path) -> list[str]:
    """What a registry that serves `root` now could show that is neither the state before nor the one after."""
    if scenario.restored is not None:
        return scenario.restored.judge_instant(root)
    view = look(root)
    problems = [finding for finding in view.findings if finding not in scenario.known]
    for name in scenario.old.keys() | scenario.new.keys() | view.tags.keys():
        tag = view.tags.get(name)
        if tag not in (scenario.old.get(name), scenario.new.get(name)):
            problems.append(f"{name} is {tag}, neither the old nor the new one")
    return problems


def judge_end(scenario: Scenario, root: Path, *, with_staging: bool = True) -> list[str]:
    """What distinguishes `root` from one on which nothing was disturbed; what is left in staging is seen by nobody."""
    if scenario.restored is not None:
        return scenario.restored.judge_end(root, with_staging=with_staging)
    view = look(root)
    problems = list(view.findings)
    if view.tags != scenario.new:
        problems.append(f"the tags are {view.tags}")
    found = snapshot(root)
    for path in sorted(found.keys() | scenario.end.keys()):
        if not with_staging and path.startswith(".airpatch/staging/"):
            continue
        if found.get(path, "missing") != scenario.end.get(path, "missing"):
            problems.append(f"{path} differs, or should not be there, or is missing")
    with Root(root) as opened:
        installed = receipts(opened)
        if current(opened) not in installed:
            problems.append("the current release has no receipt")
    return problems


def small_releases() -> tuple[Builder, Builder]:
    """Two releases with few calls and all that matters: shared blobs, a moved tag, an index, signatures, no change."""
    base, common = b"base " * 20_000, b"common " * 300
    builders = Builder(), Builder()
    for number, builder in enumerate(builders, 1):
        web = builder.picture([base, b"web %d" % number * 50], layer_type=OCI_GZIP_LAYER)
        builder.tag(f"shop/web:r{number}", web, {web: [b"signature of web %d" % number]})
        builder.tag("shop/web:stable", web, {web: [b"signature of web %d" % number]})
        children = [builder.picture([common, arch], config=b'{"os":"%s"}' % arch) for arch in (b"amd64", b"arm64")]
        builder.tag(f"proxy:r{number}", builder.index(children))
    builders[0].tag("tools/old:r1", builders[0].picture([common, b"old"]))
    builders[1].tag("shop/report:r2", builders[1].picture([base, b"report"]))
    return builders


def small_bundles(folder: Path) -> Bundles:
    old, new = small_releases()
    state = BaseState(
        Base(release_id(old.release), old.release.name),
        {blob.digest: blob.size for blob in old.release.blobs},
        frozenset(image.name.repository for image in old.release.images),
    )
    files = Bundles(*(folder / f"small-{name}.tar.zst" for name in ("r1", "r2", "patch", "base", "layers")))
    files.r1.write_bytes(old.bundle())
    files.r2.write_bytes(new.bundle(Index.full(new.release)))
    files.patch.write_bytes(new.bundle(plan_patch(new.release, [state])))
    _layered_bundles(files)
    return files


def _layered_bundles(files: Bundles) -> None:
    """Two releases that differ in layers: rebuilt by a replica, uncompressed, and out of one that is rebuilt itself."""
    go, other = replica("go1-flate-6"), replica("zlib-9")
    old, new = Builder(), Builder()
    web, data = layer(1, size=9000), layer(2, size=9000)
    old.tag("web:r1", old.picture([go(web), data], layer_type=OCI_GZIP_LAYER))
    new.tag("web:r2", new.picture([go(changed(web)), changed(data)], layer_type=OCI_GZIP_LAYER))
    new.tag("report:r2", new.picture([other(changed(web))], layer_type=OCI_GZIP_LAYER))
    for builder, name in ((old, "web:stable"), (new, "web:stable")):
        builder.tag(name, builder.manifests[builder.images[0].manifest])
    blobs = {blob.digest: blob.size for blob in old.release.blobs}
    layers = tuple(blob.digest for blob in old.release.blobs if not blob.is_manifest)
    base = Base(release_id(old.release), old.release.name)
    state = BaseState(base, blobs, frozenset({"web"}), layers=layers, content=old.content)
    gathered = Gathered(new.release, new.manifests, new.content)
    patched = patch_layers(plan_patch(new.release, [state]), gathered, [state], execution(1))
    if len(patched.index.steps) != 3:
        raise RuntimeError("not all layers are rebuilt")
    files.base.write_bytes(old.bundle())
    sink = MemorySink()
    with patched:
        write_bundle(patched, sink, execution(1))
    files.layers.write_bytes(bytes(sink.data))


def image_bundles(lab: Lab, images: Path) -> Bundles:
    """Bundles of the trees `images/r1` and `images/r2`."""
    files = Bundles(*(lab.folder / f"{name}.tar.zst" for name in ("r1", "r2", "patch", "r1", "layers")))
    lab.run("create", images / "r1", "-o", files.r1)
    lab.run("create", images / "r2", "-o", files.r2)
    lab.run("diff", "--no-layer-patches", "--base", files.r1, images / "r2", "-o", files.patch)
    lab.run("diff", "--base", files.r1, images / "r2", "-o", files.layers)
    return files


def signed_bundles(lab: Lab, bundles: Bundles) -> tuple[Bundles, Path]:
    """Copies of `bundles` that are signed, and the file of allowed signers that a root is to trust."""
    key, signers = lab.folder / "key", lab.folder / "signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    signers.write_text(f"vendor {Path(f'{key}.pub').read_text()}")
    signed = {}
    for field in fields(bundles):
        file: Path = getattr(bundles, field.name)
        signed[field.name] = copy = file.with_name(f"signed-{file.name}")
        shutil.copy(file, copy)
        lab.run("sign", "-q", copy, "--key", key)
    return Bundles(**signed), signers


def scenarios(lab: Lab, bundles: Bundles, kind: str, signers: Path | None = None) -> list[Scenario]:
    """All scenarios on `bundles`; `kind` goes into their names. With `signers` roots and restores demand their
    signatures.
    """

    def apply(bundle: Path) -> list[str | Path]:
        return ["apply", "--jobs", "1", "-q", bundle, "--root", ROOT]

    trust: list[str | Path] = [] if signers is None else ["--trust", signers]

    def installed(*files: Path) -> Callable[[Path], None]:
        def prepare(root: Path) -> None:
            if signers is not None:
                lab.run("trust", "-q", root, signers)
            for file in files:
                lab.run("apply", "-q", file, "--root", root)

        return prepare

    def damaged(root: Path) -> None:
        """Blobs cut short and overwritten, as bad disks leave them, and the rubbish of a killed run in staging."""
        installed(bundles.r1)(root)
        blobs = sorted((root / "docker/registry/v2/blobs").glob("sha256/*/*/data"))
        blobs[0].write_bytes(blobs[0].read_bytes()[:-1])
        blobs[-1].write_bytes(bytes(blobs[-1].stat().st_size))
        (root / ".airpatch/staging/7/folder").mkdir(parents=True)
        (root / ".airpatch/staging/8").write_text("half a blob")

    return [
        lab.scenario(f"{kind} full", apply(bundles.r1), installed()),
        lab.scenario(f"{kind} patch", apply(bundles.patch), installed(bundles.r1)),
        lab.scenario(f"{kind} layers", apply(bundles.layers), installed(bundles.base)),
        lab.scenario(f"{kind} heal", apply(bundles.r1), damaged),
        lab.scenario(f"{kind} rollback", ["rollback", "-q", ROOT, "--to", "r1"], installed(bundles.r1, bundles.patch)),
        lab.scenario(f"{kind} prune", ["prune", "-q", "--keep", "1", ROOT], installed(bundles.r1, bundles.patch)),
        lab.restore(f"{kind} restore", ["restore", "--jobs", "1", "-q", *trust, bundles.r2, "-o", ROOT], bundles.r1),
    ]
