from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.errors import UsageError
from airpatch.sources.foreign import explain_spec
from airpatch.sources.gather import gather


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        ("docker:host/shop/web:1", "write docker://host/shop/web:1"),
        ("docker-daemon:shop/web:1", "'docker save -o images.tar shop/web:1'"),
        ("containers-storage:shop/web:1", "'podman save -m -o images.tar shop/web:1'"),
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


@pytest.mark.parametrize("spec", ["nowhere", "oci:nowhere:1", "dir:nowhere", "", ":"])
def test_other_words_have_no_explanation(spec: str) -> None:
    assert explain_spec(spec) is None


@pytest.mark.parametrize(
    "spec", ["host.example/shop/web:1", "https://host.example/shop/web:1", "oci://host.example/shop/web:1"]
)
def test_the_address_of_an_image_is_answered_with_the_one_to_write(spec: str) -> None:
    with pytest.raises(UsageError, match=r"an image in a registry is docker://host\.example/shop/web:1$"):
        gather([spec])
