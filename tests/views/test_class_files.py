"""Class files: their views do not depend on the numbers of constants, and folding undoes them, whatever the bytes."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views.class_files import MAX_CLASS, class_size, labelled, numbered
from airpatch.views.cut_short import CutShort
from airpatch.views.description import END, FIRST_CODING, Coding, View
from airpatch.views.expand import expand
from airpatch.views.fold import fold
from fixtures.java_class import INTEGER, UTF8, JavaClass, u1, u2, u4, whole
from tests.views.support import LIMIT, archive, damaged, gz, refused_or_back, source_view, text, undo, views

NEW, OLD = whole(["interest", "rate"], 12), whole()


def one_level(length: int) -> View:
    actions = bytes([FIRST_CODING, END, END])
    return View((Coding("java-class"),), actions, array("q", [0, length, 0]))


def common_end(one: bytes, other: bytes) -> int:
    return next(size for size in range(len(one)) if one[-size - 1] != other[-size - 1])


def test_folding_undoes_the_view_of_every_construct() -> None:
    for made in (OLD, NEW):
        view = labelled(made)
        assert len(view) == len(made)
        assert numbered(view) == made


def test_what_did_not_change_is_the_same_with_other_numbers_and_lines() -> None:
    assert common_end(NEW, OLD) < 10
    one, other = labelled(NEW), labelled(OLD)
    start = one.index(u1(0, 177))  # the end of the first method's code, which the lines follow
    assert sum(a != b for a, b in zip(one[start:], other[-len(one) + start :], strict=True)) < 8


def test_the_same_constant_has_the_same_label_in_another_class() -> None:
    made = JavaClass(["first"])
    account = labelled(made.file(interfaces=["bank/Log"]))
    assert account[-8 - 6 : -6] in labelled(OLD)


@given(st.data())
def test_other_bytes_are_refused_or_come_back(chance: st.DataObject) -> None:
    changed = damaged(chance, chance.draw(st.sampled_from([OLD, labelled(OLD)])), 8)
    refused_or_back(changed, labelled, numbered)


def test_its_size_is_known_from_its_beginning() -> None:
    assert class_size(NEW + b"more") == len(NEW)
    assert class_size(labelled(NEW) + b"more") == len(NEW)
    for size in range(len(OLD)):
        with pytest.raises(FormatError):
            labelled(OLD[:size])
    with pytest.raises(CutShort):
        class_size(OLD[:-1])
    with pytest.raises(FormatError, match="no class file"):
        class_size(b"\x7fELF" + OLD[4:])


def test_as_many_constants_as_there_may_be_have_labels() -> None:
    made = JavaClass()
    for _ in range(65533):
        made.add(INTEGER, u4(7))
    made.add(UTF8, u2(0))
    content = b"\xca\xfe\xba\xbe" + u2(0, 65, 65535) + b"".join(made.constants) + bytes(14)
    view = labelled(content)
    assert numbered(view) == content


def test_a_class_file_over_the_limit_is_refused() -> None:
    made = JavaClass()
    size = MAX_CLASS - len(made.file([made.attribute("Secret", b"")]))
    most = made.file([made.attribute("Secret", bytes(size))])
    assert numbered(labelled(most)) == most
    above = made.file([made.attribute("Secret", bytes(size + 1))])
    whole_class = one_level(len(above))
    with pytest.raises(FormatError, match="more than 4194304 bytes"):
        list(fold([above], whole_class))
    with pytest.raises(FormatError):
        list(expand([above], whole_class, LIMIT))
    whole_class = one_level(len(most))
    assert b"".join(fold(expand([most], whole_class, LIMIT), whole_class)) == most


def found_in(view: View) -> list[str]:
    return [coding.framing for coding in view.codings]


def jar(content: bytes) -> bytes:
    return archive({"a.txt": text(500, 1), "bank/Account.class": content, "b.txt": text(900, 2)})


@pytest.mark.parametrize(
    "pack",
    [
        jar,
        lambda content: archive({"lib.jar": jar(content)}, stored=["lib.jar"]),
        lambda content: archive({"bank/Account.class": content}, stored=["bank/Account.class"]),
        gz,
        lambda content: b"\xda\xda\xfe\xca" + text(300, 1) + NEW[:20] + content + whole(["same"]) + text(99, 3),
        lambda content: content,
        lambda content: content + b"tail",
    ],
    ids=["jar", "jar in a war", "stored", "gzip", "jimage", "plain", "plain with a tail"],
)
def test_the_writer_finds_class_files(pack: object) -> None:
    assert callable(pack)
    found = views(pack(NEW), pack(OLD))
    assert found_in(found.target).count("java-class") == 1
    assert labelled(NEW) in undo(pack(NEW), found)
    assert labelled(OLD) in source_view(found, pack(OLD))


def test_what_cannot_be_gone_through_stays_as_it_is() -> None:
    odd = OLD[:-1]
    found = views(jar(odd), jar(OLD))
    assert "java-class" not in found_in(found.target)
    assert odd in undo(jar(odd), found)
