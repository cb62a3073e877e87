"""No manifest passes that Go's decoder refuses, nor one that two decoders may read differently."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.model.manifest import parse_manifest
from airpatch.model.strict_json import MAX_DEPTH, Shape, Type, parse_list, parse_object
from fixtures.json_cases import JsonCase, json_cases

CASES = {case.name: case for case in json_cases()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_go_refuses_is_refused(case: JsonCase) -> None:
    if case.taken:
        assert parse_manifest(case.content).blobs
    else:
        with pytest.raises(FormatError):
            parse_manifest(case.content)


def test_nothing_in_the_table_is_taken_here_and_refused_by_go() -> None:
    assert not [case.name for case in CASES.values() if case.taken and not case.taken_by_go]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        (b'{"n": 2.0}', "has the wrong type in n: an integer of 64 bits is expected"),
        (b'{"N": 2}', "keys differ by case"),
        (b'{"n": 2, "n": 2}', "has n twice"),
        (b'{"in": {"t": 1}}', "has the wrong type in in.t: a string is expected"),
        (b'{"list": [{}, {"t": 1}]}', r"has the wrong type in list\[1\].t: a string is expected"),
        (b'{"list": {}}', "has the wrong type in list: a list is expected"),
        (b'{"x": NaN}', "NaN is no number"),
        (b'{"x": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", f"nested more than {MAX_DEPTH} deep"),
        (b"", "is not JSON: it is empty"),
        (b"{", "is not JSON: Expecting"),
        (b'{"b": "%"}', "has the wrong type in b: base64 is expected"),
        (b'{"m": {"k": 1}}', "has the wrong type in m: an object of strings is expected"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, message: str) -> None:
    shape: Shape = {
        "n": Type.INTEGER, "in": {"t": Type.TEXT}, "list": ({"t": Type.TEXT},), "b": Type.BASE64, "m": Type.TEXT_MAP,
    }  # fmt: skip
    with pytest.raises(FormatError, match=message):
        parse_object(content, shape)


def test_null_is_the_same_as_nothing() -> None:
    assert parse_object(b'{"a": null, "b": "x", "c": 1}', {"a": Type.TEXT, "b": Type.TEXT}) == {"b": "x"}


@given(st.dictionaries(st.text(string.ascii_letters), st.text() | st.none() | st.lists(st.integers())))
def test_unknown_keys_may_hold_anything(value: dict[str, object]) -> None:
    known = {"\0": Type.TEXT}
    assert parse_object(json.dumps(value).encode(), known) == {}


def test_a_list_of_objects() -> None:
    assert parse_list(b'[{"t": "a"}, {"u": 1}, {}]', {"t": Type.TEXT}) == [{"t": "a"}, {}, {}]
    assert parse_list(b"[]", {}) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "is not a JSON list"),
        (b"[{}, 1]", "has an entry 1 that is not an object"),
        (b'[{}, {"t": 1}]', r"has the wrong type in \[1\].t: a string is expected"),
    ],
)
def test_lists_of_anything_else_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_list(content, {"t": Type.TEXT})


def test_adversary_41_values_are_counted_before_they_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.VALUES, "value", 10)
    assert parse_object(b'{"a": [1, 2, 3, 4, 5, 6, 7, 8, 9]}', {"a": Type.ANY})
    with pytest.raises(FormatError, match="may have more values than 10"):
        parse_object(b'{"a": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}', {})


@pytest.mark.parametrize("value", [b"1", b'"x"', b"null", b"{}", b"[1]", b"true"])
def test_a_field_of_any_type(value: bytes) -> None:
    assert parse_object(b'{"a": %s}' % value, {"a": Type.ANY}).keys() <= {"a"}
