"""Compiled files of Python: their views do not depend on numbers of objects, and folding undoes them, whatever the
bytes.
"""

from __future__ import annotations

import ast
import importlib.util
import py_compile
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views import choose
from airpatch.views.cut_short import CutShort
from airpatch.views.description import END, FIRST_CODING, Coding, View
from airpatch.views.expand import expand
from airpatch.views.fold import fold
from airpatch.views.pyc_files import MAX_OBJECTS, MAX_PYC, absolute, pyc_size, relative
from fixtures.python_code import (
    NEW_VERSIONS,
    NONE,
    OLD_VERSIONS,
    code,
    data,
    items,
    kept,
    nested,
    pyc,
    ref,
    text,
    whole,
)
from tests.views.support import LIMIT, archive, damaged, gz, refused_or_back, source_view, undo, views
from tests.views.support import text as words

VERSIONS = (*OLD_VERSIONS, *NEW_VERSIONS)
OLD, NEW = whole(), whole(["interest"], 3, time=8)
SOURCES = sorted(Path(ast.__file__).parent.glob("*.py"))[::4]


def of_this_python(source: Path, folder: Path) -> bytes:
    made = py_compile.compile(str(source), str(folder / "made.pyc"), doraise=True)
    assert made is not None
    return Path(made).read_bytes()


def differences(one: bytes, other: bytes) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("version", VERSIONS)
def test_folding_undoes_the_view_of_every_construct(version: int) -> None:
    for made in (whole(version=version), whole(["interest"], 3, version)):
        view = relative(made)
        assert len(view) == len(made)
        assert view != made
        assert absolute(view) == made


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_folding_undoes_the_view_of_the_standard_library(source: Path, tmp_path: Path) -> None:
    made = of_this_python(source, tmp_path)
    assert absolute(relative(made)) == made
    assert pyc_size(made) == len(made)


def test_a_line_more_changes_one_line_in_the_view(tmp_path: Path) -> None:
    source = "def pay():\n    pass\n\ndef close():\n    def inner():\n        pass\n    return inner\n"
    made = []
    for before in ("", "\n\n\n"):
        (tmp_path / "a.py").write_text(before + source)
        made.append(of_this_python(tmp_path / "a.py", tmp_path)[16:])
    assert differences(*made) >= 4
    header = importlib.util.MAGIC_NUMBER + OLD[4:16]
    assert differences(*(relative(header + each) for each in made)) <= 2


def test_what_did_not_change_is_the_same_with_other_numbers_and_lines() -> None:
    end = NEW.index(b"currency")
    size = len(NEW) - end
    assert differences(NEW[-size:], OLD[-size:]) >= 6
    assert differences(relative(NEW)[-size:], relative(OLD)[-size:]) <= 2  # lines behind the function that has more


def test_the_same_object_has_the_same_label_in_another_file() -> None:
    name = kept(text("account"))
    one, other = (relative(pyc(each)) for each in (items(name, ref(0)), items(kept(NONE), name, ref(1))))
    assert one[-4:] == other[-4:]
    assert one[-4:] != relative(pyc(items(kept(text("accounts")), ref(0))))[-4:]


def test_what_a_reference_stands_for_counts_in_place_of_its_number() -> None:
    name, more = kept(text("account")), kept(text("more"))
    one = relative(pyc(items(name, kept(items(ref(0))), ref(1))))
    other = relative(pyc(items(more, name, kept(items(ref(1))), ref(2))))
    assert one[-4:] == other[-4:]


@given(st.data())
def test_other_bytes_are_refused_or_come_back(chance: st.DataObject) -> None:
    start = whole(version=chance.draw(st.sampled_from(VERSIONS)))
    changed = damaged(chance, chance.draw(st.sampled_from([start, relative(start)])), 4)
    refused_or_back(changed, relative, absolute)


def test_its_size_is_known_from_its_beginning() -> None:
    assert pyc_size(NEW + b"more") == len(NEW)
    for size in range(len(OLD)):
        with pytest.raises(FormatError):
            relative(OLD[:size])
    with pytest.raises(CutShort):
        pyc_size(OLD[:-1])
    for other in (b"", b"\x7fELF" + OLD[4:], b"\x42\x0d" + OLD[2:]):  # 3394 is CPython 3.7
        with pytest.raises(FormatError, match="no compiled file"):
            pyc_size(other)


def test_as_many_objects_as_there_may_be_have_labels() -> None:
    most = pyc(items(*[kept(NONE)] * MAX_OBJECTS, *map(ref, range(MAX_OBJECTS)), kind=b"("))
    view = relative(most)
    assert absolute(view) == most
    labels = {view[-5 * number - 4 :][:4] for number in range(MAX_OBJECTS)}
    assert len(labels) == MAX_OBJECTS
    with pytest.raises(FormatError, match="more than 65535 objects"):
        relative(pyc(items(*[kept(NONE)] * (MAX_OBJECTS + 1), kind=b"(")))


def test_objects_deep_in_one_another_are_refused() -> None:
    assert absolute(relative(pyc(nested(256)))) == pyc(nested(256))
    for convert in (relative, absolute):
        with pytest.raises(FormatError, match="more than 256 deep"):
            convert(pyc(nested(257)))
        with pytest.raises(FormatError, match="more than 256 deep"):
            convert(pyc((b"c" + bytes(20)) * 100_000))


def test_a_file_over_the_limit_is_refused() -> None:
    size = MAX_PYC - len(pyc(data(b"")))
    most, above = pyc(data(bytes(size))), pyc(data(bytes(size + 1)))
    assert absolute(relative(most)) == most
    actions = bytes([FIRST_CODING, END, END])
    view = View((Coding("python-pyc"),), actions, array("q", [0, len(above), 0]))
    with pytest.raises(FormatError, match="more than 4194304 bytes"):
        list(fold([above], view))
    with pytest.raises(FormatError):
        list(expand([above], view, LIMIT))


def found_in(view: View) -> list[str]:
    return [coding.framing for coding in view.codings]


@pytest.mark.parametrize(
    "pack",
    [
        lambda content: content,
        lambda content: content + b"tail",
        gz,
        lambda content: archive({"a.txt": words(500, 1), "shop/a.pyc": content, "b.txt": words(900, 2)}),
        lambda content: archive({"shop/a.pyc": content}, stored=["shop/a.pyc"]),
    ],
    ids=["plain", "plain with a tail", "gzip", "zip", "stored"],
)
def test_the_writer_finds_compiled_files(pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "MIN_PYC", 1)
    found = views(pack(NEW), pack(OLD))
    assert found_in(found.target).count("python-pyc") == 1
    assert relative(NEW) in undo(pack(NEW), found)
    assert relative(OLD) in source_view(found, pack(OLD))


def test_few_of_them_are_not_worth_a_view() -> None:
    one, other = pyc(data(bytes(choose.MIN_PYC // 2))), pyc(data(bytes(choose.MIN_PYC // 2 - 1)))
    assert choose.choose(memoryview(one), [memoryview(other)]) is None
    one, other = pyc(data(bytes(choose.MIN_PYC))), pyc(data(bytes(choose.MIN_PYC - 1)))
    found = choose.choose(memoryview(one), [memoryview(other)])
    assert found is not None
    assert found_in(found.target) == ["python-pyc"]


def test_another_time_alone_is_no_reason_to_expand() -> None:
    one, other = pyc(code(1)) + NEW, pyc(code(1), time=8) + NEW
    found = views(archive({"a.txt": words(500, 1), "a.pyc": one}), archive({"a.txt": words(400, 1), "a.pyc": other}))
    assert "python-pyc" not in found_in(found.target)


def test_what_cannot_be_gone_through_stays_as_it_is() -> None:
    odd = NEW[:-1]
    packed = archive({"a.txt": words(500, 1), "a.pyc": odd})
    found = views(packed, archive({"a.txt": words(400, 1), "a.pyc": OLD}))
    assert "python-pyc" not in found_in(found.target)
    assert odd in undo(packed, found)
