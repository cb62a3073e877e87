"""Layer patches: how one blob is made out of the sources of its step (FORMAT.md, Layer patches)."""

import hashlib
from dataclasses import dataclass
from typing import Any

from . import decisions, delta, encoders, gzip_file, gzip_writer, layouts, views, zstd
from .canonical import decode, fields, of_type, record
from .errors import IntegrityError, Unsupported, require
from .index import Step

MAX_HEADER = 2097152
# What each method needs to know, and how many sections it has besides that of the difference.
METHODS: dict[str, tuple[tuple[type, ...], int]] = {
    "plain": ((), 0),
    "replica": ((str, bytes, list), 0),
    "replay": ((list,), 4),
    "corrected": ((str, bytes), 4),
    "frames": ((str, list), 2),
    "frame replay": ((list,), 4),
    "corrected frames": ((str,), 4),
    "raw": ((), 0),
    "whole": ((), 0),
}


@dataclass
class Blob:
    """A blob that steps build upon; its uncompressed data has `size` bytes, and is made when it is asked for."""

    packed: bytes
    size: int
    unpacked: bytes | None = None

    def content(self) -> bytes:
        """Its uncompressed data.

        Raises:
            FormatError: it does not decompress, or to another size.
        """
        if self.unpacked is None:
            self.unpacked = self.packed
            if self.packed.startswith(b"\x1f\x8b\x08"):
                self.unpacked = gzip_file.unpack(self.packed, self.size)
            elif is_zstd(self.packed):
                self.unpacked = zstd.unpack_blob(self.packed, self.size)
            require(len(self.unpacked) == self.size, "a source with other uncompressed data than the index says")
        return self.unpacked


def is_zstd(blob: bytes) -> bool:
    """Whether a blob begins as a zstd file does."""
    return blob.startswith(zstd.MAGIC) or (blob[1:4] == b"\x2a\x4d\x18" and blob[0] >> 4 == 5)


@dataclass(frozen=True)
class _Recipe:
    """The header of a layer patch, and its sections."""

    method: str
    details: list[Any]
    sections: list[bytes]
    views: list[int] | None


def _parse(patch: bytes) -> _Recipe:
    size = int.from_bytes(patch[:4], "little")
    require(size <= MAX_HEADER, "a header over its limit")
    header = of_type(decode(patch[4 : 4 + size]), dict)
    require(type(header.get("airpatch")) is int and header["airpatch"] == 1, "an unknown version of layer patches")
    kinds: dict[str, type] = {"airpatch": int, "method": list, "sections": list}
    if "views" in header:
        kinds["views"] = list
    values: list[Any] = fields(header, **kinds)
    name, *details = values[1]
    require(of_type(name, str) in METHODS, "a method that nobody knows")
    detail_kinds, columns = METHODS[name]
    record(details, *detail_kinds)
    sizes = [of_type(one, int) for one in values[2]]
    view_sizes = None
    if len(values) == 4:
        require(name not in ("raw", "whole"), "views of a blob that is not unpacked")
        record(values[3], int, int)
        view_sizes = values[3]
    require(len(sizes) == 1 + columns + (2 if view_sizes else 0), "another number of sections")
    require(sum(sizes) == len(patch) - 4 - size, "sections that do not fill the layer patch")
    sections, at = [], 4 + size
    for one in sizes:
        sections.append(patch[at : at + one])
        at += one
    return _Recipe(name, details, sections, view_sizes)


def carry_out(patch: bytes, step: Step, sources: list[Blob]) -> Blob:
    """The blob that a step makes.

    Raises:
        FormatError: the layer patch breaks a rule, or does not fit the sources.
        IntegrityError: the blob is another one.
        Unsupported: the layer patch needs what this reader lacks.
    """
    made = _Maker(_parse(patch), step, sources)
    packed = made.make()
    if len(packed) != step.size or hashlib.sha256(packed).digest() != step.digest:
        raise IntegrityError(f"a layer patch made another blob than {step.digest.hex()}")
    return Blob(packed, step.unpacked)


class _Maker:
    def __init__(self, recipe: _Recipe, step: Step, sources: list[Blob]) -> None:
        self.recipe, self.step, self.sources = recipe, step, sources
        self.method, self.details = recipe.method, recipe.details
        self.max_column = 16 * step.size + 65536

    def make(self) -> bytes:
        require(self.recipe.views or self.step.view == 0, "a view of the sources that is not there")
        if self.method == "whole":
            return self.recipe.sections[0]
        if self.method == "raw":
            return delta.apply(self.recipe.sections[0], [source.packed for source in self.sources], self.step.size)
        self._check_details()
        content = self._content()
        if self.method == "plain":
            return content
        if self.method == "replica":
            return encoders.gzip(self.details[0], self.details[1], content)
        if self.method == "replay":
            return self._replay(content, [decisions.of_file(self.sources[one].packed) for one in self.details[0]])
        if self.method == "corrected":
            return self._replay(content, [decisions.of_file(encoders.gzip(self.details[0], self.details[1], content))])
        if self.method == "frames":
            return self._frames(content)
        raise Unsupported(f"method {self.method}")

    def _check_details(self) -> None:
        for detail in self.details:
            if type(detail) is str:
                known = encoders.is_zstd if "frames" in self.method else encoders.is_deflate
                require(known(detail), f"an encoder that nobody knows: {detail!r}")
        if self.details and type(self.details[-1]) is list:
            like = [of_type(one, int) for one in self.details[-1]]
            require(len(set(like)) == len(like), "decisions like those of one source twice")
            require(max(like, default=-1) < len(self.sources), "decisions like those of a source that is not there")
            if self.method in ("replica", "frame replay"):
                require(len(like) <= 1, "decisions like those of more than one source")
            if self.method == "replica":
                require(not like or encoders.takes_over(self.details[0]), "an encoder that takes over no decisions")
            if self.method in ("frames", "frame replay"):
                require(all(is_zstd(self.sources[one].packed) for one in like), "decisions like those of no zstd file")

    def _content(self) -> bytes:
        contents = [source.content() for source in self.sources]
        size, sizes = self.step.unpacked, self.recipe.views
        if sizes is None:
            content = delta.apply(self.recipe.sections[0], contents, size)
        else:
            require(sizes[0] <= 64 * size + 65536, "a view of the target over its limit")
            require(sizes[1] == self.step.view, "a view of the sources of another size than the index says")
            target, source = (delta.apply(one, [], views.MAX_DESCRIPTION) for one in self.recipe.sections[-2:])
            folded = views.parse(target, True)
            expanded = views.expand(views.parse(source, False), b"".join(contents), sizes[1])
            require(len(expanded) == sizes[1], "a view of the sources of another size than the index says")
            view = delta.apply(self.recipe.sections[0], [*contents, expanded], sizes[0])
            require(len(view) == sizes[0], "a view of the target of another size than it says")
            content = views.fold(folded, view)
        require(len(content) == size, "other uncompressed data than the index says")
        return content

    def _replay(self, content: bytes, like: list[decisions.Columns]) -> bytes:
        columns = [
            delta.apply(section, [one[number] for one in like], self.max_column)
            for number, section in enumerate(self.recipe.sections[1:5])
        ]
        layout, runs, sources, distances = columns
        return gzip_writer.to_file(content, (layout, runs, sources, distances), self.step.size)

    def _frames(self, content: bytes) -> bytes:
        like = [layouts.of_file(self.sources[one].packed, self.details[0]) for one in self.details[1]]
        layout, rest = (
            delta.apply(section, [one[number] for one in like], self.max_column)
            for number, section in enumerate(self.recipe.sections[1:3])
        )
        return layouts.to_file(self.details[0], content, layout, rest)
