"""Faults need root, strace and mounts; what they make lies in a tmpfs that goes with this process."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import mounts, strace
from tests.faults.scenario import Bundles, Lab, Scenario, scenarios, signed_bundles, small_bundles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/faults/" in item.nodeid:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """A tmpfs of this process, where other users may go, too."""
    if not strace.is_allowed():
        pytest.skip("needs root and strace")
    with tempfile.TemporaryDirectory(prefix="airpatch-faults-") as name, ExitStack() as stack:
        Path(name).chmod(0o755)
        try:
            mounts.enter_namespace()
            folder = stack.enter_context(mounts.tmpfs(Path(name) / "work", "size=1g,mode=755"))
            mounts.make_ext4(folder / "probe", 48 << 20)
            with mounts.ext4(folder / "probe", folder / "probed"):
                pass
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs mounts of its own: {error}")
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
def signed(lab: Lab, bundles: Bundles) -> dict[str, Scenario]:
    """The same on roots that demand signatures, of bundles that have them."""
    copies, signers = signed_bundles(lab, bundles)
    return {scenario.name.split()[1]: scenario for scenario in scenarios(lab, copies, "signed", signers)}


@pytest.fixture(scope="session")
def small(lab: Lab, bundles: Bundles) -> dict[str, Scenario]:
    """The scenarios on small releases, by the second word of their names."""
    return {scenario.name.split()[1]: scenario for scenario in scenarios(lab, bundles, "small")}
