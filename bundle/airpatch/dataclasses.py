"""Dataclasses: those of the standard library, made in a fifth of the time.

A short command loads a hundred of them before it begins. The standard library compiles six functions for each, and
loads `inspect` and what that needs; here `__init__` alone is compiled. Options and classes that are rare are left to
the standard library, and type checkers see nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter, eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def dataclass(*, frozen=False, slots=False, order=False):
        """As `dataclasses.dataclass`."""

        def decorated(cls):
            is_rare = cls.__bases__ != (object,) or _is_rare(vars(cls))
            return (_by_standard_library if is_rare else _made)(cls, frozen, slots, order)

        return decorated

    def field(**options):
        """As `dataclasses.field`."""
        return _Field(options)

    def replace(value, /, **changes):
        """As `dataclasses.replace`."""
        return type(value)(**{name: getattr(value, name) for name in value.__match_args__} | changes)


_OWN = frozenset(("__init__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__getstate__", "__slots__"))
"""Methods with which a class is rare."""


class _Field:
    """A field with options; `make` makes its default."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.make = options.get("default_factory")


def _is_rare(own: Mapping[str, Any]) -> bool:
    """Return whether a class that has `own` attributes is left to the standard library."""
    fields = (value for value in own.values() if isinstance(value, _Field))
    return not _OWN.isdisjoint(own) or any(list(each.options) != ["default_factory"] for each in fields)


class _KnownFields:
    """What the standard library keeps about a dataclass, found out when it is asked for: attribute `name` of the class.

    `defaults` are those of its fields.
    """

    def __init__(self, name: str, defaults: dict[str, Any], frozen: bool) -> None:
        self._name = name
        self._defaults = defaults
        self._frozen = frozen

    def __get__(self, _instance: object, owner: type) -> Any:
        space = {"__module__": owner.__module__, "__annotations__": owner.__annotations__, **self._defaults}
        return getattr(_by_standard_library(type(owner.__name__, (), space), self._frozen), self._name)


def _by_standard_library(cls: type, frozen: bool, slots: bool = False, order: bool = False) -> type:
    import dataclasses

    for name, value in list(vars(cls).items()):
        if isinstance(value, _Field):
            setattr(cls, name, dataclasses.field(**value.options))
    return dataclasses.dataclass(frozen=frozen, slots=slots, order=order)(cls)


def _made(cls: Any, frozen: bool, slots: bool, order: bool) -> Any:
    own = vars(cls)
    names = tuple(own.get("__annotations__", ()))
    defaults = {name: own[name] for name in names if name in own}
    space = _methods(names, frozen, slots, order)
    for known in ("__dataclass_fields__", "__dataclass_params__"):
        space[known] = _KnownFields(known, defaults, frozen)
    if "__repr__" in own:
        del space["__repr__"]
    if slots:
        dropped = {*defaults, "__dict__", "__weakref__"}
        kept = {name: value for name, value in own.items() if name not in dropped}
        space = kept | space | {"__qualname__": cls.__qualname__, "__slots__": names}
        cls = type(cls)(cls.__name__, cls.__bases__, space)
    else:
        for name, value in space.items():
            setattr(cls, name, value)
    cls.__init__ = _init(cls, names, defaults, frozen)
    return cls


def _methods(names: tuple[str, ...], frozen: bool, slots: bool, order: bool) -> dict[str, Any]:
    """Return what a class with fields of these names has, but for `__init__`."""
    values = attrgetter(*names) if names else lambda _: ()

    def compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
        return lambda self, other: (
            compare(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented
        )

    def represent(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def state(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def restore(self: Any, kept: list[Any]) -> None:
        for name, value in zip(names, kept, strict=True):
            object.__setattr__(self, name, value)

    found: dict[str, Any] = {"__match_args__": names, "__repr__": represent, "__eq__": compared(eq), "__hash__": None}
    if frozen:
        found |= {"__hash__": lambda self: hash(values(self)), "__setattr__": _refuse, "__delattr__": _refuse}
    if frozen and slots:
        found |= {"__getstate__": state, "__setstate__": restore}
    if order:
        found |= {"__lt__": compared(lt), "__le__": compared(le), "__gt__": compared(gt), "__ge__": compared(ge)}
    return found


def _init(cls: Any, names: tuple[str, ...], defaults: dict[str, Any], frozen: bool) -> Any:
    """Return the `__init__` of a class; that of a frozen one sets attributes by their slots, if it has any."""
    space: dict[str, Any] = {"__name__": cls.__module__, "_unset": _Field, "_set": object.__setattr__}
    head, body = ["self"], []
    for name in names:
        set_it = f"  _set(self, {name!r}, {{}})\n" if frozen else f"  self.{name} = {{}}\n"
        if frozen and "__slots__" in vars(cls):
            space[f"_set_{name}"] = getattr(cls, name).__set__
            set_it = f"  _set_{name}(self, {{}})\n"
        default = defaults.get(name)
        if isinstance(default, _Field):
            space[f"_make_{name}"] = default.make
            head.append(f"{name}=_unset")
            body.append(set_it.format(f"_make_{name}() if {name} is _unset else {name}"))
        else:
            space[f"_default_{name}"] = default
            head.append(f"{name}=_default_{name}" if name in defaults else name)
            body.append(set_it.format(name))
    if hasattr(cls, "__post_init__"):
        body.append("  self.__post_init__()\n")
    exec(f"def __init__({', '.join(head)}):\n{''.join(body) or '  pass'}", space)  # noqa: S102 - of names alone
    init = space["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = cls.__annotations__ | {"return": None}
    return init


def _refuse(self: Any, name: str, _value: Any = None) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to or delete field {name!r}")
