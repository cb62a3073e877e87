"""What refers to an image travels with it, under the tags of registries that have no referrers API."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_MANIFEST, parse_manifest
from airpatch.sources.gather import Gathered, gather
from airpatch.sources.location import CONTAINERD_NAME, REF_NAME
from tests.sources.sample_sources import IMAGES
from tests.support import OCI_CONFIG, Builder, descriptor, encode

SBOM = "application/vnd.example.sbom"
COSIGN = "dev.cosignproject.cosign"
ANNOTATIONS = {"org.example": "x"}


class Layout:
    """An OCI layout that is written entry by entry."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.builder = Builder()
        self.entries: list[dict[str, Any]] = []

    def image(self, text: bytes, **annotations: str) -> bytes:
        return self.entry(self.builder.picture([text]), **annotations)

    def entry(self, manifest: bytes, **annotations: str) -> bytes:
        media_type = parse_manifest(manifest).media_type
        extra = {"annotations": annotations} if annotations else {}
        self.entries.append({**descriptor(manifest, media_type), **extra})
        return manifest

    def referrer(self, subject: bytes, text: bytes) -> bytes:
        return self.builder.manifest(
            encode(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_MANIFEST,
                    "artifactType": SBOM,
                    "config": descriptor(self.builder.blob(b"{}"), "application/vnd.oci.empty.v1+json"),
                    "layers": [descriptor(self.builder.blob(text), "text/plain")],
                    "subject": descriptor(subject, OCI_MANIFEST),
                    "annotations": ANNOTATIONS,
                }
            )
        )

    def write(self) -> str:
        blobs = self.path / "blobs/sha256"
        blobs.mkdir(parents=True)
        for digest, content in {**self.builder.blobs, **self.builder.manifests}.items():
            (blobs / digest.hex).write_bytes(content)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.path / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": self.entries}))
        return str(self.path)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def images(found: Gathered) -> dict[str, Digest]:
    return {str(image.name): image.manifest for image in found.release.images}


def findings(source: str, **options: Any) -> tuple[str, ...]:
    with pytest.raises(SourceError) as caught:
        gather([source], **options)
    return caught.value.findings


def test_07_what_oras_copies_with_an_image_travels_as_its_referrers_tag(layout: Layout) -> None:
    web = layout.image(b"web", **{REF_NAME: "shop/web:1"})
    referrer = layout.entry(layout.referrer(web, b"sbom"))
    found = gather([layout.write()])
    tag = f"shop/web:sha256-{Digest.of(web).hex}"
    assert images(found).keys() == {"shop/web:1", tag}
    (entry,) = json.loads(found.manifests[images(found)[tag]])["manifests"]
    assert entry == {**descriptor(referrer, OCI_MANIFEST), "artifactType": SBOM, "annotations": ANNOTATIONS}
    assert Digest.of(b"sbom") in {blob.digest for blob in found.release.blobs}
    assert not found.remarks


def test_referrers_of_referrers_travel_too_in_whatever_order(layout: Layout) -> None:
    web = layout.image(b"web", **{REF_NAME: "shop/web:1"})
    sbom = layout.referrer(web, b"sbom")
    layout.entry(layout.referrer(sbom, b"signature of the sbom"))
    layout.entry(sbom)
    assert images(gather([layout.write()])).keys() == {
        "shop/web:1",
        f"shop/web:sha256-{Digest.of(web).hex}",
        f"shop/web:sha256-{Digest.of(sbom).hex}",
    }


def test_referrers_of_a_platform_travel_in_each_repository_that_has_it(layout: Layout) -> None:
    child = layout.builder.picture([b"amd64"])
    index = layout.builder.index([child])
    layout.entry(index, **{REF_NAME: "shop/web:1"})
    layout.entry(index, **{REF_NAME: "mirror/web:1"})
    layout.entry(layout.referrer(child, b"sbom"))
    tag = f"sha256-{Digest.of(child).hex}"
    assert images(gather([layout.write()])).keys() >= {f"shop/web:{tag}", f"mirror/web:{tag}"}


def test_the_bundle_does_not_depend_on_the_order_of_referrers(tmp_path: Path) -> None:
    found = []
    for order in (1, -1):
        layout = Layout(tmp_path / f"layout{order}")
        web = layout.image(b"web", **{REF_NAME: "shop/web:1"})
        for text in [b"one", b"two", b"three"][::order]:
            layout.entry(layout.referrer(web, text))
        found.append(gather([layout.write()]).release)
    assert found[0] == found[1]


def test_07_what_cosign_and_hauler_mark_by_a_kind_travels_under_cosigns_tags(layout: Layout) -> None:
    web = layout.image(b"web", kind=f"{COSIGN}/image", **{REF_NAME: "shop/web:1"})
    kinds = {"sigs": "sig", "atts": "att", "sboms": "sbom"}
    made = {
        f"shop/web:sha256-{Digest.of(web).hex}.{suffix}": Digest.of(
            layout.image(kind.encode(), kind=f"{COSIGN}/{kind}", **{REF_NAME: "shop/web:1"})
        )
        for kind, suffix in kinds.items()
    }
    assert images(gather([layout.write()])) == {"shop/web:1": Digest.of(web), **made}


def test_07_what_cosign_saves_can_be_named_with_its_signatures(layout: Layout) -> None:
    web = layout.image(b"web", kind=f"{COSIGN}/image")
    layout.image(b"signature", kind=f"{COSIGN}/sigs")
    source = layout.write()
    signature, image = findings(source)
    assert image.endswith(f"; name it with --tag {Digest.of(web)}=NAME:TAG")
    assert "holds sigs of an image that is not here or has no name" in signature
    found = gather([source], tags=["shop/web:1"])
    assert images(found).keys() == {"shop/web:1", f"shop/web:sha256-{Digest.of(web).hex}.sig"}


def test_07_an_image_that_skopeo_wrote_without_a_name_can_be_named(tmp_path: Path) -> None:
    source = tmp_path / "single"
    command = ["skopeo", "copy", "-q", f"dir:{IMAGES}/infra/settings:r1", f"oci:{source}"]
    subprocess.run(command, check=True)
    (finding,) = findings(str(source))
    assert "an image without a name: it has no annotation" in finding
    assert "; name it with --tag sha256:" in finding
    found = gather([str(source)], tags=["infra/settings:r1"])
    assert images(found).keys() == {"infra/settings:r1"}


def test_07_null_manifests_of_docker_name_no_image(tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (tmp_path / "layout/index.json").write_text('{"schemaVersion":2,"manifests":null}')
    assert findings(str(tmp_path / "layout")) == (f"{tmp_path}/layout/index.json: names no image",)


def test_platforms_that_the_index_lists_beside_their_image_need_no_name(layout: Layout) -> None:
    child = layout.builder.picture([b"amd64"])
    layout.entry(child)
    layout.entry(layout.builder.index([child]), **{REF_NAME: "shop/web:1"})
    assert images(gather([layout.write()])).keys() == {"shop/web:1"}


def test_a_referrer_of_something_else_is_named(layout: Layout) -> None:
    layout.image(b"web", **{REF_NAME: "shop/web:1"})
    subject = Builder().picture([b"elsewhere"])
    layout.entry(layout.referrer(subject, b"sbom"))
    (finding,) = findings(layout.write())
    assert f"refers to {Digest.of(subject)}, which is not here or has no name" in finding


def test_a_referrers_tag_that_does_not_name_all_is_a_contradiction(layout: Layout) -> None:
    web = layout.image(b"web", **{REF_NAME: "shop/web:1"})
    one, two = layout.referrer(web, b"one"), layout.referrer(web, b"two")
    layout.entry(layout.builder.index([one]), **{REF_NAME: f"shop/web:sha256-{Digest.of(web).hex}"})
    layout.entry(one)
    layout.entry(two)
    (finding,) = findings(layout.write())
    assert "but is missing from its referrers index, " in finding


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({CONTAINERD_NAME: "docker.io/shop/web@{digest}"}, "docker.io/shop/web:by-digest-{hex}"),
        ({REF_NAME: "docker.io/shop/web:1@{digest}"}, "docker.io/shop/web:1"),
        ({REF_NAME: "shop/web@{digest}"}, "shop/web:by-digest-{hex}"),
    ],
)
def test_06_names_with_a_digest(annotations: dict[str, str], expected: str, layout: Layout) -> None:
    web = layout.builder.picture([b"web"])
    values = {"digest": str(Digest.of(web)), "hex": Digest.of(web).hex}
    layout.entry(web, **{key: text.format(**values) for key, text in annotations.items()})
    assert images(gather([layout.write()])) == {expected.format(**values): Digest.of(web)}


def test_06_a_name_with_the_digest_of_another_image_is_named(layout: Layout) -> None:
    layout.image(b"web", **{REF_NAME: f"shop/web:1@{Digest.of(b'other')}"})
    (finding,) = findings(layout.write())
    assert f"its name says {Digest.of(b'other')}, but it is sha256:" in finding


def test_blobs_that_are_symbolic_links_are_followed_as_bazel_makes_them(layout: Layout, tmp_path: Path) -> None:
    web = layout.image(b"web", **{REF_NAME: "shop/web:1"})
    source = Path(layout.write())
    shutil.move(source / "blobs", tmp_path / "store")
    shutil.move(source / "index.json", tmp_path / "elsewhere.json")
    (source / "index.json").symlink_to(tmp_path / "elsewhere.json")
    (source / "blobs").symlink_to(tmp_path / "store")
    for blob in list((tmp_path / "store/sha256").iterdir()):
        real = shutil.move(blob, tmp_path / f"real-{blob.name}")
        blob.symlink_to(real)
    found = gather([str(source)])
    assert images(found) == {"shop/web:1": Digest.of(web)}
    assert found.content.size(Digest.of(b"web")) == 3


@pytest.mark.parametrize("target", ["/dev/zero", "/etc", "blob"])
def test_links_to_what_is_no_file_or_to_themselves_are_named(target: str, layout: Layout) -> None:
    layout.image(b"web", **{REF_NAME: "shop/web:1"})
    blob = Path(layout.write()) / "blobs/sha256" / Digest.of(b"web").hex
    blob.unlink()
    blob.symlink_to(blob if target == "blob" else target)
    (finding,) = findings(str(layout.path))
    assert finding.startswith(f"shop/web:1: layer {Digest.of(b'web')}: {blob}: ")


def test_blobs_that_no_image_has_are_a_remark(layout: Layout) -> None:
    layout.image(b"web", **{REF_NAME: "shop/web:1"})
    source = Path(layout.write())
    (source / "blobs/sha256" / Digest.of(b"left").hex).write_bytes(b"left")
    (source / "blobs/sha256/oci-put-blob1").write_bytes(b"part")
    (remark,) = gather([str(source)]).remarks
    assert remark == f"{source}/blobs/sha256: 2 blobs of no image that index.json names"


def test_the_config_of_an_artifact_type_is_told_where_it_has_none(layout: Layout) -> None:
    web = layout.image(b"web", **{REF_NAME: "shop/web:1"})
    document = json.loads(layout.referrer(web, b"sbom"))
    del document["artifactType"], document["annotations"]
    document["config"]["mediaType"] = OCI_CONFIG
    layout.entry(layout.builder.manifest(encode(document)))
    found = gather([layout.write()])
    tag = f"shop/web:sha256-{Digest.of(web).hex}"
    (entry,) = json.loads(found.manifests[images(found)[tag]])["manifests"]
    assert entry["artifactType"] == OCI_CONFIG
    assert "annotations" not in entry


def test_chains_of_referrers_may_be_long_and_in_the_worst_order(layout: Layout) -> None:
    chain = [layout.image(b"web", **{REF_NAME: "shop/web:1"})]
    for number in range(300):
        chain.append(layout.referrer(chain[-1], b"%d" % number))
    for referrer in reversed(chain[1:]):
        layout.entry(referrer)
    assert len(images(gather([layout.write()]))) == 301


def test_few_entries_cannot_get_more_names_than_memory_holds(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.sources.referrers._MOST_NAMES", 20)
    web = layout.builder.picture([b"web"])
    for number in range(5):
        layout.entry(web, **{REF_NAME: f"shop/web{number}:1"})
    for number in range(5):
        layout.entry(layout.referrer(web, b"%d" % number))
    assert "more than 20 manifests refer to others" in findings(layout.write())[0]


def test_what_cosign_attaches_gets_no_more_names_either(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.sources.referrers._MOST_NAMES", 20)
    for number in range(6):
        layout.image(b"%d" % number, kind=f"{COSIGN}/image", **{REF_NAME: "shop/web:1"})
        layout.image(b"of %d" % number, kind=f"{COSIGN}/sigs", **{REF_NAME: "shop/web:1"})
    assert "gets more than 20 names" in findings(layout.write())[0]
