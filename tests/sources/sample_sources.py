"""The sample images as every kind of source, and where each kind keeps a blob, to damage it there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.destinations.restorer import Form, restore_images
from airpatch.format import registry
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.sources.gather import Gathered, gather
from airpatch.store.adding import add_release
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import make_store
from airpatch.store.store_address import parse_store_address
from tests.support import MemorySink, contents_of, execution

IMAGES = Path(__file__).parents[2] / "fixtures/images/r1"


@dataclass(frozen=True)
class Kind:
    """`make` turns the tree of `dir:` images `tree` into a source at `path`; `blob` is where one of its blobs lies."""

    name: str
    make: Callable[[Path, Path], None]
    blob: Callable[[str, Digest], str]


def pack(gathered: Gathered) -> bytes:
    sink = MemorySink()
    write_bundle(PreparedBundle(Index.full(gathered.release), gathered.manifests, gathered.content), sink, execution(2))
    return bytes(sink.data)


def unpack(bundle: bytes, root: Path) -> None:
    """What plain tar makes of a full bundle."""
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", root], input=b"".join(contents_of(bundle)), check=True)


def _copy(tree: Path, path: Path) -> None:
    shutil.copytree(tree, path)


def _registry(tree: Path, path: Path) -> None:
    unpack(pack(gather([str(tree)])), path)


def _layout(tree: Path, path: Path) -> None:
    found = gather([str(tree)])
    restore_images(found.release.images, found.manifests, found.content, path, execution(), form=Form.OCI)


def _bundle(tree: Path, path: Path) -> None:
    path.write_bytes(pack(gather([str(tree)])))


def _archive(tree: Path, path: Path) -> None:
    layout = path.with_name("layout")
    _layout(tree, layout)
    subprocess.run(["tar", "-C", layout, "-cf", path, "."], check=True)
    shutil.rmtree(layout)


def _store(tree: Path, path: Path) -> None:
    found = gather([str(tree)])
    store = make_store(parse_store_address(str(path)))
    add_release(store, found.release, found.manifests, found.content, execution())


FOLDERS = (
    Kind("dir", _copy, lambda image, digest: f"{image}/{digest.hex}"),
    Kind("registry", _registry, lambda _, digest: registry.blob_path(digest)),
    Kind("oci", _layout, lambda _, digest: f"blobs/sha256/{digest.hex}"),
)
KINDS = (
    *FOLDERS,
    Kind("bundle", _bundle, lambda _, digest: ""),
    Kind("oci-archive", _archive, lambda _, digest: ""),
    Kind("store", _store, lambda _, digest: blob_name(digest)),
)
