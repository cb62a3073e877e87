"""What all tests share: hypothesis profiles and the small sample release."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.durations import function, medium
from tests.support import Builder, sample

# Deadlines fail on a busy machine, not on slow code; bench/ measures time.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _PATIENT, derandomize=True, max_examples=20)
settings.register_profile("thorough", _PATIENT, derandomize=True)
settings.register_profile("explore", _PATIENT, max_examples=2000)
settings.load_profile("default")

# Commands under test buffer what they print, as they do where people call them.
os.environ.pop("PYTHONUNBUFFERED", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    listed = medium()
    for item in items:
        # Of a function that is listed, some cases may be slow.
        if not any(item.iter_markers("slow")) and not any(item.iter_markers("faults")):
            item.add_marker("medium" if function(item.nodeid) in listed else "fast")


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that open thousands of pipes."""
    monkeypatch.setattr("airpatch.archive.frame_reader._PIPE_BUFFER", 4096)


@pytest.fixture(name="sample")
def sample_release() -> Builder:
    return sample()
