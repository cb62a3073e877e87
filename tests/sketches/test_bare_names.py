from __future__ import annotations

import pytest

from airpatch.sketches.bare_names import bare


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"lib/codegen-7.24.0.jar", b"lib/codegen-7.25.1.jar"),
        (b"numpy.libs/libscipy_openblas64_-8fb3d286.so", b"numpy.libs/libscipy_openblas64_-fdde5778.so"),
        (b"assets/index-BkX9tQ2m.js", b"assets/index-Zt71abCd.js"),
        (b"static/main.1a2b3c4d.js.gz", b"static/main.99aabbcc.js.gz"),
        (b"releases/9f8e7d6c/app.war!WEB-INF/web.xml", b"releases/a0b1c2d3/app.war!WEB-INF/web.xml"),
    ],
)
def test_what_builds_put_into_names_is_left_out(first: bytes, second: bytes) -> None:
    assert bare(first) == bare(second)


@pytest.mark.parametrize(("first", "second"), [(b"a/defaced.so", b"a/acceded.so"), (b"a.js", b"b.js"), (b"a/", b"b/")])
def test_words_stay(first: bytes, second: bytes) -> None:
    assert bare(first) != bare(second)
