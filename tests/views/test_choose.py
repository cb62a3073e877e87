"""What is expanded: streams that changed, in containers in containers; and that the rest stays as it is."""

from __future__ import annotations

import io
import struct
import subprocess
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path

import brotli
import pytest
import zstandard

from airpatch.delta.covers import Members
from airpatch.delta.decoder import decode
from airpatch.delta.encoder import encode
from airpatch.views import framings
from airpatch.views.choose import Views, choose
from airpatch.views.description import FIRST_CODING, Coding
from airpatch.views.expand import largest_view
from airpatch.views.prove import LIKELY
from fixtures.debugging import abbreviations, address, entry, unit
from tests.delta.support import ENTRIES, Section, noise, sections, tar
from tests.views.support import archive, elf, gz, source_view, text, undo, views

OLD = {f"com/bank/Class{i}.class": text(900 + 40 * i, i) for i in range(12)}
NEW = OLD | {"com/bank/Class3.class": OLD["com/bank/Class3.class"].replace(b"value_5", b"value_12345", 1)}


def opened(found: Views) -> int:
    """Streams of the target that are expanded."""
    deflated = [i for i, coding in enumerate(found.target.codings) if coding.encoder]
    return sum(action - FIRST_CODING in deflated for action in found.target.actions)


def difference(target: bytes, *sources: bytes) -> int:
    """Bytes of the difference between views, which is applied and folded."""
    found = views(target, *sources)
    view, old = undo(target, found), source_view(found, *sources)
    members = Members(found.target_members, [*[None] * len(sources), found.source_members])
    delta = b"".join(encode(view, [*sources, old], entries=ENTRIES, members=members))
    assert b"".join(decode(io.BytesIO(delta), [*sources, old], len(view))) == view
    return len(delta)


@pytest.mark.parametrize("streamed", [False, True])
def test_of_an_archive_what_changed_is_expanded(streamed: bool) -> None:
    old, new = (tar({"app/bank.jar": archive(files, streamed=streamed)}) for files in (OLD, NEW))
    found = views(new, old)
    assert opened(found) == 1
    assert {c.framing for c in found.target.codings} == {
        "zip-archive", "zip-directory", "zip-streamed" if streamed else "zip-entry"
    }  # fmt: skip
    assert NEW["com/bank/Class3.class"] in undo(new, found)
    assert OLD["com/bank/Class3.class"] in source_view(found, old)
    assert difference(new, old) < 250


def test_checksums_sizes_and_offsets_of_archives_cost_nothing() -> None:
    """Every entry has another size, so all fields and offsets of the directory differ."""
    old = archive({f"c{i:03}": text(400, i) for i in range(200)})
    new = archive({f"c{i:03}": text(400, i) + b"!" * (i % 3 + 1) for i in range(200)})
    assert difference(new, old) < 900


def test_jars_in_jars_in_a_tar() -> None:
    def nest(files: dict[str, bytes]) -> bytes:
        inner = archive(files)
        return tar(
            {
                "app.jar": archive(
                    {"lib/deep.jar": archive({"lib/inner.jar": inner, "a": text(90, 1)}), "b": text(70, 2)}
                )
            }
        )

    found = views(nest(NEW), nest(OLD))
    assert opened(found) == 3
    assert NEW["com/bank/Class3.class"] in undo(nest(NEW), found)
    assert difference(nest(NEW), nest(OLD)) < 400


def test_archives_stored_in_archives() -> None:
    old, new = (
        tar({"app.jar": archive({"lib/inner.jar": archive(files)}, stored=["lib/inner.jar"])}) for files in (OLD, NEW)
    )
    assert opened(views(new, old)) == 1
    assert difference(new, old) < 300


def test_names_with_versions_are_counterparts() -> None:
    old, new = (
        tar({f"app/codegen-7.{minor}.0.jar": archive(files, year=2000 + minor)})
        for minor, files in ((24, OLD), (25, NEW))
    )
    assert opened(views(new, old)) == 1
    assert difference(new, old) < 500


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("libs/libblas64_-8fb3d286.so", "libs/libblas64_-fdde5778.so"),
        ("assets/index-DkX9_a2B.js", "assets/index-q_Zw-4Tn.js"),
        ("assets/deadbeef.js", "assets/abcdefab.js"),
    ],
)
def test_names_with_hashes_are_counterparts(before: str, after: str) -> None:
    content = text(30_000, 3)
    changed = content[:10_000] + b"changed" + content[10_000:]
    old, new = (tar({"a.whl": archive({name: each})}) for name, each in ((before, content), (after, changed)))
    assert opened(views(new, old)) == 1
    assert difference(new, old) < 400
    old, new = (tar({f"{name}.gz": gz(each)}) for name, each in ((before, content), (after, changed)))
    assert opened(views(new, old)) == 1
    assert difference(new, old) < 400


def test_what_lies_elsewhere_and_has_another_name_stays_packed_in_a_source() -> None:
    content = text(3000, 3)
    found = views(
        tar({"a.whl": archive({"new.py": b"changed" + content})}),
        tar({"a.whl": archive({"other/old.py": content, "old.css": content})}),
    )
    assert found is not None
    assert found.source_size == 0


def test_gzip_files_and_their_members() -> None:
    pages = [text(4000, seed) for seed in range(3)]
    old = tar({"man/tool.1.gz": gz(pages[0], 9) + gz(pages[1]), "notes.gz": gz(pages[2])})
    new = tar({"man/tool.1.gz": gz(pages[0], 9) + gz(pages[1] + b"changed"), "notes.gz": gz(b"changed" + pages[2])})
    assert opened(views(new, old)) == 2
    assert difference(new, old) < 350


def test_a_tgz_is_expanded_down_to_its_files() -> None:
    def nest(files: dict[str, bytes]) -> bytes:
        return tar({"x.tgz": gz(tar({"a.jar": archive(files), "b": text(3000, 5)}))})

    assert opened(views(nest(NEW), nest(OLD))) == 2
    assert difference(nest(NEW), nest(OLD)) < 400


@pytest.mark.parametrize("old_style", [False, True])
def test_compressed_sections_of_programs(old_style: bool) -> None:
    prefix = ".zdebug_" if old_style else ".debug_"
    old = {prefix + "info": text(20_000, 1), prefix + "line": text(9000, 2)}
    new = old | {prefix + "info": text(20_000, 1)[:10_000] + b"changed" + text(20_000, 1)[10_000:]}
    old_tar, new_tar = (tar({"bin/server": elf(sections, old_style)}) for sections in (old, new))
    assert opened(views(new_tar, old_tar)) == 1
    assert difference(new_tar, old_tar) < 500


def test_sections_of_a_compiled_program(tmp_path: Path) -> None:
    built = []
    for number in (1, 2):
        functions = (f"int f{i}(int x) {{ return x * {i * number}; }}" for i in range(400 + number))
        (tmp_path / "main.c").write_text("\n".join(functions))
        subprocess.run(["gcc", "-g", "-gz=zlib", "-c", "main.c", "-o", "main.o"], cwd=tmp_path, check=True)
        built.append(tar({"main.o": (tmp_path / "main.o").read_bytes()}))
    assert opened(views(built[1], built[0])) >= 2


def _program(grown: int, more: bytes = b"", *, old_style: bool = False) -> bytes:
    """A program of functions, and its debugging information, compressed: what changes in that are numbers alone.

    `more` are held by another section.
    """
    starts = [128 + 96 * number + 16 * (number * grown // 20) for number in range(201)]
    code = b"".join(noise(96, i).ljust(stop - start, b"\x90") for i, (start, stop) in enumerate(pairwise(starts)))
    entries = b"".join(
        entry(1, b"f%d\0" % i, address(0x400000 + starts[i]), address(0x400000 + starts[i + 1])) for i in range(200)
    )
    table = abbreviations([(3, 8), (0x11, 1), (0x12, 1)])
    parts = [Section(".text", code, flags=6)]
    contents = {".debug_abbrev": table, ".debug_info": unit(entries)} | ({".debug_more": more} if more else {})
    for name, content in contents.items():
        packed = zlib.compress(content, 6)
        if old_style:
            parts.append(Section(name.replace(".", ".z"), b"ZLIB" + struct.pack(">Q", len(content)) + packed, flags=0))
        else:
            parts.append(Section(name, struct.pack("<IIQQ", 1, 0, len(content), 1) + packed, flags=0x800))
    return sections(parts)


@pytest.mark.parametrize("styles", [(False, False), (True, True), (True, False)])
def test_a_program_is_compared_with_its_expanded_sections(styles: tuple[bool, bool]) -> None:
    old, new = (
        tar({"a": noise(500, 1), "server": _program(grown, old_style=old_style), "z": b""})
        for grown, old_style in enumerate(styles)
    )
    found = views(new, old)
    assert opened(found) == 2  # with the abbreviations, which did not change
    assert [member.path for member in found.target_members] == [b"a", b"server", b"z"]
    server = found.target_members[1]
    assert server.content + server.size <= server.end <= server.content + server.size + 1024
    assert difference(new, old) < 700


def test_streams_within_sections_are_a_part_of_their_program() -> None:
    old, new = (tar({"server": _program(grown, gz(text(9000, 1) + bytes(grown))), "z": b""}) for grown in (0, 1))
    found = views(new, old)
    assert opened(found) == 4
    assert [member.path for member in found.target_members] == [b"server", b"z"]
    assert difference(new, old) < 700


def test_a_counterpart_is_expanded_though_the_target_has_it_elsewhere() -> None:
    whole = text(20_000, 1)
    old = tar({"a.jar": archive({"a": whole, "b": text(900, 2)}), "c.gz": gz(whole)})
    new = tar({"a.jar": archive({"a": whole + b"!", "b": whole}), "c.gz": gz(whole + b"!"), "d.gz": gz(whole)})
    assert difference(new, old) < 400


def test_sections_on_top_of_each_other_are_expanded_once() -> None:
    old, new = bytearray(_program(0, text(900, 1))), _program(1, text(900, 2))
    table = struct.unpack_from("<Q", old, 40)[0]
    old[table + 64 * 3 + 24 : table + 64 * 3 + 40] = old[table + 64 * 4 + 24 : table + 64 * 4 + 40]
    assert difference(tar({"server": new}), tar({"server": bytes(old)})) > 0


def test_a_blob_that_is_no_tar_is_a_file_itself() -> None:
    assert opened(views(archive(NEW), archive(OLD))) == 1


def test_what_is_new_is_expanded_too() -> None:
    old = tar({"app.jar": archive(OLD)})
    new = tar({"app.jar": archive(OLD | {"com/bank/Extra.class": text(800, 77)})})
    assert opened(views(new, old)) == 1


@pytest.mark.parametrize(
    ("target", "source"),
    [
        (tar({"a.jar": archive(OLD)}), tar({"b.jar": archive(OLD)})),
        (tar({"a.jar": archive(OLD, year=2021)}), tar({"a.jar": archive(OLD)})),
        (tar({"a.txt": text(3000, 1)}), tar({"a.txt": text(3000, 2)})),
        (b"", b""),
        (b"PK\x05\x06", b"\x1f\x8b\x08"),
        (b"\x1f\x8b\x08" + bytes(40), b"\x7fELF" + bytes(100)),
    ],
)
def test_nothing_is_expanded_where_no_stream_changed(target: bytes, source: bytes) -> None:
    assert choose(memoryview(target), [memoryview(source)]) is None


def test_streams_of_unknown_encoders_stay_packed() -> None:
    stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)
    held = text(3000, 1)
    packed = stream.compress(held) + stream.flush()
    odd = b"\x1f\x8b\x08" + bytes(7) + packed + zlib.crc32(held).to_bytes(4, "little") + (3000).to_bytes(4, "little")
    assert choose(memoryview(tar({"a.gz": odd})), [memoryview(tar({"a.gz": gz(text(3000, 1))}))]) is None


def test_bombs_stay_packed() -> None:
    bomb = gz(bytes(30 << 20), 9)
    assert choose(memoryview(tar({"a.gz": bomb})), [memoryview(tar({"a.gz": gz(b"small")}))]) is None
    nested = tar({"a.jar": archive({"bomb.gz": bomb})})
    assert views(nested, tar({"a.jar": gz(b"small")})).target_size < 2 * len(bomb) + len(nested)


def test_a_hundred_archives_in_one_another_are_expanded_as_far_as_the_levels_go() -> None:
    def nest(seed: bytes) -> bytes:
        data = noise(300, 5) + seed
        for _ in range(100):
            data = archive({"inner.jar": data})
        return tar({"a.jar": data})

    found = views(nest(b"new"), nest(b"old"))
    assert 1 <= opened(found) <= 12


def test_overlapping_entries_are_expanded_once() -> None:
    whole = archive({"a": text(2000, 1)})
    start = whole.index(b"PK\x01\x02")
    directory = whole[start : whole.index(b"PK\x05\x06")]
    end = bytearray(whole[start + len(directory) :])
    end[8:12] = (9).to_bytes(2, "little") * 2
    end[12:16] = (9 * len(directory)).to_bytes(4, "little")
    bomb = whole[:start] + 9 * directory + end
    found = views(tar({"a.jar": bomb}), tar({"a.jar": archive({"a": text(2000, 2)})}))
    assert opened(found) == 1


@pytest.mark.parametrize("at", [14, 18, 22])
def test_a_directory_unlike_the_local_headers(at: int) -> None:
    """The stream itself is expanded, its header stays as it is."""
    data = bytearray(archive({"a": text(2000, 1)}))
    data[at] ^= 1
    found = views(tar({"a.jar": bytes(data)}), tar({"a.jar": archive({"a": text(2000, 2)})}))
    assert [c.framing for c in found.target.codings if c.encoder] == ["raw"]


def test_a_directory_that_tells_wrong_sizes() -> None:
    data = bytearray(archive({"a": text(2000, 1), "b": text(2000, 3)}))
    at = data.index(b"PK\x01\x02") + 20
    data[at : at + 4] = (1 << 20).to_bytes(4, "little")
    found = views(tar({"a.jar": bytes(data)}), tar({"a.jar": archive({"a": text(2000, 2)})}))
    assert opened(found) == 1  # of the other entry


def test_bombs_in_bombs_stay_packed() -> None:
    def nest(size: int) -> bytes:
        data = noise(300, 1)
        for _ in range(3):
            data = gz(data + bytes(40 * len(data)) + noise(size, 2), 9)
        return tar({"a.gz": data})

    found = choose(memoryview(nest(9)), [memoryview(nest(8))])
    assert found is None or found.target_size <= largest_view(len(nest(9)))


@pytest.mark.parametrize("framing", [framings.ENTRY, framings.GZIP, framings.BROTLI, framings.ZSTD])
def test_a_bomb_before_other_bytes_stays_packed(framing: str) -> None:
    """What follows it is no part of it, and its limit is that of its own bytes."""

    def layer(start: bytes) -> bytes:
        content = start + bytes(300_000)
        match framing:
            case framings.ENTRY:
                return tar({"a.jar": archive({"a": content, "b": noise(20_000, 1), "c": start + text(2000, 1)})})
            case framings.GZIP:
                packed = gz(content)
            case framings.ZSTD:
                packed = zstandard.compress(content)
            case _:
                packed = brotli.compress(content, quality=5)
        name = {framings.GZIP: "a.gz", framings.ZSTD: "a.zst"}.get(framing, "a.br")
        return tar({name: packed + noise(20_000, 1), "c.gz": gz(start + text(2000, 1))})

    found = views(layer(b"new"), layer(b"old"))
    assert opened(found) == 1  # c


def test_files_without_streams_take_no_memory() -> None:
    """A layer may have millions; those that may hold streams take 24 bytes each, and some while they are hashed."""
    old, new = (
        tar({f"usr/share/{number}.txt": b"%d of release %d" % (number, release) for number in range(3000)})
        for release in (1, 2)
    )
    tracemalloc.start()
    try:
        assert choose(memoryview(new), [memoryview(old)]) is None
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


class Older:
    """A reader that lacks some codings."""

    def __init__(self, *lacks: str) -> None:
        self._lacks = lacks
        self.missed: set[Coding] = set()

    def knows(self, coding: Coding) -> bool:
        return coding.framing not in self._lacks and coding.encoder not in self._lacks

    def note_unknown(self, coding: Coding) -> None:
        assert not self.knows(coding)
        self.missed.add(coding)


JAR, GZIPPED = text(9000, 1), text(9000, 2)
BOTH = tuple(
    tar({"app/a.jar": archive({"x": JAR + end, "y": JAR}), "b.gz": gz(GZIPPED + end)}) for end in (b"", b"changed")
)


@pytest.mark.parametrize(
    ("lacks", "missed", "framings"),
    [
        ("zip-archive", {Coding("zip-archive")}, {"gzip"}),
        ("zip-entry", {Coding("zip-entry", "zlib-6")}, {"gzip"}),
        ("zip-directory", set(), {"zip-archive", "zip-entry", "gzip"}),
        ("gzip", {Coding("gzip", "zlib-6")}, {"zip-archive", "zip-entry", "zip-directory"}),
    ],
)
def test_a_view_for_an_older_reader(lacks: str, missed: set[Coding], framings: set[str]) -> None:
    reader = Older(lacks)
    old, new = BOTH
    found = choose(memoryview(new), [memoryview(old)], reader=reader)
    assert found is not None
    assert {coding.framing for coding in (*found.target.codings, *found.source.codings)} == framings
    assert reader.missed == missed
    undo(new, found)


def test_another_encoder_that_writes_the_same_does_for_an_older_reader() -> None:
    old, new = (tar({"b.gz": gz(GZIPPED + end)}) for end in (b"", b"changed"))
    encoders = set()
    for lacks in ((), ("zlib-6",)):
        found = choose(memoryview(new), [memoryview(old)], reader=Older(*lacks))
        assert found is not None
        encoders |= {coding.encoder for coding in found.target.codings}
        undo(new, found)
    assert len(encoders) == 2


def test_where_no_encoder_is_known_to_the_reader_nothing_is_expanded() -> None:
    old, new = (tar({"b.gz": gz(GZIPPED + end)}) for end in (b"", b"changed"))
    reader = Older(*LIKELY)
    assert choose(memoryview(new), [memoryview(old)], reader=reader) is None
    assert len(reader.missed) == 1
