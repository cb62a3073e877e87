"""Which images use which blobs."""

from __future__ import annotations

import pytest

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.report import usage as usage_module
from airpatch.report.usage import usage
from tests.support import Builder


def sample() -> Builder:
    builder = Builder()
    builder.tag("one:r1", builder.picture([b"shared", b"own"]))
    builder.tag("two:r1", builder.index([builder.picture([b"shared"], config=b"2")]))
    return builder


def test_users_and_sizes() -> None:
    builder = sample()
    found = usage(builder.images, builder.manifests)
    one, two = (image.name for image in builder.images)
    assert found.images[Digest.of(b"shared")] == (one, two)
    assert found.images[Digest.of(b"own")] == (one,)
    assert found.images[builder.images[1].manifest] == (two,)
    assert found.layers == {Digest.of(b"shared"): 6, Digest.of(b"own"): 3}


def test_images_whose_manifests_are_not_there_use_nothing() -> None:
    assert usage(sample().images, {}).images == {}


def test_too_many_references_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "MAX_REFERENCES", 4)
    with pytest.raises(FormatError, match="more than 4 references"):
        usage(sample().images, sample().manifests)
