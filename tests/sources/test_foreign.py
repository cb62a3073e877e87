"""Names that other tools give to images are answered with the command that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import UsageError
from airpatch.sources.foreign import explain_bundle, explain_path, explain_spec, is_there
from airpatch.sources.gather import gather


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        ("docker:host/shop/web:1", "write docker://host/shop/web:1"),
        ("docker-daemon:shop/web:1", "'docker save -o images.tar shop/web:1'"),
        ("containers-storage:shop/web:1", "'podman save -m -o images.tar shop/web:1'"),
        ("shop/web:4.2", "no such file or folder; an image in a registry is docker://shop/web:4.2"),
    ],
)
def test_what_skopeo_calls_an_image_is_answered_with_the_command_to_run(spec: str, command: str) -> None:
    with pytest.raises(UsageError) as caught:
        gather([spec])
    assert caught.value.message.startswith(f"{spec}: ")
    assert command in caught.value.message


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
def test_a_layout_or_archive_with_a_name_behind_it_is_answered(transport: str, tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    answer = explain_spec(f"{transport}:{tmp_path}/layout:docker.io/shop/web:1")
    assert answer is not None
    assert f"name {transport}:{tmp_path}/layout, and choose the image docker.io/shop/web:1 with --images-list" in answer


@pytest.mark.parametrize(
    "spec", ["nowhere", "qa:r1.tar.zst", "oci:nowhere:1", "dir:nowhere", "containerd:/nowhere", "", ":"]
)
def test_other_words_have_no_explanation(spec: str) -> None:
    assert explain_spec(spec) is None


@pytest.mark.parametrize("spec", ["nowhere", "web:1", "web@sha256:0", "", ":", "C:x"])
def test_words_that_may_be_paths_are_paths(spec: str) -> None:
    assert (explain_bundle(spec), explain_path(spec)) == (None, None)
    assert not is_there(spec)


@pytest.mark.parametrize(
    ("spec", "source", "bundle", "path"),
    [
        ("docker://h.ex/a:1", None, "airpatch create docker://h.ex/a:1 -o", "airpatch push FROM docker://h.ex"),
        ("docker:a:1", "write docker://a:1", "airpatch create docker://a:1 -o BUNDLE", "push FROM docker://a:1"),
        ("docker-daemon:a:1", "docker save -o images.tar a:1", "to 'airpatch create'", "docker load -i images.tar"),
        ("containers-storage:a:1", "podman save -m -o", "to 'airpatch create'", "podman load -i images.tar"),
        ("oci:images:1", None, "airpatch create oci:images:1 -o BUNDLE", "write the path alone: images:1"),
        ("oci-archive:a.tar", None, "airpatch create oci-archive:a.tar -o", "write the path alone: a.tar"),
        ("docker-archive:a.tar", None, "airpatch create docker-archive:a.tar", "write the path alone: a.tar"),
        ("containerd:/var", None, "airpatch create containerd:/var -o", "write the path alone: /var"),
        ("dir:images", None, "airpatch create dir:images -o BUNDLE", "write the path alone: images"),
        ("bundle:a.zst", None, "write the path alone: a.zst", "write the path alone: a.zst"),
        ("sif:a.sif", "skopeo copy sif:a.sif dir:images/", "to 'airpatch create'", "reads"),
        ("oci://h.example/a:1", "docker://h.example/a:1", "docker://h.example/a:1", "airpatch push FROM docker://"),
        ("https://h.example/a.tar.zst", "curl -LO https", "curl -LO https", "curl -LO https"),
        ("s3://bucket/a", "a tool for s3", "a tool for s3", "a tool for s3"),
        ("file:///srv/a", "write the path alone: /srv/a", "write the path alone: /srv/a", "path alone: /srv/a"),
        ("me@host:/srv/a", "/srv/a on the host host", "use 'airpatch send'", "with scp"),
    ],
)
def test_each_kind_of_place_has_its_answer(spec: str, source: str | None, bundle: str, path: str) -> None:
    assert source is None or source in str(explain_spec(spec))
    assert bundle in str(explain_bundle(spec))
    assert path in str(explain_path(spec))


@pytest.mark.parametrize(
    "spec", ["host.example/shop/web:1", "https://host.example/shop/web:1", "oci://host.example/shop/web:1"]
)
def test_the_address_of_an_image_is_answered_with_the_one_to_write(spec: str) -> None:
    with pytest.raises(UsageError, match=r"an image in a registry is docker://host\.example/shop/web:1$"):
        gather([spec])
