"""Addresses in registries, as skopeo and docker understand them."""

from __future__ import annotations

import pytest

from airpatch.errors import UsageError
from airpatch.registry_api.address import Address, RegistryPlace, is_loopback, split_host

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "server", "repository", "reference", "name"),
    [
        ("docker://harbor.example/shop/web:r1", "harbor.example", "shop/web", "r1", "shop/web:r1"),
        ("docker://localhost:5000/web", "localhost:5000", "web", "latest", "web:latest"),
        ("docker://localhost/web:1", "localhost", "web", "1", "web:1"),
        (f"docker://r:5000/web@{DIGEST}", "r:5000", "web", DIGEST, f"web:by-digest-{'ab' * 32}"),
        (f"docker://r:5000/web:1@{DIGEST}", "r:5000", "web", DIGEST, "web:1"),
        ("docker://[::1]:5000/web:1", "[::1]:5000", "web", "1", "web:1"),
        ("docker://docker.io/library/alpine:3", "registry-1.docker.io", "library/alpine", "3", "alpine:3"),
        ("docker://alpine:3", "registry-1.docker.io", "library/alpine", "3", "alpine:3"),
        ("docker://index.docker.io/rancher/shell:1", "registry-1.docker.io", "rancher/shell", "1", "rancher/shell:1"),
    ],
)
def test_an_address_says_where_an_image_is(text: str, server: str, repository: str, reference: str, name: str) -> None:
    address = Address.parse(text)
    assert (RegistryPlace(address.host, "").server, address.repository, address.reference) == (
        server,
        repository,
        reference,
    )
    assert str(address.name) == name


@pytest.mark.parametrize(
    "text", ["docker://", "docker://r:5000/", "docker://r:5000/Web:1", "docker://r.x/web@sha256:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Address.parse(text)


@pytest.mark.parametrize("text", ["docker://", "docker://shop", "docker://r:5000/shop:1", "r:5000/shop"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        RegistryPlace.parse(text)


def test_a_place_has_repositories_below_it() -> None:
    assert RegistryPlace.parse("docker://r:5000/mirror/").below("web") == "mirror/web"
    assert RegistryPlace.parse("docker://r:5000").below("web") == "web"
    assert RegistryPlace.parse("docker://docker.io").below("web") == "library/web"
    assert str(RegistryPlace.parse("docker://r:5000/mirror")) == "docker://r:5000/mirror"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("localhost:1", True), ("127.0.0.1:80", True), ("127.9.9.9", True), ("[::1]:5", True), ("[::1]", True),
     ("10.0.0.1:80", False), ("localhost.example", False), ("127.0.0.1.example:80", False)],
)  # fmt: skip
def test_loopback_is_this_machine(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here


def test_hosts_are_told_from_paths() -> None:
    assert split_host("registry.example/a/b") == ("registry.example", "a/b")
    assert split_host("shop/web") == ("", "shop/web")
    assert split_host("web") == ("", "web")
