"""What surrounds deflate streams: trailers, and central directories that become views and back."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.framings import Checksums, Directory, Surroundings, trailer_size


def directory(*names: str) -> tuple[bytes, dict[int, bytes]]:
    """The central directory of an archive, and the fields of its entries by their offsets."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, bytes(1000 + number))
        entries = {info.header_offset: info for info in archive.infolist()}
    content = file.getvalue()
    start = content.index(framings.CENTRAL_MAGIC)
    end = content.rindex(b"PK\x05\x06")
    fields = {at: content[at + framings.LOCAL_FIELDS.start : at + framings.LOCAL_FIELDS.stop] for at in entries}
    return content[start:end], fields


@given(st.lists(st.text("abc/.", min_size=1, max_size=9), unique=True, min_size=1, max_size=5), st.integers(1, 60))
def test_a_directory_comes_back_whatever_its_pieces(names: list[str], size: int) -> None:
    packed, entries = directory(*names)

    def through(data: bytes, *, forward: bool) -> bytes:
        converter = Directory(entries, forward)
        out = b"".join(converter.feed(data[at : at + size]) for at in range(0, len(data), size))
        converter.finish()
        return out

    view = through(packed, forward=True)
    assert view[16:28] == bytes(12)  # the fields are those of the entry
    assert view[42:46] == bytes(4)
    assert through(view, forward=False) == packed


def test_what_is_no_directory_is_refused() -> None:
    with pytest.raises(FormatError, match="other than entries"):
        Directory({}, True).feed(bytes(46))
    cut = Directory({}, True)
    cut.feed(directory("a")[0][:-1])
    with pytest.raises(FormatError, match="ends within an entry"):
        cut.finish()


def test_trailers_are_those_of_the_formats() -> None:
    content = b"content" * 9
    for framing, packed in ((framings.GZIP, gzip.compress(content)), (framings.ZLIB, zlib.compress(content))):
        sums = Checksums(framing)
        sums.add(content)
        assert Surroundings.of(framing, sums, 0).trailer == packed[-trailer_size(framing) :]
    assert trailer_size(framings.RAW) == trailer_size(framings.ENTRY) == 0
