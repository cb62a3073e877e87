"""Our dataclasses behave as those of the standard library, which also knows them as its own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from functools import cached_property

import pytest

from airpatch.dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Frozen:
    """A value."""

    name: str
    sizes: tuple[int, ...] = ()
    parts: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.sizes)


@dataclass(frozen=True, slots=True)
class Checked:
    """A value that is checked."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("below 0")

    def __repr__(self) -> str:
        return f"<{self.size}>"


@dataclass(slots=True)
class Open:
    """A value that changes."""

    count: int = 0
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Ordered:
    """A value with an order."""

    size: int
    parts: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is not shown."""

    user: str
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Wide:
    """A value that has room for other attributes."""

    size: int
    parts: list[str] = field(default_factory=list)

    @cached_property
    def double(self) -> int:
        return 2 * self.size


def test_attributes_and_defaults() -> None:
    value = Frozen("a", sizes=(1, 2))
    assert (value.name, value.sizes, value.parts, value.total) == ("a", (1, 2), [], 3)
    assert Frozen("a").parts is not Frozen("a").parts
    opened = Open()
    opened.count += 1
    assert (opened.count, opened.seen) == (1, set())
    assert not hasattr(value, "__dict__")
    with pytest.raises(TypeError, match="name"):
        Frozen()  # type: ignore[call-arg]


def test_equality_and_hashes() -> None:
    assert Checked(1) == Checked(1) != Checked(2)
    assert Frozen("a", (1,)) == Frozen("a", (1,)) != Frozen("b", (1,))
    assert {Checked(1), Checked(1)} == {Checked(1)}
    others: list[object] = [1, Empty()]
    assert Checked(1) not in others
    assert Empty() in others
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open())


def test_frozen_ones_do_not_change() -> None:
    value = Checked(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.size = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del value.size
    assert value.size == 1
    wide = Wide(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        wide.size = 2  # type: ignore[misc]
    assert (wide.double, wide.parts, wide) == (2, [], Wide(1))


def test_what_follows_is_called() -> None:
    with pytest.raises(ValueError, match="below 0"):
        Checked(-1)
    with pytest.raises(ValueError, match="below 0"):
        replace(Checked(1), size=-1)


def test_texts() -> None:
    assert repr(Frozen("a")) == "Frozen(name='a', sizes=(), parts=[])"
    assert repr(Checked(1)) == "<1>"
    assert repr(Secret("a", "b")).endswith("Secret(user='a')")
    assert str(inspect.signature(Checked)) == "(size: 'int') -> None"
    assert (Frozen.__doc__, Frozen.__qualname__, Frozen.__module__) == ("A value.", "Frozen", __name__)


@pytest.mark.parametrize(
    "value", [Frozen("a", (1,), ["b"]), Checked(1), Open(2, {3}), Empty(), Ordered(1), Wide(1), Secret("a")]
)
def test_the_standard_library_knows_them(value: object) -> None:
    assert dataclasses.is_dataclass(value)
    assert not isinstance(value, type)
    names = [each.name for each in dataclasses.fields(value)]
    assert dataclasses.asdict(value) == {name: getattr(value, name) for name in names}
    assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == copy.deepcopy(value) == value
    assert dataclasses.replace(value) == replace(value) == value


def test_one_may_build_upon_another() -> None:
    @dataclasses.dataclass(frozen=True)
    class Named(Checked):
        name: str = ""

    assert [each.name for each in dataclasses.fields(Named)] == ["size", "name"]
    assert Named(1, "a").name == "a"


def test_patterns() -> None:
    match Checked(3):
        case Checked(size):
            assert size == 3


def test_order() -> None:
    assert sorted([Ordered(2), Ordered(1, ("b",)), Ordered(1, ("a",))])[0] == Ordered(1, ("a",))
    assert Ordered(1) <= Ordered(1) < Ordered(2) >= Ordered(2) > Ordered(1)
    with pytest.raises(TypeError, match="not supported"):
        assert Ordered(1) < 2  # type: ignore[operator]
