"""Why a file is refused, and the two ways to refuse it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


class Refusal(Exception):
    """A file is refused; a conformance suite compares the names of the classes below."""


class FormatError(Refusal):
    """Malformed, not canonical, over a limit, or of an unknown version."""


class IntegrityError(Refusal):
    """Content does not have the digest or the size that is promised."""


class BaseMismatch(Refusal):
    """A blob that the target must have is not there."""


class TrustError(Refusal):
    """Not signed by anyone who is trusted, or expired."""


class Unsupported(Exception):
    """The file may be right, but needs a feature that this reader declares to lack."""


def require(condition: object, what: str, kind: type[Refusal] = FormatError) -> None:
    """Refuse the file unless the condition holds."""
    if not condition:
        raise kind(what)


@contextmanager
def refusing(errors: type[Exception], what: str, kind: type[Refusal] = FormatError) -> Iterator[None]:
    """Refuse the file where a library raises such an error."""
    try:
        yield
    except errors as error:
        raise kind(f"{what}: {error}") from error


def extension(name: str) -> Any:
    """A module of README.md's extensions, without which a file may need what is lacking."""
    try:
        return import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        raise Unsupported(name) from error
