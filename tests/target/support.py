"""Three small releases, what airpatch does with them on roots, and a registry's view of what comes of it.

`served` and `push` know the registry's storage by themselves (distribution `registry/storage/paths.go`), so that
the library is not measured with its own ruler.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from airpatch.archive.frame_reader import FrameReader
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.reader import BundleStream
from airpatch.archive.writer import write_bundle
from airpatch.errors import TargetError as TargetError
from airpatch.format.index import Base, Index
from airpatch.format.release_part import release_id
from airpatch.model.digest import Digest
from airpatch.model.release import DEFAULT_PRODUCT, Release
from airpatch.patches.bases import BaseState
from airpatch.patches.patch_plan import plan_patch
from airpatch.progress import NO_PROGRESS, Progress
from airpatch.target import installer
from airpatch.target.installer import Applied
from airpatch.target.root import Root
from airpatch.target.state import State, locked
from tests.support import Builder, MemorySink, execution, frame_reader

STORAGE = "docker/registry/v2"
LAYERS = {"base": b"base " * 400, "large": bytes(range(256)) * 800}


@dataclass(frozen=True)
class Sample:
    """A release with everything that it is made of."""

    builder: Builder
    release: Release

    @property
    def id(self) -> Digest:
        return release_id(self.release)

    @cached_property
    def full(self) -> bytes:
        return self.pack(Index.full(self.release))

    @property
    def base(self) -> BaseState:
        """A target that has this release and nothing else."""
        return BaseState(
            Base(self.id, self.release.name),
            {blob.digest: blob.size for blob in self.release.blobs},
            frozenset(image.name.repository for image in self.release.images),
        )

    def patch(self, *bases: Sample) -> bytes:
        return self.pack(plan_patch(self.release, [base.base for base in bases]))

    def pack(self, index: Index) -> bytes:
        sink = MemorySink()
        stored = {blob.digest for blob in index.stored}
        manifests = {d: c for d, c in self.builder.manifests.items() if d in stored or index.is_full}
        write_bundle(PreparedBundle(index, manifests, self.builder.content), sink, execution(2))
        return bytes(sink.data)

    @property
    def tags(self) -> dict[str, Digest]:
        return {str(image.name): image.manifest for image in self.release.images}


def sample(builder: Builder, name: str, sequence: int = 0, product: str = DEFAULT_PRODUCT) -> Sample:
    return Sample(builder, replace(builder.release, name=name, sequence=sequence, product=product))


def of_product(product: str, number: int) -> Sample:
    """A release of `product`: an image of its own, and one that all products have."""
    builder = Builder()
    builder.tag(f"{product}/web:r{number}", builder.picture([b"base", f"{product} {number}".encode()]))
    builder.tag(f"{product}/tools:r{number}", builder.picture([b"tools"]))
    return sample(builder, f"r{number}", number, product)


def r1() -> Sample:
    """Three repositories: two images on one base, and an index with a signed child."""
    builder = Builder()
    web = builder.picture([LAYERS["base"], LAYERS["large"], b"web 1"])
    builder.tag("shop/web:r1", web, {web: [b"signature of web 1"]})
    builder.tag("shop/web:stable", web, {web: [b"signature of web 1"]})
    builder.tag("shop/worker:r1", builder.picture([LAYERS["base"], b"worker 1"], config=b'{"os":"linux","n":1}'))
    children = [builder.picture([LAYERS["base"], name], config=b'{"os":"%s"}' % name) for name in (b"amd64", b"arm64")]
    builder.tag("proxy:r1", builder.index(children), {children[0]: [b"signature of a child"]})
    return sample(builder, "r1", 1)


def r2() -> Sample:
    """`web` has a new layer, `worker` is the same under a new tag, one child of `proxy` is new."""
    builder = Builder()
    web = builder.picture([LAYERS["base"], LAYERS["large"], b"web 2"])
    builder.tag("shop/web:r2", web, {web: [b"signature of web 2"]})
    builder.tag("shop/web:stable", web, {web: [b"signature of web 2"]})
    builder.tag("shop/worker:r2", builder.picture([LAYERS["base"], b"worker 1"], config=b'{"os":"linux","n":1}'))
    children = [builder.picture([LAYERS["base"], name], config=b'{"os":"%s"}' % name) for name in (b"amd64", b"riscv")]
    builder.tag("proxy:r2", builder.index(children))
    return sample(builder, "r2", 2)


def r3() -> Sample:
    """`proxy` is gone, `tools` is new, `web` has a large layer of its own."""
    builder = Builder()
    web = builder.picture([LAYERS["base"], bytes(reversed(LAYERS["large"])), b"web 3"])
    builder.tag("shop/web:r3", web)
    builder.tag("shop/web:stable", web)
    builder.tag("shop/worker:r3", builder.picture([LAYERS["base"], b"worker 3"], config=b'{"os":"linux","n":3}'))
    builder.tag("tools:r3", builder.picture([b"tools"]))
    return sample(builder, "r3", 3)


def tiny(number: int) -> Sample:
    """One image of two layers under a new tag and a tag that moves; the fewest changes that show everything."""
    builder = Builder()
    image = builder.picture([b"base", b"layer %d" % number], config=b"{}")
    builder.tag(f"web:r{number}", image)
    builder.tag("web:stable", image)
    return sample(builder, f"r{number}", number)


@contextmanager
def feeds(*bundles: bytes, kind: str = "file") -> Iterator[list[FrameReader]]:
    opened = [frame_reader(kind, bundle) for bundle in bundles]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


def install(
    path: Path, *bundles: bytes, kind: str = "file", progress: Progress = NO_PROGRESS, **options: Any
) -> list[Applied]:
    with feeds(*bundles, kind=kind) as opened:
        return installer.install(opened, path, execution(2, progress), **options)


def try_out(path: Path, *bundles: bytes, **options: Any) -> list[Applied]:
    with feeds(*bundles) as opened:
        return installer.preview(opened, path, execution(), **options)


def index_of(bundle: bytes) -> Index:
    from concurrent.futures import ThreadPoolExecutor

    with closing(frame_reader("file", bundle)) as source, ThreadPoolExecutor(1) as pool:
        return BundleStream(source, pool).index


@contextmanager
def opened(path: Path) -> Iterator[tuple[Root, State]]:
    with Root(path, create=True) as root, locked(root) as state:
        yield root, state


MEMORY = Path("/dev/shm")


@contextmanager
def temporary() -> Iterator[Path]:
    """An empty folder, in memory where the machine has such: `syncfs` of a busy disk takes its time."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        yield Path(folder)


def descriptors() -> int:
    """Open files and folders of this process, without those that wait to be collected.

    Sockets and pipes do not count: threads that serve other tests open and close them at any time.
    """
    gc.collect()
    modes = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of this very list is closed
            modes.append(os.fstat(int(name)).st_mode)
    return sum(stat.S_ISREG(mode) or stat.S_ISDIR(mode) for mode in modes)


# What lies on a disk


def snapshot(path: Path) -> dict[str, object]:
    """Everything below `path`: content of files, targets of links, types of all else."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(path):
        for name in [*folders, *files]:
            entry = Path(folder, name)
            mode = entry.lstat().st_mode
            if stat.S_ISREG(mode):
                found[str(entry.relative_to(path))] = entry.read_bytes()
            elif stat.S_ISLNK(mode):
                found[str(entry.relative_to(path))] = ("link", str(entry.readlink()))
            else:
                found[str(entry.relative_to(path))] = stat.S_IFMT(mode)
    return found


def outside(path: Path) -> dict[str, object]:
    """What a registry can see: all but what lies in `.airpatch`."""
    return {name: value for name, value in snapshot(path).items() if not name.startswith(".airpatch")}


def staging(path: Path) -> list[str]:
    """What is in staging, which a run on a root without any state removes."""
    folder = path / ".airpatch/staging"
    return sorted(os.listdir(folder)) if folder.exists() else []


def blob_file(path: Path, digest: Digest) -> Path:
    return path / STORAGE / "blobs/sha256" / digest.hex[:2] / digest.hex / "data"


# The registry


def served(path: Path) -> dict[str, Digest]:
    """All tags with their manifests; every one is pulled as a client would, and must be whole."""
    tags: dict[str, Digest] = {}
    top = path / STORAGE / "repositories"
    for folder in sorted(top.rglob("_manifests/tags/*")):
        repository = folder.parents[2]
        digest = Digest.parse((folder / "current/link").read_text())
        assert (folder / f"index/sha256/{digest.hex}/link").read_text() == str(digest)
        pull(path, repository, digest)
        tags[f"{repository.relative_to(top)}:{folder.name}"] = digest
    return tags


def pull(path: Path, repository: Path, digest: Digest) -> None:
    assert (repository / f"_manifests/revisions/sha256/{digest.hex}/link").read_text() == str(digest)
    content = blob_file(path, digest).read_bytes()
    assert Digest.of(content) == digest
    document = json.loads(content)
    for child in document.get("manifests", ()):
        pull(path, repository, Digest.parse(child["digest"]))
    for blob in [document[k] for k in ("config",) if k in document] + document.get("layers", []):
        layer = Digest.parse(blob["digest"])
        assert (repository / f"_layers/sha256/{layer.hex}/link").read_text() == str(layer)
        data = blob_file(path, layer).read_bytes()
        assert len(data) == blob["size"]
        assert hashlib.sha256(data).digest() == layer.raw


def put(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def push(path: Path, builder: Builder, name: str | None, manifest: bytes, repository: str = "") -> Digest:
    """Do what a registry does when a client pushes `manifest`, as the tag `name` or by digest into `repository`."""
    document = json.loads(manifest)
    repository, _, tag = name.rpartition(":") if name else (repository, "", "")
    folder = path / STORAGE / "repositories" / repository
    for child in document.get("manifests", ()):
        push(path, builder, None, builder.manifests[Digest.parse(child["digest"])], repository)
    for blob in [document[k] for k in ("config",) if k in document] + document.get("layers", []):
        layer = Digest.parse(blob["digest"])
        put(blob_file(path, layer), builder.blobs[layer])
        put(folder / f"_layers/sha256/{layer.hex}/link", str(layer))
    digest = Digest.of(manifest)
    put(blob_file(path, digest), manifest)
    put(folder / f"_manifests/revisions/sha256/{digest.hex}/link", str(digest))
    if tag:
        put(folder / f"_manifests/tags/{tag}/index/sha256/{digest.hex}/link", str(digest))
        put(folder / f"_manifests/tags/{tag}/current/link", str(digest))
    return digest


def drop(path: Path, digests: Sequence[Digest]) -> None:
    """Delete blobs as a garbage collection does: with their folders."""
    for digest in digests:
        file = blob_file(path, digest)
        file.unlink()
        file.parent.rmdir()


def damage(path: Path, digest: Digest, kind: str = "middle") -> None:
    """Make a blob wrong: empty, short, or another byte at the first, middle or last place."""
    file = blob_file(path, digest)
    data = bytearray(file.read_bytes())
    if kind == "empty":
        data.clear()
    elif kind == "short":
        data.pop()
    else:
        place = {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}[kind]
        data[place] ^= 1
    file.unlink()
    file.write_bytes(data)


def mark(path: Path) -> set[Digest]:
    """The blobs that a garbage collection keeps: what the revisions lead to (`registry/storage/garbagecollect.go`)."""
    marked: set[Digest] = set()
    for link in (path / STORAGE / "repositories").rglob("_manifests/revisions/sha256/*/link"):
        digest = Digest.parse(link.read_text())
        document = json.loads(blob_file(path, digest).read_bytes())
        below = document.get("manifests", []) + document.get("layers", [])
        below += [document["config"]] if "config" in document else []
        marked |= {digest, *(Digest.parse(one["digest"]) for one in below)}
    return marked


def sweep(path: Path, marked: set[Digest]) -> None:
    """Delete all other blobs."""
    for file in (path / STORAGE / "blobs/sha256").glob("*/*/data"):
        digest = Digest.from_hex(file.parent.name)
        if digest not in marked:
            drop(path, [digest])


# Watching


class Killed(BaseException):
    """Stands for the end of the process."""


CHANGES = (
    *("create", "link", "rename", "move_folder", "set_aside", "swap_folder", "unlink", "remove_folder", "make_folder"),
    *("sync", "make_workplace", "remove_home", "open_lock", "clear_folder"),
)


@contextmanager
def watched(before: Callable[[int, str, str], None]) -> Iterator[list[tuple[str, str]]]:
    """Call `before` with number, kind and path of every change to a root, before it is done; gives those done."""
    done: list[tuple[str, str]] = []
    originals = {name: getattr(Root, name) for name in CHANGES}

    def watch(name: str) -> Callable[..., object]:
        def call(self: Root, *args: Any) -> object:
            path = str(args[-1]) if args and name != "sync" else ""
            before(len(done), name, path)
            done.append((name, path))
            return originals[name](self, *args)

        return call

    try:
        for name in CHANGES:
            setattr(Root, name, watch(name))
        yield done
    finally:
        for name, original in originals.items():
            setattr(Root, name, original)


some_and_all = pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
"""Of the steps before which a process may be killed, every fourth; in a slow test each of them."""


def killing(at: int) -> Callable[[int, str, str], None]:
    """End the process before change number `at`; nothing happens after that, no tidying up either."""

    def before(number: int, _name: str, _path: str) -> None:
        if number >= at:
            raise Killed

    return before
