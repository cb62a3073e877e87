"""OCI layouts that the target `roots` begins with: entries without a name, of one name, or that refer to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airpatch.format.layout import image_signature_folder
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX, OCI_MANIFEST
from airpatch.sources.location import CONTAINERD_NAME, OCI_BLOBS, OCI_LAYOUT, REF_NAME
from airpatch.sources.location import OCI_INDEX as INDEX_FILE
from airpatch.sources.oci_layouts import COSIGN_KIND
from fixtures.vector_kit import LAYER, LAYER_TYPE, Document, Draft, describe, encode

_NAME = "shop/web:r1"
_DEEP = 12
"""Indexes in one another: more than a release may have."""


@dataclass(frozen=True)
class _Manifests:
    """What entries name: two images, an index of both, and what refers to them, one after the other."""

    draft: Draft
    image: bytes
    other: bytes
    index: bytes
    referrer: bytes
    signature: bytes


def layouts() -> Iterator[dict[str, bytes]]:
    """Yield the files of small layouts."""
    found = _manifests()
    for entries in _entries(found):
        yield _layout(found.draft, *entries)
    yield from map(_layout_of_one, _unusual())
    yield _layout_of_one(_nested())
    for numbers in ((1,), (2,), (1, 2)):
        (image,) = foreign().images
        folder = f"{image_signature_folder('shop/web', image.manifest)}/"
        yield _layout_of_one(foreign()) | {f"{folder}signature-{number}": b"signed" for number in numbers}


def foreign() -> Draft:
    """A release with a layer that a registry need not hold."""
    draft = Draft()
    layer = describe(draft.blob(LAYER), LAYER_TYPE) | {"urls": ["https://example.com"]}
    draft.tag(_NAME, draft.manifest(draft.picture(layers=[layer])))
    return draft


def _manifests() -> _Manifests:
    draft = Draft()
    image, other = draft.manifest(draft.picture(LAYER)), draft.manifest(draft.picture())
    index = draft.manifest(draft.index(image, other))
    config = describe(draft.blob(b"{}"), "application/vnd.oci.empty.v1+json")
    artifact = draft.picture(config=config, subject=describe(image, OCI_MANIFEST), annotations={"made": "by"})
    referrer = draft.manifest(artifact)
    config = {key: value for key, value in config.items() if key != "mediaType"}
    about = draft.picture(config=config, subject=describe(referrer, OCI_MANIFEST))
    return _Manifests(draft, image, other, index, referrer, draft.manifest(about))


def _entries(found: _Manifests) -> Iterator[list[Document]]:
    image, other = found.image, found.other
    named, unnamed = _entry(image, _NAME), [_entry(each) for each in (image, other, found.referrer, found.signature)]
    digest, wrong = (Digest.of(content) for content in (image, other))
    yield [named, named]
    yield [named, _entry(other, _NAME)]
    for name in (f"shop/web@{digest}", f"{_NAME}@{digest}", f"{_NAME}@{wrong}", f"shop/web@{wrong}", "r1", "Bad:r1"):
        yield [_entry(image, name), _entry(image, name, annotation=CONTAINERD_NAME), _entry(other, "shop/api:r1")]
    yield [_entry(image, "shop/\u202eweb:r1"), _entry(other, "shop/api:\u2603")]
    yield [_entry(image, "localhost:5000"), _entry(other, "localhost:5000/web:r1")]
    yield unnamed
    yield [named, *unnamed]
    yield [named, *reversed(unnamed)]
    yield [named, *unnamed[2:], _entry(found.referrer), _entry(image, "shop/api:r1")]
    yield [_entry(other, _NAME), *unnamed[2:]]
    yield [_entry(found.index, _NAME, kind=OCI_INDEX), *unnamed]
    yield [named, *unnamed[2:], _entry(other, f"shop/web:sha256-{digest.hex}")]
    for kind in ("sigs", "atts", "sboms", "image"):
        for name in (_NAME, "", "shop/no:r1"):
            cosign = _entry(other, name, cosign=f"dev.cosignproject.cosign/{kind}")
            yield [named, cosign]
            yield [named, _entry(found.index, "shop/api:r1", kind=OCI_INDEX), cosign]
    yield [named | {"size": 1}, _entry(other, "shop/api:r1", kind=OCI_INDEX)]
    yield [named, _entry(b"{", "shop/api:r1"), _entry(b"{")]


def _unusual() -> Iterator[Draft]:
    """Yield releases of one image that may not be as it is."""
    for kind in (OCI_MANIFEST, OCI_INDEX, LAYER_TYPE, ""):
        for key in ("layers", "config"):
            draft = Draft()
            part = describe(draft.blob(LAYER), kind)
            draft.tag(_NAME, draft.manifest(draft.picture(**{key: [part] if key == "layers" else part})))
            yield draft
    yield foreign()
    draft = Draft()
    platforms = [{"os": "linux", "architecture": each} for each in ("amd64", "arm64", 1)]
    child = describe(draft.manifest(draft.picture(LAYER)), OCI_MANIFEST)
    draft.tag(_NAME, draft.manifest(draft.index(manifests=[child | {"platform": each} for each in platforms])))
    yield draft


def _nested() -> Draft:
    draft = Draft()
    manifest, kind = draft.manifest(draft.picture(LAYER)), OCI_MANIFEST
    for _ in range(_DEEP):
        manifest, kind = draft.manifest(draft.index(manifests=[describe(manifest, kind)])), OCI_INDEX
    draft.tag(_NAME, manifest)
    return draft


def _entry(
    content: bytes, name: str = "", *, kind: str = OCI_MANIFEST, annotation: str = REF_NAME, cosign: str = ""
) -> Document:
    annotations = {key: value for key, value in ((annotation, name), (COSIGN_KIND, cosign)) if value}
    return describe(content, kind) | ({"annotations": annotations} if annotations else {})


def _layout_of_one(draft: Draft) -> dict[str, bytes]:
    (image,) = draft.images
    content = draft.manifests[image.manifest]
    return _layout(draft, _entry(content, _NAME, kind=OCI_INDEX if b'"manifests"' in content else OCI_MANIFEST))


def _layout(draft: Draft, *entries: Document) -> dict[str, bytes]:
    blobs = {f"{OCI_BLOBS}/sha256/{digest.hex}": content for digest, content in (draft.blobs | draft.manifests).items()}
    index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)})
    return {OCI_LAYOUT: b'{"imageLayoutVersion":"1.0.0"}', INDEX_FILE: index} | blobs
