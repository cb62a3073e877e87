"""Asking for words changes nothing."""

from __future__ import annotations

from array import array

from airpatch.prefetch import fetch


def test_words_stay_as_they_are() -> None:
    words = array("I", [1, 2, 3])
    fetch(words, 1)
    fetch(words, 3)
    assert words == array("I", [1, 2, 3])
