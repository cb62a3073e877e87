"""No patch is larger than fixtures/patch_sizes.json says, but for what the zlib of the system makes otherwise."""

from __future__ import annotations

import json

import pytest

from tests.patches.sizes import SIZES, measure

SLACK = 8
"""Bytes: layers of unknown encoders are made by the zlib of the system, whose versions decide differently."""


@pytest.mark.slow
def test_patches_do_not_grow() -> None:
    recorded = json.loads(SIZES.read_text())
    measured = dict(measure())
    assert measured.keys() == recorded.keys(), "python -m tests.patches.sizes writes the file again"
    grown = {name: (recorded[name], size) for name, size in measured.items() if size > recorded[name] + SLACK}
    assert grown == {}
