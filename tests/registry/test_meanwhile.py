"""What others do while an apply is at work: pushes, garbage collections, pulls. The apply is stopped at its calls.

The stops are set by strace, so these tests need root.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import strace
from tests.faults.strace import Point
from tests.faults.view import look
from tests.faults.zygote import Ended, Zygote
from tests.registry.conftest import Releases, airpatch
from tests.registry.server import Registry, serving, skopeo_push
from tests.registry.trees import manifest_digest, split, tag_digests

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not strace.is_allowed(), reason="needs root and strace"),
]


@pytest.fixture
def registry(root: Path, tmp_path: Path) -> Iterator[Registry]:
    """It keeps no descriptors of blobs, since the tests put one root after the other in its place."""
    with serving(root, tmp_path, cache=False) as registry:
        yield registry


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    zygote = Zygote(tmp_path_factory.mktemp("zygote"))
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def old(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with r1."""
    root = tmp_path_factory.mktemp("old") / "root"
    airpatch("apply", releases.r1, "--root", root)
    return root


def command(releases: Releases, root: Path) -> list[str | Path]:
    return ["apply", "--jobs", "1", "-q", releases.patch, "--root", root]


@pytest.fixture(scope="module")
def stops(releases: Releases, old: Path, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Places all over the apply of the patch: barriers, and changes of what a registry reads."""
    folder = tmp_path_factory.mktemp("record")
    subprocess.run(["cp", "-a", old, folder / "root"], check=True)
    calls = strace.record(zygote, command(releases, folder / "root"), folder)
    barriers = [point for point in strace.points(calls) if point.name == "syncfs"]
    moves = [
        Point(call.name, call.number, main=True)
        for call in calls
        if call.name == "linkat" or (call.name == "renameat" and "/repositories/" in call.arguments)
    ]
    return [*barriers, *moves[:: len(moves) // 8], moves[-1]]


def fresh(old: Path, root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", old, root], check=True)
    return root


def test_adversary_52_a_push_of_the_same_tag_at_every_step(
    releases: Releases, old: Path, root: Path, stops: list[Point], zygote: Zygote, registry: Registry, tmp_path: Path
) -> None:
    """Tags that are new, that move and that nobody else has: the push or the apply wins, never a mix of them."""
    pushes = {
        "shop/worker:stable": releases.r1_tree / "tools/packaging:r1",
        "shop/report:r2": releases.r2_tree / "shop/report:r2",
        "shop/web:r2": releases.r1_tree / "shop/web:r1",
    }
    wanted = tag_digests(releases.r1_tree) | tag_digests(releases.r2_tree)
    for stop in stops:
        fresh(old, root)
        ended: list[Ended] = []
        with strace.stopped(zygote, command(releases, root), stop, tmp_path, ended):
            for image, folder in pushes.items():
                skopeo_push(registry, folder, image)
                assert registry.pull(*split(image)) == manifest_digest(folder), (stop, image)
        assert ended[0].code == 0, (stop, ended)
        assert look(root).findings == [], stop
        for image, digest in wanted.items():
            pushed = {manifest_digest(pushes[image])} if image in pushes else set()
            assert registry.pull(*split(image)) in pushed | {digest}, (stop, image)


def test_adversary_53_a_garbage_collection_at_every_step(
    releases: Releases, old: Path, root: Path, stops: list[Point], zygote: Zygote, registry: Registry, tmp_path: Path
) -> None:
    wanted = tag_digests(releases.r1_tree) | tag_digests(releases.r2_tree)
    for stop in stops:
        fresh(old, root)
        ended: list[Ended] = []
        with strace.stopped(zygote, command(releases, root), stop, tmp_path, ended):
            done = registry.collect()
        assert done.returncode == 0, (stop, done.stderr)
        assert ended[0].code == 0, (stop, ended)
        assert look(root).findings == [], stop
        for image, digest in wanted.items():
            assert registry.pull(*split(image)) == digest, (stop, image)


def test_adversary_53_a_collection_of_untagged_manifests_at_every_step(
    releases: Releases, old: Path, root: Path, stops: list[Point], zygote: Zygote, registry: Registry, tmp_path: Path
) -> None:
    """It also takes revisions that have no tag yet. An apply that meets it succeeds, or says so and is run again."""
    for stop in stops:
        fresh(old, root)
        ended: list[Ended] = []
        with strace.stopped(zygote, command(releases, root), stop, tmp_path, ended):
            registry.collect("--delete-untagged")
        if ended[0].code != 0:
            assert ended[0].code in (5, 8), (stop, ended)
            airpatch("apply", releases.r2, "--root", root)
        for image, digest in tag_digests(releases.r2_tree).items():
            assert look(root).tags[image] == digest.removeprefix("sha256:"), (stop, image)


class Puller(threading.Thread):
    """Pulls tags and digests, one after the other, until it is told to stop; `problems` are what it met."""

    def __init__(self, registry: Registry, old: dict[str, str], new: dict[str, str]) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.pulls = 0
        self.seen: set[tuple[str, str]] = set()
        self._registry = registry
        self._old = old
        self._new = new
        self._ended = threading.Event()

    def run(self) -> None:
        known: set[tuple[str, str]] = {(split(name)[0], digest) for name, digest in self._old.items()}
        while not self._ended.is_set():
            for name in sorted(self._old.keys() | self._new.keys()):
                self._pull_tag(name, known)
            for repository, digest in sorted(known):
                self._attempt(repository, digest)

    def _pull_tag(self, name: str, known: set[tuple[str, str]]) -> None:
        repository, tag = split(name)
        listed = tag in self._registry.tags(repository)
        if name not in self._old and not listed:
            return
        digest = self._attempt(repository, tag)
        if digest is not None and digest not in (self._old.get(name), self._new.get(name)):
            self.problems.append(f"{name} is {digest}")
        elif digest is not None:
            self.seen.add((name, digest))
            known.add((repository, digest))

    def _attempt(self, repository: str, reference: str) -> str | None:
        self.pulls += 1
        try:
            return self._registry.pull(repository, reference)
        except LookupError as error:
            self.problems.append(str(error))
            return None

    def stop(self) -> None:
        self._ended.set()
        self.join()


def test_adversary_54_a_loop_of_pulls_never_meets_a_broken_or_mixed_image(
    releases: Releases, old: Path, root: Path, zygote: Zygote, registry: Registry, tmp_path: Path
) -> None:
    """Applies at full speed, and applies that take 20 ms for each rename, so that pulls fall between all of them."""
    before = tag_digests(releases.r1_tree)
    after = before | tag_digests(releases.r2_tree)
    pulls = 0
    for slow in (False, False, False, True):
        fresh(old, root)
        puller = Puller(registry, before, after)
        puller.start()
        try:
            run = zygote.start(command(releases, root))
            if slow:
                with strace.traced(
                    run, ["renameat"], tmp_path / "trace", threads=False, inject="renameat:delay_exit=20000"
                ):
                    ended = run.wait()
            else:
                run.go()
                ended = run.wait()
        finally:
            puller.stop()
        assert ended.code == 0, ended
        assert puller.problems == []
        pulls += puller.pulls
    assert ("shop/worker:stable", before["shop/worker:stable"]) in puller.seen
    assert pulls > 40
