"""Images and bundles that the tests of operations share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from airpatch.destinations.restorer import restore_images
from tests.support import Builder, execution


def write_images(folder: Path, images: Mapping[str, Sequence[bytes]]) -> None:
    """A tree of `dir:` images, each of the given layers."""
    builder = Builder()
    for name, layers in images.items():
        builder.tag(name, builder.picture(layers, config=b'{"name":"%s"}' % name.encode()))
    restore_images(builder.release.images, builder.manifests, builder.content, folder, execution())
