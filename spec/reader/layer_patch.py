"""Layer patches: how one blob is made out of the sources of its step (FORMAT.md, Layer patches)."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import decisions, deflate, delta, encoders, views, zstd
from .canonical import BYTES, TEXT, UINT, VERSION, Leaf, build, decode, row
from .errors import IntegrityError, Unsupported, extension, require

MAX_HEADER = 2097152
METHODS = {  # what each needs to know, and how many columns it has
    "plain": (row(), 0),
    "replica": (row(encoder=TEXT, start=BYTES, like=[UINT]), 0),
    "replay": (row(like=[UINT]), 4),
    "corrected": (row(encoder=TEXT, start=BYTES), 4),
    "members": (row(encoder=TEXT, like=[UINT]), 2),
    "frames": (row(encoder=TEXT, like=[UINT]), 2),
    "frame replay": (row(like=[UINT]), 4),
    "corrected frames": (row(encoder=TEXT), 4),
    "raw": (row(), 0),
    "whole": (row(), 0),
}
METHOD = Leaf(list, "method", lambda value: value and type(value[0]) is str and value[0] in METHODS)
HEADER = {"airpatch": VERSION, "method": METHOD, "sections": [UINT]}


@dataclass
class Source:
    """A blob that steps build upon, and the size of its uncompressed data in bytes."""

    packed: bytes
    size: int

    @cached_property
    def content(self) -> bytes:
        """Its uncompressed data."""
        content = self.packed
        if content.startswith(b"\x1f\x8b\x08"):
            content = deflate.unpack(content, self.size)
        elif zstd.begins_blob(content):
            content = zstd.unpack_blob(content, self.size)
        require(len(content) == self.size, "a source with other uncompressed data than the index says")
        return content


def carry_out(patch: bytes, step: Any, sources: list[Source]) -> Source:
    """The blob that a step makes."""
    packed = _Recipe(patch, step, sources).make()
    right = len(packed) == step.size and hashlib.sha256(packed).digest() == step.digest
    require(right, f"a layer patch made another blob than {step.digest.hex()}", IntegrityError)
    return Source(packed, step.unpacked)


class _Recipe:
    def __init__(self, patch: bytes, step: Any, sources: list[Source]) -> None:
        """Parse the header of a layer patch."""
        self.step, self.sources = step, sources
        end = 4 + int.from_bytes(patch[:4], "little")
        require(end - 4 <= MAX_HEADER, "a header over its limit")
        document = decode(patch[4:end])
        has_views = type(document) is dict and "views" in document
        header = build(HEADER | {"views": row(target=UINT, source=UINT)} if has_views else HEADER, document)
        (self.method, *details), sizes, self.views = header.method, header.sections, getattr(header, "views", None)
        form, self.columns = METHODS[self.method]
        self.details = build(form, details)._asdict()
        require(not self.views or self.method not in ("raw", "whole"), "views of a blob that is not unpacked")
        require(self.views or not step.view, "a view of the sources that is not there")
        require(len(sizes) == 1 + self.columns + (2 if self.views else 0), "another number of sections")
        require(sum(sizes) == len(patch) - end, "sections that do not fill the layer patch")
        self.sections = [patch[end + sum(sizes[:n]) :][:size] for n, size in enumerate(sizes)]

    def make(self) -> bytes:
        """The blob, whose digest has not been compared."""
        if self.method == "whole":
            return self.sections[0]
        if self.method == "raw":
            return delta.apply(self.sections[0], [source.packed for source in self.sources], self.step.size)
        encoder, start = self.details.get("encoder", ""), self.details.get("start", b"")
        like = self._like(encoder)
        content = self._content()
        if self.method == "plain":
            return content
        if self.method in ("replica", "corrected"):
            like = [start + encoders.deflate(encoder, content) + deflate.sums(content)]
        if self.method == "replica":
            return like[0]
        if self.method in ("replay", "corrected"):
            return decisions.to_file(content, self._columns(map(decisions.of_file, like)), self.step.size)
        if self.method == "members":
            members = extension("members")
            columns = self._columns(members.layout_of(one, encoder) for one in like)
            return bytes(members.to_file(encoder, content, *columns))
        if self.method != "frames" or not encoder.startswith("libzstd-") or "-once" in encoder:
            raise Unsupported(f"{self.method} by encoder {encoder}")
        layouts = extension("layouts")
        return bytes(layouts.to_file(encoder, content, *self._columns(map(layouts.of_file, like))))

    def _like(self, encoder: str) -> list[bytes]:
        """The sources whose decisions are used."""
        like = self.details.get("like", [])
        require(len(set(like)) == len(like), "decisions like those of one source twice")
        require(max(like, default=-1) < len(self.sources), "decisions like those of a source that is not there")
        require(self.method not in ("replica", "frame replay") or len(like) <= 1, "decisions like those of two sources")
        found = [self.sources[one].packed for one in like]
        of_zstd = self.method in ("frames", "frame replay")
        require(not of_zstd or all(map(zstd.begins_blob, found)), "decisions like those of no zstd file")
        taken = self.method == "replica" and like and encoder.startswith("zlib")
        require(not taken or re.fullmatch(encoders.TAKES_OVER, encoder), "an encoder that takes over no decisions")
        return found

    def _content(self) -> bytes:
        contents = [source.content for source in self.sources]
        size = self.step.unpacked
        if self.views is None:
            content = delta.apply(self.sections[0], contents, size)
        else:
            target_size, source_size = self.views
            require(target_size <= 64 * size + 65536, "a view of the target over its limit")
            require(source_size == self.step.view, "a view of the sources of another size than the index says")
            target, source = (delta.apply(one, [], views.MAX_DESCRIPTION) for one in self.sections[-2:])
            folded = views.parse(target, True)
            expanded = views.expand(views.parse(source, False), b"".join(contents))
            require(len(expanded) == source_size, "a view of the sources of another size than the index says")
            view = delta.apply(self.sections[0], [*contents, expanded], target_size)
            require(len(view) == target_size, "a view of the target of another size than it says")
            content = views.fold(folded, view)
        require(len(content) == size, "other uncompressed data than the index says")
        return content

    def _columns(self, like: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
        """The columns, by those of the files that they are like."""
        limit, files = 16 * self.step.size + 65536, list(like)
        columns = self.sections[1 : 1 + self.columns]
        return tuple(delta.apply(one, [file[n] for file in files], limit) for n, one in enumerate(columns))
