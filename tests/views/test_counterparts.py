"""A stream of brotli or zstd is expanded where what it holds stands somewhere else, too."""

from __future__ import annotations

import struct
from collections.abc import Callable

import brotli
import pytest

from airpatch.encoders.libbrotli import AVAILABLE
from airpatch.encoders.zstd_stream import ZstdStreamEncoder
from airpatch.views.choose import choose
from airpatch.views.description import FIRST_CODING, Coding
from tests.delta.support import Section, sections, tar
from tests.views.support import ar, archive, gz, source_view, text, views

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


ZSTD = Coding("zstd", "libzstd-1.5.7-19-sized")


def zst(content: bytes, name: str = ZSTD.encoder) -> bytes:
    encoder = ZstdStreamEncoder(name)
    return encoder.feed(content) + encoder.finish()


def test_zstd_beside_an_older_one_of_any_number() -> None:
    target = tar({"cache/x_1.2.tar.zst": zst(NEW), "y": b""})
    found = views(target, tar({"cache/x_1.1.tar.zst": zst(OLD)}))
    assert {coding.framing for coding in found.target.codings} == {"zstd"}


def test_zstd_that_is_alone_stays_as_it_is() -> None:
    assert choose(memoryview(tar({"x.tar.zst": zst(NEW)})), [memoryview(tar({"y.tar.zst": zst(OLD)}))]) is None


def test_sections_of_a_program() -> None:
    """Abbreviations are expanded beside what needs them, changed or not."""

    def program(content: bytes) -> bytes:
        header = struct.pack("<IIQQ", 2, 0, len(content), 1)
        info, abbreviations = (header + zst(each, "libzstd-1.5.7-3-once-nosum") for each in (content, OLD))
        parts = [
            Section(".debug_info", info, flags=0x800),
            Section(".debug_abbrev", abbreviations, flags=0x800),
        ]
        return tar({"lib.so": sections(parts), "y": b""})

    found = views(program(NEW), program(OLD))
    assert {coding.framing for coding in found.target.codings} == {"zstd"}
    assert sum(action >= FIRST_CODING for action in found.target.actions) == 2


def test_what_a_debian_package_holds() -> None:
    def package(content: bytes) -> bytes:
        held = tar({"usr/share/doc/changelog.gz": gz(content), "usr/lib/x": content})
        return ar({"debian-binary": b"2.0\n", "data.tar.zst": zst(held)})

    target, source = (tar({"x.deb": package(content)}) for content in (NEW, OLD))
    found = views(target, source)
    assert {coding.framing for coding in found.target.codings} == {"zstd", "gzip"}


@pytest.mark.parametrize("outer", ["x.zst", "x.br"])
@pytest.mark.parametrize("inner", ["y.zst", "y.br"])
def test_none_is_expanded_within_another(outer: str, inner: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {"zst": zst, "br": br}

    def layer(content: bytes) -> bytes:
        return tar({outer: pack[outer[2:]](tar({inner: pack[inner[2:]](content)}))})

    found = views(layer(NEW), layer(OLD))
    assert len(found.target.codings) == 1
