"""Faults need root, strace and mounts; what they make lies in a tmpfs that goes with this process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import mounts
from tests.faults.scenario import Bundles, Lab, Scenario, scenarios, small_bundles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/faults/" in item.nodeid:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tmpfs of this process."""
    if os.geteuid() != 0 or shutil.which("strace") is None:
        pytest.skip("needs root and strace")
    try:
        mounts.enter_namespace()
    except OSError as error:
        pytest.skip(f"needs mounts of its own: {error}")
    with mounts.tmpfs(tmp_path_factory.mktemp("faults") / "work", "size=1g") as folder:
        yield folder


@pytest.fixture(scope="session")
def lab(work: Path) -> Iterator[Lab]:
    lab = Lab(work)
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def bundles(lab: Lab) -> Bundles:
    return small_bundles(lab.folder)


@pytest.fixture(scope="session")
def small(lab: Lab, bundles: Bundles) -> dict[str, Scenario]:
    """The scenarios on small releases, by the second word of their names."""
    return {scenario.name.split()[1]: scenario for scenario in scenarios(lab, bundles, "small")}
