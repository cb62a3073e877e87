"""Random small releases that share layers, manifests and tags, as bundles in files."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.patches.merging import merge_full, merge_patches
from tests.support import Builder, MemorySink, execution
from tests.target.support import Sample, sample

NAMES = ["a:1", "a:2", "a:stable", "a/b:1", "c:1", "d/e/f:1"]


@st.composite
def releases(draw: st.DrawFn, number: int = 0) -> Sample:
    builder = Builder()
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        pictures = [
            builder.picture([b"layer %d" % layer * 20 for layer in layers], config=b'{"os":"linux"}')
            for layers in draw(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=2))
        ]
        top = builder.index(pictures) if draw(st.booleans()) else pictures[0]
        signed = {top: [b"signature of %d" % number]} if draw(st.booleans()) and name == "c:1" else None
        builder.tag(name, top, signed)
    return sample(builder, f"r{number}", number)


def chains(least: int = 2, most: int = 4) -> st.SearchStrategy[list[Sample]]:
    return st.integers(least, most).flatmap(lambda count: st.tuples(*map(releases, range(1, count + 1))).map(list))


def stored(place: Path, *bundles: bytes) -> list[BundleFile]:
    """The bundles, in files `1` and so on, opened."""
    opened = []
    for number, bundle in enumerate(bundles, 1):
        (place / str(number)).write_bytes(bundle)
        opened.append(BundleFile(str(place / str(number))))
    return opened


def merge(bundles: list[BundleFile]) -> PreparedBundle:
    """The full bundle; scratch files are in memory."""
    return merge_full(bundles, execution())


def merge_chain(patches: list[BundleFile]) -> PreparedBundle:
    """One patch."""
    return merge_patches(patches, execution())


def written(merged: PreparedBundle) -> bytes:
    sink = MemorySink()
    with merged:
        write_bundle(merged, sink, execution())
    return bytes(sink.data)
