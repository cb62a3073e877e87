"""The documentation site: its contents name every document once, and none that is not there; no link is broken."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
INDEX = PROJECT / "docs" / "index.md"


def documents() -> list[Path]:
    """What the site is made of, as `docs/conf.py` says."""
    return [path for pattern in ("docs/*.md", "spec/*.md", "spec/*/*.md", "*.md") for path in PROJECT.glob(pattern)]


def test_the_contents_name_every_document() -> None:
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", INDEX.read_text(), re.DOTALL)
    named = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    expected = {path for path in documents() if path not in (INDEX, PROJECT / "CHANGELOG.md")}
    assert sorted((INDEX.parent / f"{name}.md").resolve() for name in named) == sorted(expected)


def test_links_lead_to_documents_and_files() -> None:
    """sphinx-build, which the tests do not have, refuses others, such as one to a folder."""
    known, broken = set(documents()), []
    for document in known:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
            path = (document.parent / target).resolve()
            is_there = path in known if path.suffix == ".md" else path.is_file()
            if not is_there and "://" not in target:
                broken.append(f"{document.name}: {target}")
    assert broken == []
