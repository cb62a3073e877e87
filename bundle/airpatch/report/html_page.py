"""A report as one page of HTML that loads nothing: its data, what draws it, and the policy that permits no more.

Whatever the data says, it stays data: it lies in the page as JSON without `<`, `>` and `&`, and the scripts make text
of it, never markup. d3 (page/LICENSE) lays out shapes that are elements of the page, so that keyboards, screen
readers and colour schemes work on them; it takes 50 kB where charting libraries that draw on a canvas take 500.
"""

from __future__ import annotations

import hashlib
import html
import json
from base64 import b64encode
from collections.abc import Mapping
from enum import Enum
from importlib.resources import files
from string import Template

_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class PageKind(Enum):
    """Pages by the scripts that draw them."""

    PATCH = ("d3-hierarchy.min.js", "common.js", "patch.js")
    LINE = ("d3-path.min.js", "d3-shape.min.js", "common.js", "line.js")


def html_page(kind: PageKind, title: str, data: Mapping[str, object]) -> bytes:
    """Return the page `title` that shows `data`, of JSON's types. The same data gives the same bytes."""
    script = "".join(f"{_asset(name).rstrip()}\n" for name in kind.value)
    style = _asset("page.css")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    document = json.dumps({"title": title, **data}, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)
    page = Template(_asset("page.html")).substitute(
        policy=policy, title=html.escape(title), style=style, script=script, data=document
    )
    return page.encode(errors="backslashreplace")


def _asset(name: str) -> str:
    return (files("airpatch.report") / "page" / name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return the source expression for an inline script or style (CSP level 3, 2.3.1)."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
