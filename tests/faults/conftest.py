"""Faults need root, strace and mounts; what they make lies in a tmpfs that goes with this process."""

from __future__ import annotations

import os
import shutil
import tempfile
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
def work() -> Iterator[Path]:
    """A tmpfs of this process, where other users may go, too."""
    if os.geteuid() != 0 or shutil.which("strace") is None:
        pytest.skip("needs root and strace")
    try:
        mounts.enter_namespace()
    except OSError as error:
        pytest.skip(f"needs mounts of its own: {error}")
    with tempfile.TemporaryDirectory(prefix="airpatch-faults-") as name:
        Path(name).chmod(0o755)
        with mounts.tmpfs(Path(name) / "work", "size=1g,mode=755") as folder:
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
