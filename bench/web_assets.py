"""What packed copies of web assets cost in a patch: `x.js`, `x.js.gz` and `x.js.br`.

`python -m bench.web_assets OLD NEW` takes two folders, such as those of two versions of an npm package. Their scripts
and style sheets become layers, beside copies packed by gzip at level 9, by brotli at quality 11, by zopfli. Sizes are
in bytes: of the layer, of its difference with streams expanded, and with all as they are; seconds are of processor time
to find the encoders and expand, and to fold.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from airpatch.delta.covers import TARS, Members
from airpatch.delta.effort import Effort
from airpatch.delta.encoder import encode
from airpatch.encoders.libbrotli import brotli_encoder
from airpatch.encoders.libzopfli import zopfli_deflater
from airpatch.views.choose import choose
from airpatch.views.description import emit_view
from airpatch.views.expand import expand
from airpatch.views.fold import fold

Pack = Callable[[bytes], bytes]
_SUFFIXES = (".cjs", ".css", ".js", ".mjs")
_LIMIT = 1 << 30
_HEADER = 10


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _brotli(content: bytes) -> bytes:
    encoder = brotli_encoder("libbrotli-1.2.1-11-22")
    return encoder.feed(content) + encoder.finish()


def _zopfli(content: bytes) -> bytes:
    encoder = zopfli_deflater("zopfli-1.0.3-15")
    packed = _gzip(content)
    return packed[:_HEADER] + encoder.feed(content) + encoder.finish() + packed[-8:]


_KINDS: dict[str, dict[str, Pack]] = {
    "alone": {},
    "gz": {".gz": _gzip},
    "br": {".br": _brotli},
    "gz, br": {".br": _brotli, ".gz": _gzip},
    "zopfli": {".gz": _zopfli},
}


def main() -> None:
    print(f"{'copies':8} {'layer':>12} {'expanded':>12} {'as it is':>12} {'expand s':>9} {'fold s':>9}")
    for title, kind in _KINDS.items():
        old, new = (_layer(Path(folder), kind) for folder in sys.argv[1:3])
        flat = _size(new, [old])
        start = time.process_time()
        views = choose(memoryview(new), [memoryview(old)])
        expanded, seconds, folding = flat, time.process_time() - start, 0.0
        if views is not None:
            target, source = (
                b"".join(expand([layer], view, _LIMIT)) for layer, view in ((new, views.target), (old, views.source))
            )
            seconds = time.process_time() - start
            members = Members(views.target_members, [None, views.source_members])
            expanded = _size(target, [old, source], members)
            expanded += sum(_size(emit_view(view), []) for view in (views.target, views.source))
            start = time.process_time()
            if b"".join(fold([target], views.target)) != new:
                raise SystemExit("the view does not give the layer again")
            folding = time.process_time() - start
        print(f"{title:8} {len(new):12,} {expanded:12,} {flat:12,} {seconds:9.1f} {folding:9.1f}", flush=True)


def _layer(folder: Path, packers: dict[str, Pack]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in _SUFFIXES:
                content = path.read_bytes()
                _add(tar, str(path.relative_to(folder)), content)
                for suffix, pack in packers.items():
                    _add(tar, str(path.relative_to(folder)) + suffix, pack(content))
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _size(target: bytes, sources: Sequence[bytes], members: Members = TARS) -> int:
    views = [memoryview(source) for source in sources]
    return sum(map(len, encode(memoryview(target), views, Effort.DEFAULT, members=members)))


if __name__ == "__main__":
    main()
