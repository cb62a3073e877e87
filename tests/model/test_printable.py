"""Printable text: the categories of Unicode, as the specification writes them out."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

from airpatch.model.printable import is_printable, printable

SPEC = Path(__file__).parents[2] / "spec" / "FORMAT.md"


def ranges_of_the_specification() -> set[int]:
    table = SPEC.read_text().partition("### Printable text")[2].partition("\n#")[0]
    pairs = re.findall(r"\b([0-9A-F]{4,6})(?: to ([0-9A-F]{4,6}))?\b", table)
    return {code for first, last in pairs for code in range(int(first, 16), int(last or first, 16) + 1)}


def test_they_are_those_of_the_specification() -> None:
    listed = ranges_of_the_specification()
    assert {code for code in range(sys.maxunicode + 1) if not is_printable(chr(code))} == listed


def test_they_are_categories_that_unicode_assigned_until_now() -> None:
    """A later version may give more characters these categories: they stay printable."""
    for code in range(sys.maxunicode + 1):
        refused = unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs") and code != 0x20
        assert not refused or not is_printable(chr(code)) or unicodedata.unidata_version > "16"


def test_what_does_not_print_becomes_a_question_mark() -> None:
    assert printable("a\x1b[2J\u202eb\u3000c d") == "a?[2J?b?c d"
