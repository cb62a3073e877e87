"""Files that pages for a browser go to, beside what an operation is for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airpatch.blobs.output import Sink, output_file
from airpatch.errors import UsageError
from airpatch.linux import real_path
from airpatch.operations.arguments import Paths, StrPath, check_apart, names


@contextmanager
def page_file(html: StrPath | None, *others: Paths | None) -> Iterator[Sink | None]:
    """Give the file `html` that a page goes to, None if there is none; it gets its name when the block has succeeded.

    Raises UsageError if it is one of `others`, which are read or written, too; TargetError.
    """
    if html is None:
        yield None
        return
    check_apart(html, *others)
    for name in (name for paths in others if paths is not None for name in names(paths)):
        if real_path(Path(name)) == real_path(Path(html)):
            raise UsageError(f"{html}: would be the page and {name}: name another file")
    with output_file(Path(html)) as sink:
        yield sink
