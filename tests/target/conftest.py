"""Places for roots, and the three releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.target import support
from tests.target.support import Sample


@pytest.fixture
def place() -> Iterator[Path]:
    with support.temporary() as folder:
        yield folder


@pytest.fixture
def root(place: Path) -> Path:
    """The path of a root that does not exist yet."""
    return place / "root"


@pytest.fixture(scope="session")
def r1() -> Sample:
    return support.r1()


@pytest.fixture(scope="session")
def r2() -> Sample:
    return support.r2()


@pytest.fixture(scope="session")
def r3() -> Sample:
    return support.r3()
