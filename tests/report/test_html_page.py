"""Pages hold their data as data, and permit nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest

from airpatch.report.html_page import PageKind, html_page

HOSTILE = "</script><script>alert(1)</script><!-- \" ' & $title \u2028 \U0001f600 \udcff"


@pytest.mark.parametrize("kind", PageKind)
def test_hostile_names_stay_data(kind: PageKind) -> None:
    page = html_page(kind, HOSTILE, {"name": HOSTILE}).decode()
    assert page.count("</script>") == 2
    assert "<script>alert" not in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert not set("<>&\u2028") & set(data[1])
    assert json.loads(data[1])["name"].encode(errors="surrogateescape") == HOSTILE.encode(errors="surrogateescape")
    title = re.search(r"<title>(.*?)</title>", page)
    assert title is not None
    assert html.unescape(title[1]).startswith(HOSTILE[:20])


@pytest.mark.parametrize("kind", PageKind)
def test_the_policy_permits_what_is_in_the_page_and_nothing_else(kind: PageKind) -> None:
    page = html_page(kind, "title", {}).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert policy is not None
    assert script is not None
    assert style is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    for name, text in (("script-src", script[1]), ("style-src", style[1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_the_same_data_gives_the_same_bytes() -> None:
    assert html_page(PageKind.PATCH, "a", {"b": 1}) == html_page(PageKind.PATCH, "a", {"b": 1})
