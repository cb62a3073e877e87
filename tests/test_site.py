"""The documentation site: its contents name every document once, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
INDEX = PROJECT / "docs" / "index.md"


def test_the_contents_name_every_document() -> None:
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", INDEX.read_text(), re.DOTALL)
    named = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    documents = [*PROJECT.glob("docs/*.md"), *PROJECT.glob("spec/*.md"), *PROJECT.glob("*.md")]
    expected = {path for path in documents if path not in (INDEX, PROJECT / "CHANGELOG.md")}
    assert sorted((INDEX.parent / f"{name}.md").resolve() for name in named) == sorted(expected)
