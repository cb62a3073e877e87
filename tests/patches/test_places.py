"""Where layers lie, as far as manifests and configs tell; what does not tell is left out."""

from __future__ import annotations

from airpatch.layers.resemblance import LayerPlace
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.patches.places import manifests_in, places
from tests.support import Builder, MemoryContent

ARM = b'{"os":"linux","architecture":"arm64","variant":"v8"}'
AMD = b'{"os":"linux","architecture":"amd64"}'


def place(repositories: str, platforms: str, *positions: int) -> LayerPlace:
    return LayerPlace(frozenset(repositories.split()), frozenset(platforms.split()), frozenset(positions))


def built() -> Builder:
    builder = Builder()
    amd = builder.picture([b"base", b"amd"], config=AMD)
    arm = builder.picture([b"base", b"arm"], config=ARM)
    builder.tag("shop/web:1", builder.index([amd, arm]))
    builder.tag("shop/admin:1", builder.picture([b"arm", b"admin"], config=AMD))
    return builder


def test_repositories_platforms_and_positions() -> None:
    builder = built()
    found = places(builder.images, builder.manifests.get, MemoryContent(builder.blobs))
    assert found == {
        Digest.of(b"base"): place("shop/web", "linux/amd64/ linux/arm64/v8", 0),
        Digest.of(b"amd"): place("shop/web", "linux/amd64/", 1),
        Digest.of(b"arm"): place("shop/web shop/admin", "linux/amd64/ linux/arm64/v8", 0, 1),
        Digest.of(b"admin"): place("shop/admin", "linux/amd64/", 1),
    }


def test_manifests_out_of_content() -> None:
    builder = built()
    content = MemoryContent(builder.blobs | builder.manifests)
    sizes = {digest: len(data) for digest, data in builder.manifests.items()}
    assert places(builder.images, manifests_in(content, sizes), content) == places(
        builder.images, builder.manifests.get, content
    )


def test_what_is_not_there_or_says_nothing_is_left_out() -> None:
    builder = built()
    sizes = {digest: len(data) + 1 for digest, data in builder.manifests.items()}
    content = MemoryContent(builder.manifests)
    assert places(builder.images, manifests_in(content, sizes), content) == {}
    assert places(builder.images, lambda _: None, content) == {}
    without_configs = places(builder.images, builder.manifests.get, content)
    assert without_configs[Digest.of(b"amd")] == place("shop/web", "", 1)
    for config in (b"", b"[]", b"{", b'{"architecture":1}', b"[" * 100_000, b"\xff"):
        odd = Builder()
        odd.tag("a:1", odd.picture([b"layer"], config=config))
        assert places(odd.images, odd.manifests.get, MemoryContent(odd.blobs)) == {
            Digest.of(b"layer"): place("a", "", 0)
        }
    image = Image(ImageName.parse("a:1"), Digest.of(b"no manifest"), ())
    assert places([image], lambda _: b"no manifest", content) == {}


def test_places_of_several_releases_add_up() -> None:
    assert place("a", "x", 1) | place("b", "x", 2) == place("a b", "x", 1, 2)
