"""A registry with the sample images, started once, and certificates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry_api.authority import Issued, issue, make_authority
from tests.registry_api.registries import registry
from tests.registry_api.sample import make_root


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def server_certificate(tmp_path_factory: pytest.TempPathFactory, authority: Issued) -> Issued:
    return issue(tmp_path_factory.mktemp("server"), "server", authority)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample images in a registry's storage, but for the one that no registry can serve."""
    return make_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session")
def plain(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry without TLS that has the sample images."""
    with registry(root, tmp_path_factory.mktemp("registry")) as host:
        yield host
