"""What a layer patch leaves to slow encoders is bounded, by no less than airpatch may leave to them."""

from __future__ import annotations

from array import array

import pytest

from airpatch import limits
from airpatch.encoders.libzopfli import AVAILABLE, EACH_STREAM, zopfli_deflater, zopfli_effort
from airpatch.errors import FormatError
from airpatch.layers.recipe import Plain, ViewSizes
from airpatch.model.digest import Digest
from airpatch.views import prove
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


def test_what_a_layer_patch_leaves_to_slow_encoders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = layer(1, size=5000)
    patches = by_zopfli(content)
    there = {Digest.of(content): content}
    work = EACH_STREAM + zopfli_effort(content)
    monkeypatch.setattr(limits.SLOW, "value", work)
    assert len(carry_out(patches, there)) == 1
    monkeypatch.setattr(limits.SLOW, "value", work - 1)
    with pytest.raises(FormatError, match=r"slow encoders are given more than \d+ \(--limit slow raises that\) bytes"):
        carry_out(patches, there)


def test_no_target_needs_more_than_a_host_takes() -> None:
    assert limits.SLOW.value >= 2 * prove.MAX_SLOW  # one for libbrotli, one for zopfli
