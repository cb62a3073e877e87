"""JSON as the registries and runtimes read it that a manifest must pass through: Go's `encoding/json` into structs.

What Go's decoder refuses is refused here, since one such manifest in a registry's storage stops its garbage collection.
So is what two decoders may understand differently: text that is not UTF-8, a known key twice, or written in another
case, which Go takes for the same key (RFC 8259; spec/FORMAT.md, Manifests). Values of unknown keys are not looked at,
except that they must be JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import NoReturn

from airpatch import limits
from airpatch.errors import FormatError

MAX_DEPTH = 100
"""Levels of arrays and objects. Go stops at 10,000; manifests have 5."""
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+\\?"?|[\[{]|[\]}]', re.DOTALL)
"""A string, as far as it goes, or a bracket: linear in time for any bytes."""
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_INT64 = range(-(2**63), 2**63)
_INT64_DIGITS = len(str(2**63)) + 1


class Type(Enum):
    """What a field may hold besides null, which is the same as leaving it out."""

    TEXT = auto()
    INTEGER = auto()
    """64 bits with a sign, written without a fraction or an exponent."""
    BASE64 = auto()
    TEXTS = auto()
    """A list of strings."""
    TEXT_MAP = auto()
    """An object whose values are strings."""
    ANY = auto()


Shape = Mapping[str, "Type | Shape | Sequence[Shape]"]
"""The known keys of an object and what each holds: a type, an object, or a list (of one shape) of objects."""


class JsonObject(dict[str, object]):
    """An object; `pairs` has every key and value as they stand, in order, also those of a key that comes twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


class _Number:
    """A number that is not a 64-bit integer."""


_OTHER_NUMBER = _Number()


def parse_object(content: bytes, shape: Shape) -> dict[str, object]:
    """Return the JSON object `content`, whose known keys hold what `shape` says; keys whose value is null are left out.

    Raises FormatError that says what is wrong, without a subject: "is not JSON: ...".
    """
    value = _parse(content)
    if not isinstance(value, JsonObject):
        raise FormatError("is not a JSON object")
    return _checked(value, shape, "")


def parse_list(content: bytes, shape: Shape) -> list[dict[str, object]]:
    """Return the list of JSON objects `content`, each as `parse_object` returns it. Raises FormatError."""
    value = _parse(content)
    if not isinstance(value, list):
        raise FormatError("is not a JSON list")
    for number, item in enumerate(value):
        if not isinstance(item, JsonObject):
            raise FormatError(f"has an entry {number} that is not an object")
    return [_checked(item, shape, f"[{number}].") for number, item in enumerate(value)]


def _parse(content: bytes) -> object:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"is not JSON: byte {error.start} is not UTF-8") from None
    if not text.strip():
        raise FormatError("is not JSON: it is empty")
    if text.startswith("\ufeff"):
        raise FormatError("is not JSON: it begins with a byte order mark")
    if (
        sum(map(content.count, (b",", b"[", b"{"))) > limits.VALUES.value
    ):  # no less than its values; texts may have some
        raise FormatError(f"may have more values than {limits.VALUES}")
    if _is_deeper(content, MAX_DEPTH):
        raise FormatError(f"has arrays and objects nested more than {MAX_DEPTH} deep")
    try:
        return json.loads(
            text,
            object_pairs_hook=JsonObject,
            parse_int=_integer,
            parse_float=lambda _: _OTHER_NUMBER,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise FormatError(f"is not JSON: {error}") from None


def _is_deeper(content: bytes, limit: int) -> bool:
    """Return whether arrays and objects are nested deeper than `limit`, counted without recursion."""
    if content.count(b"[") + content.count(b"{") <= limit:
        return False
    depth = 0
    for match in _TOKEN.finditer(content):
        token = match[0]
        if token in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif token in b"]}":
            depth -= 1
    return False


def _integer(text: str) -> int | _Number:
    number = int(text) if len(text) <= _INT64_DIGITS else None
    return number if number is not None and number in _INT64 else _OTHER_NUMBER


def _refuse_constant(text: str) -> NoReturn:
    raise FormatError(f"is not JSON: {text} is no number")


def _checked(value: JsonObject, shape: Shape, where: str) -> dict[str, object]:
    seen: set[str] = set()
    known = {key.lower(): key for key in shape}
    found: dict[str, object] = {}
    for key, item in value.pairs:
        name = known.get(_folded(key))
        if name is None:
            continue
        if key != name:
            raise FormatError(f"has the key {key!r:.60} for {where}{name}: keys differ by case")
        if name in seen:
            raise FormatError(f"has {where}{name} twice")
        seen.add(name)
        if item is not None:
            found[name] = _field(item, shape[name], f"{where}{name}")
    return found


def _folded(key: str) -> str:
    """`key` as Go compares it: only U+017F and U+212A fold to ASCII letters (`unicode.SimpleFold`)."""
    return key.replace("\u017f", "s").lower()


def _field(value: object, expected: Type | Shape | Sequence[Shape], where: str) -> object:
    if isinstance(expected, Type):
        _check_type(value, expected, where)
        return value
    if isinstance(expected, Mapping):
        if not isinstance(value, JsonObject):
            raise FormatError(f"has the wrong type in {where}: an object is expected")
        return _checked(value, expected, f"{where}.")
    if not isinstance(value, list):
        raise FormatError(f"has the wrong type in {where}: a list is expected")
    return [_field(item, expected[0], f"{where}[{number}]") for number, item in enumerate(value)]


def _check_type(value: object, expected: Type, where: str) -> None:
    match expected:
        case Type.TEXT:
            right, wanted = isinstance(value, str), "a string"
        case Type.INTEGER:
            right, wanted = isinstance(value, int) and not isinstance(value, bool), "an integer of 64 bits"
        case Type.BASE64:
            right = isinstance(value, str) and re.fullmatch(_BASE64, re.sub(r"[\r\n]", "", value)) is not None
            wanted = "base64"
        case Type.TEXTS:
            right, wanted = isinstance(value, list) and all(map(_is_text, value)), "a list of strings"
        case Type.TEXT_MAP:
            right = isinstance(value, JsonObject) and all(_is_text(item) for _, item in value.pairs)
            wanted = "an object of strings"
        case _:  # any
            return
    if not right:
        raise FormatError(f"has the wrong type in {where}: {wanted} is expected")


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)
