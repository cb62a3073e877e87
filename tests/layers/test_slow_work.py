"""What layer patches leave to slow encoders is bounded, for all steps of a bundle together."""

from __future__ import annotations

from array import array

import pytest

from airpatch import limits
from airpatch.encoders.libzopfli import AVAILABLE, EACH_STREAM, zopfli_deflater, zopfli_effort
from airpatch.errors import FormatError
from airpatch.layers.recipe import Plain, ViewSizes
from airpatch.model.digest import Digest
from airpatch.views.description import END, FIRST_CODING, Coding, View, emit_view
from tests.delta.support import delta
from tests.layers.support import Patches, carry_out, handmade, layer

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no zopfli")
NAME = "zopfli-1.0.3-15"


def by_zopfli(content: bytes) -> Patches:
    """A layer patch that makes a layer, a deflate stream by zopfli, out of what it holds."""
    encoder = zopfli_deflater(NAME)
    made = encoder.feed(content) + encoder.finish()
    view = View((Coding("raw", NAME),), bytes([FIRST_CODING, END, END]), array("q", [0, len(content), 0]))
    nothing = emit_view(View((), bytes([END]), array("q", [0])))
    sections = [delta(content, [content, b""]), delta(emit_view(view), []), delta(nothing, [])]
    return handmade(made, Plain(), sections, {content: content}, len(made), ViewSizes(len(content), 0))


def test_steps_of_a_bundle_share_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [layer(seed, size=5000) for seed in (1, 2)]
    each = [by_zopfli(content) for content in contents]
    sources = sorted((*each[0].sources, *each[1].sources), key=lambda source: source.digest)
    both = Patches([*each[0].steps, *each[1].steps], sources, each[0].contents | each[1].contents)
    there = {Digest.of(content): content for content in contents}
    work = sum(EACH_STREAM + zopfli_effort(content) for content in contents)
    monkeypatch.setattr(limits.SLOW, "value", work)
    assert len(carry_out(both, there)) == 2
    monkeypatch.setattr(limits.SLOW, "value", work - 1)
    assert all(len(carry_out(one, there)) == 1 for one in each)
    with pytest.raises(FormatError, match=r"slow encoders are given more than \d+ \(--limit slow raises that\) bytes"):
        carry_out(both, there)
