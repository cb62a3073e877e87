"""MessagePack in canonical form (FORMAT.md, Canonical form), and the forms that its documents must have.

A form is a `Leaf`, a list of one form for lists of any length, a `row` of forms for lists of just these values, or a
dict of forms for maps of just these keys in this order.
"""

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgpack

from .errors import refusing, require

MAX_VALUES = 1048576


class Leaf(NamedTuple):
    """A value of one type of which something holds."""

    kind: type
    what: str
    holds: Callable[[Any], object] = lambda value: True


VERSION = Leaf(int, "version that is known", lambda value: value == 1)
DIGEST = Leaf(bytes, "digest of 32 bytes", lambda value: len(value) == 32)
SIZE = Leaf(int, "size up to its limit", lambda value: 0 <= value < 2**63)
UINT = Leaf(int, "number that is not negative", lambda value: value >= 0)
BYTES = Leaf(bytes, "bytes")
TEXT = Leaf(str, "text")


def decode(data: bytes) -> Any:
    """The value of a document, which is bounded while it is made: no list or map is made for what is not there."""
    left = MAX_VALUES

    def count(made: Any) -> Any:
        nonlocal left
        values = made.values() if type(made) is dict else made
        left -= 1 + len(made) * (type(made) is dict) + sum(type(one) not in (list, dict) for one in values)
        require(left >= 0, "too many values")
        return made

    with refusing(ValueError, "no document of MessagePack"):
        value = msgpack.unpackb(data, list_hook=count, object_hook=count)
        require(msgpack.packb(value) == data, "a document that is not canonical")
    return value


def row(**forms: Any) -> Any:
    """The form of a list of just these values, which get these names."""
    return namedtuple("row", forms)(**forms)


def build(form: Any, value: Any) -> Any:
    """The value, refused if it does not have the form: what a row or a map has is an attribute of it."""
    if isinstance(form, Leaf):
        require(type(value) is form.kind and form.holds(value), f"no {form.what}: {value!r:.200}")
        return value
    if isinstance(form, dict):
        require(type(value) is dict and list(value) == list(form), f"other fields than {', '.join(form)}")
        return SimpleNamespace(**{key: build(one, value[key]) for key, one in form.items()})
    require(type(value) is list, "no list")
    if isinstance(form, list):
        return [build(form[0], one) for one in value]
    require(len(value) == len(form), "a list of another length")
    return form._make(map(build, form, value))
