"""Every `Content` keeps the promises of `airpatch.blobs.content`: sizes, bytes at any offset, one error."""

from __future__ import annotations

import inspect
import io
import pkgutil
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest

import airpatch
from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import BytesContent, ChainedContent, Content
from airpatch.blobs.scratch import ScratchFile, ScratchStore, scratch_files
from airpatch.blobs.stopping import Stoppable
from airpatch.blobs.tree import Tree
from airpatch.errors import SourceError
from airpatch.execution import Cancellation
from airpatch.files.packing import _PackedLayers
from airpatch.layers.differ import LayerPatches
from airpatch.layers.rebuilt_content import RebuiltContent
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.patches.merging import WholePatches
from airpatch.product_line.spooled_blobs import SpooledBlobs
from airpatch.progress import ProgressPart
from airpatch.registry_api.fetched_ahead import FetchedAhead
from airpatch.registry_api.pulling import Repository
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from airpatch.serving.rebuilt_on_demand import RebuiltOnDemand, _KeptBlob
from airpatch.sources.arriving import _ReadOnce
from airpatch.sources.docker_archives import ArchiveContent
from airpatch.sources.gather import GatheredContent
from airpatch.sources.image_files import TreeContent
from airpatch.sources.source import LoadedImage
from airpatch.sources.tar_files import open_archive
from airpatch.store.object_names import blob_name
from airpatch.store.release_store import StoreContent, make_store
from airpatch.store.store_address import parse_store_address
from airpatch.target.root import Root
from airpatch.target.staging import Staging
from airpatch.target.state import locked
from tests.support import Builder, MemoryContent, execution

BLOB = bytes(range(256)) * 700
DIGEST = Digest.of(BLOB)
ABSENT = Digest.of(b"absent")


@contextmanager
def chained(_: Path) -> Iterator[ChainedContent]:
    yield ChainedContent([MemoryContent({}), MemoryContent({DIGEST: BLOB})])


@contextmanager
def stoppable(_: Path) -> Iterator[Stoppable]:
    yield Stoppable(MemoryContent({DIGEST: BLOB}), Cancellation())


@contextmanager
def bundle_file(place: Path) -> Iterator[BundleFile]:
    builder = Builder()
    builder.tag("a:r1", builder.picture([BLOB]))
    (place / "bundle").write_bytes(builder.bundle())
    with closing(BundleFile(str(place / "bundle"))) as bundle:
        yield bundle


@contextmanager
def tree_content(place: Path) -> Iterator[TreeContent]:
    (place / DIGEST.hex).write_bytes(BLOB)
    with closing(Tree(place)) as tree:
        yield TreeContent(tree, lambda digest: digest.hex)


@contextmanager
def gathered_content(_: Path) -> Iterator[GatheredContent]:
    content = GatheredContent()
    loaded = LoadedImage(DIGEST, {}, {}, (), MemoryContent({DIGEST: BLOB}))
    content.add(DIGEST, len(BLOB), ImageName("a", "r1"), loaded)
    yield content


@contextmanager
def rebuilt(place: Path) -> Iterator[RebuiltContent]:
    with closing(RebuiltContent(scratch_files(place))) as content:
        receiver = content.output(DIGEST, len(BLOB))
        receiver.write(memoryview(BLOB))
        receiver.complete()
        yield content


@contextmanager
def layer_patches(place: Path) -> Iterator[LayerPatches]:
    with closing(LayerPatches(ScratchStore(scratch_files(place)))) as patches:
        file = ScratchFile(scratch_files(place), "patch")
        file.append(BLOB)
        patches.parts[DIGEST] = patches.store.keep(file)
        yield patches


@contextmanager
def whole_patches(_: Path) -> Iterator[WholePatches]:
    inner = BLOB[100:]
    patches = WholePatches(MemoryContent({Digest.of(inner): inner}))
    patches.add(DIGEST, BLOB[:100], Digest.of(inner), len(inner))
    yield patches


@contextmanager
def staging(place: Path) -> Iterator[Staging]:
    with Root(place, create=True) as root, locked(root) as state, Staging(state, ()) as content:
        content.paths[DIGEST] = state.staged()
        root.write(content.paths[DIGEST], BLOB)
        yield content


@contextmanager
def archive_content(place: Path) -> Iterator[ArchiveContent]:
    with tarfile.open(place / "images.tar", "w") as tar:
        member = tarfile.TarInfo("layer")
        member.size = len(BLOB)
        tar.addfile(member, io.BytesIO(BLOB))
    archive = open_archive(place / "images.tar", scratch_files(place))
    assert archive is not None
    yield ArchiveContent(archive, {DIGEST: "layer"})


@contextmanager
def remote_blobs(place: Path) -> Iterator[RemoteBlobs]:
    """With the blob in its cache: registries are tested in tests/registry_api."""
    path = place / "sha256" / DIGEST.hex
    path.parent.mkdir()
    path.write_bytes(BLOB)
    with closing(RemoteBlobs(scratch_files(place), place, "the registry", 1)) as blobs:
        blobs.known[DIGEST] = RemoteBlob(cast(Repository, None), len(BLOB))
        yield blobs


@contextmanager
def bytes_content(_: Path) -> Iterator[BytesContent]:
    yield BytesContent({DIGEST: BLOB})


@contextmanager
def rebuilt_on_demand(place: Path) -> Iterator[RebuiltOnDemand]:
    with (
        rebuilt(place) as made,
        closing(RebuiltOnDemand([], MemoryContent({}), set(), 1 << 20, execution())) as content,
    ):
        content._sizes[DIGEST] = len(BLOB)
        content._kept[DIGEST] = _KeptBlob(made, len(BLOB))
        yield content


@contextmanager
def packed_layers(place: Path) -> Iterator[_PackedLayers]:
    content = _PackedLayers(scratch_files(place))
    file = ScratchFile(scratch_files(place), "layer")
    file.append(BLOB)
    content._layers[DIGEST] = content._store.keep(file)
    with closing(content._store):
        yield content


@contextmanager
def fetched_ahead(_: Path) -> Iterator[FetchedAhead]:
    base = MemoryContent({DIGEST: BLOB})
    with ThreadPoolExecutor(1) as pool:
        yield FetchedAhead(base, {}, [], pool, ProgressPart())


@contextmanager
def read_once(place: Path) -> Iterator[_ReadOnce]:
    with fetched_ahead(place) as ahead:
        yield _ReadOnce(ahead, {})


@contextmanager
def store_content(place: Path) -> Iterator[StoreContent]:
    store = make_store(parse_store_address(str(place / "store")))
    store.objects.put(blob_name(DIGEST), BLOB)
    yield store.content


@contextmanager
def spooled_blobs(_: Path) -> Iterator[SpooledBlobs]:
    with closing(SpooledBlobs(MemoryContent({DIGEST: BLOB}), execution())) as spooled:
        spooled.fetch(DIGEST, len(BLOB))
        yield spooled


IMPLEMENTATIONS = (
    fetched_ahead,
    read_once,
    chained,
    stoppable,
    bundle_file,
    tree_content,
    gathered_content,
    rebuilt,
    layer_patches,
    whole_patches,
    staging,
    archive_content,
    packed_layers,
    rebuilt_on_demand,
    remote_blobs,
    bytes_content,
    store_content,
    spooled_blobs,
)


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda make: make.__name__)
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Content]:
    with request.param(tmp_path) as made:
        yield made


def contents() -> set[type]:
    """The classes of airpatch that have the methods of a `Content`."""
    found = set()
    for module in pkgutil.walk_packages(airpatch.__path__, "airpatch."):
        if module.name == "airpatch.__main__":
            continue
        for _, each in inspect.getmembers(import_module(module.name), inspect.isclass):
            open_ = getattr(each, "open", None)
            if inspect.isfunction(open_) and list(inspect.signature(open_).parameters) == ["self", "digest", "size"]:
                found.add(each)
    return found - {Content}


def test_every_implementation_is_held_to_this(tmp_path: Path) -> None:
    covered = set()
    for number, make in enumerate(IMPLEMENTATIONS):
        place = tmp_path / str(number)
        place.mkdir()
        with make(place) as made:
            covered.add(type(made))
    assert covered == contents()


def test_the_size_of_a_blob(content: Content) -> None:
    assert content.size(DIGEST) == len(BLOB)
    assert content.size(ABSENT) is None


@pytest.mark.parametrize(("offset", "size"), [(0, len(BLOB)), (0, 1), (99, 3), (len(BLOB) - 1, 1), (len(BLOB), 0)])
def test_bytes_at_any_offset(content: Content, offset: int, size: int) -> None:
    with closing(content.open(DIGEST, len(BLOB))) as reader:
        buffer = bytearray(size)
        reader.read_into(memoryview(buffer), offset)
    assert buffer == BLOB[offset : offset + size]


def test_a_blob_can_be_opened_twice_at_once(content: Content) -> None:
    with closing(content.open(DIGEST, len(BLOB))) as one, closing(content.open(DIGEST, len(BLOB))) as other:
        buffers = [bytearray(10), bytearray(10)]
        for reader, buffer, offset in zip((one, other), buffers, (5, 70000), strict=True):
            reader.read_into(memoryview(buffer), offset)
    assert buffers == [BLOB[5:15], BLOB[70000:70010]]


def test_a_blob_that_is_not_there(content: Content) -> None:
    with pytest.raises(SourceError):
        content.open(ABSENT, 6)


@pytest.mark.parametrize("size", [len(BLOB) - 1, len(BLOB) + 1, 0])
def test_a_blob_of_another_size(content: Content, size: int) -> None:
    with pytest.raises(SourceError, match="bytes"):
        content.open(DIGEST, size)
