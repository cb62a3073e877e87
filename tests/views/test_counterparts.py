"""A brotli stream is expanded where what it holds stands somewhere else, too."""

from __future__ import annotations

import brotli
import pytest

from airpatch.encoders.libbrotli import AVAILABLE
from airpatch.views.choose import choose
from airpatch.views.description import Coding
from tests.delta.support import tar
from tests.views.support import archive, gz, source_view, text, views

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="uncompiled, there is no libbrotli")
CODING = Coding("brotli", "libbrotli-1.2.1-11-22")
OLD, NEW = text(20_000, 1), text(21_000, 1)


def br(content: bytes) -> bytes:
    return bytes(brotli.compress(content, quality=11, lgwin=22))


def is_expanded(target: bytes, *sources: bytes) -> bool:
    found = choose(memoryview(target), [memoryview(source) for source in sources])
    return found is not None and CODING in found.target.codings


def test_beside_the_file_itself() -> None:
    target = tar({"www/x.js": NEW, "www/x.js.br": br(NEW), "y": b""})
    found = views(target, tar({"www/x.js": OLD}))
    assert found.target.codings == (CODING,)


def test_beside_the_file_in_a_source() -> None:
    assert is_expanded(tar({"x.js.br": br(NEW)}), tar({"x.js": OLD}))


def test_beside_the_gzip_file() -> None:
    assert is_expanded(tar({"x.js.br": br(NEW), "x.js.gz": gz(NEW)}))


def test_with_an_older_stream_whatever_its_number() -> None:
    target = tar({"x-1.2.js.br": br(NEW)})
    source = tar({"x-1.1.js.br": br(OLD)})
    found = views(target, source)
    assert found.target.codings == (CODING,)
    assert source_view(found, source).endswith(OLD)


def test_not_alone() -> None:
    target = tar({"x.js.br": br(NEW), "z.js": OLD})
    assert choose(memoryview(target), [memoryview(tar({"y.js.br": br(OLD)}))]) is None


def test_in_a_zip_archive() -> None:
    """Deflated in it, as jar does, beside the file, or stored."""
    for stored in ([], ["static/x.js.br"]):
        target = tar({"app.jar": archive({"static/x.js": NEW, "static/x.js.br": br(NEW)}, stored=stored)})
        source = tar({"app.jar": archive({"static/x.js": OLD, "static/x.js.br": br(OLD)}, stored=stored)})
        assert CODING in views(target, source).target.codings


def test_one_in_another_is_left() -> None:
    inner = [tar({"x.js.br": br(content), "x.js": content}) for content in (OLD, NEW)]
    source, target = (tar({"all.tar.br": br(each)}) for each in inner)
    assert views(target, source).target.actions.count(3) == 1
