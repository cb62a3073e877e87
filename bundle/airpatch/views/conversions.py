"""Levels that hold as much as they are packed into, or about, in another form, and say where they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airpatch.views import framings
from airpatch.views.class_files import MAX_CLASS, class_size, labelled, numbered
from airpatch.views.jimage_index import MAX_INDEX, hashed, index_size, listed
from airpatch.views.pyc_files import MAX_PYC, absolute, pyc_size, relative


@dataclass(frozen=True, slots=True)
class Conversion:
    """`size` returns how many bytes are packed, and raises CutShort if they are not all there; `view` and `packed`
    convert all of them, at most `limit`. They raise FormatError if it is something else.
    """

    size: Callable[[bytes], int]
    view: Callable[[bytes], bytes]
    packed: Callable[[bytes], bytes]
    limit: int


CONVERSIONS: Mapping[str, Conversion] = {
    framings.CLASS: Conversion(class_size, labelled, numbered, MAX_CLASS),
    framings.INDEX: Conversion(index_size, listed, hashed, MAX_INDEX),
    framings.PYC: Conversion(pyc_size, relative, absolute, MAX_PYC),
}
"""By framing."""
