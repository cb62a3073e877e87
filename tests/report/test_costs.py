"""What several images share is divided among them, and no byte is counted twice or lost."""

from __future__ import annotations

from airpatch.format.index import Disposition, Index
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.costs import costs_of
from tests.support import Builder

SHARED, OWN, OLD = b"s" * 101, b"o" * 500, b"x" * 3000
ONE, TWO = ImageName("shop/one", "r2"), ImageName("shop/two", "r2")


def patch(*left_out: bytes) -> tuple[Index, dict[Digest, bytes], dict[str, int]]:
    """A patch with all but `left_out` and OLD, its manifests, and their sizes by image."""
    builder = Builder()
    one, two = builder.picture([SHARED, OWN, OLD], config=b"{1}"), builder.picture([SHARED, OLD], config=b"{22}")
    builder.tag(str(ONE), one)
    builder.tag(str(TWO), two)
    release = builder.release
    there = {Digest.of(OLD), *map(Digest.of, left_out)}
    dispositions = tuple(Disposition.LEFT_OUT if blob.digest in there else Disposition.STORED for blob in release.blobs)
    return Index(release, dispositions, (), (), (), ()), builder.manifests, {str(ONE): len(one), str(TWO): len(two)}


def test_shared_blobs_are_divided() -> None:
    index, contents, manifests = patch()
    costs = costs_of(index, contents)
    assert dict(costs.images) == {ONE: manifests[str(ONE)] + 3 + 500 + 51, TWO: manifests[str(TWO)] + 4 + 50}
    assert costs.images[0][0] == ONE
    assert (Digest.of(OWN), 500) in costs.blobs
    assert sorted((size for _, size in costs.blobs), reverse=True) == [size for _, size in costs.blobs]
    assert costs.total == sum(size for _, size in costs.images) == costs.whole
    assert costs.unattributed == 0


def test_what_no_known_manifest_names_is_unattributed() -> None:
    index, contents, manifests = patch()
    one = next(image.manifest for image in index.release.images if image.name == ONE)
    costs = costs_of(index, {digest: content for digest, content in contents.items() if digest != one})
    assert dict(costs.images) == {TWO: manifests[str(TWO)] + 4 + 101}
    assert costs.unattributed == manifests[str(ONE)] + 3 + 500


def test_images_that_cost_nothing_are_not_named() -> None:
    index, contents, manifests = patch(SHARED, b"{22}")
    two = next(image.manifest for image in index.release.images if image.name == TWO)
    dispositions = tuple(
        Disposition.LEFT_OUT if blob.digest == two else disposition
        for blob, disposition in zip(index.release.blobs, index.dispositions, strict=True)
    )
    costs = costs_of(Index(index.release, dispositions, (), (), (), ()), contents)
    assert dict(costs.images) == {ONE: manifests[str(ONE)] + 3 + 500}
