"""Errors, one class for each party at fault, one exit code for each class.

`exit_code` is what the command line returns; spec/FORMAT.md and the README's table are checked against it.
`findings` lists every defect that was found, so that one report names them all.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

TYPE_CHECKING = False  # as that of `typing`, which takes time to load
if TYPE_CHECKING:
    from typing import ClassVar


class AirpatchError(Exception):
    """Base of all errors that a user can cause, meet and resolve. Never raised itself.

    `message` says what is wrong, where, and what to do; `findings` lists the individual defects.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, findings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.findings = tuple(findings)

    def __str__(self) -> str:
        return "\n  ".join((self.message, *self.findings))


class UsageError(AirpatchError):
    """The arguments do not make sense together."""

    exit_code = 2


class FormatError(AirpatchError):
    """Not a bundle, malformed, not canonical, over a limit, or of an unknown version."""

    exit_code = 3


class IntegrityError(AirpatchError):
    """Content does not have the digest or the size that it should have."""

    exit_code = 4


class BaseMismatch(AirpatchError):
    """The target lacks blobs that a patch needs; `findings` lists them."""

    exit_code = 5


class TrustError(AirpatchError):
    """Unsigned, wrongly signed, expired, or older than what is installed."""

    exit_code = 6


class SourceError(AirpatchError):
    """An input image is unusable; it is named."""

    exit_code = 7


class TargetError(AirpatchError):
    """The target cannot be written: no space, no permission, locked, I/O error."""

    exit_code = 8


def unreadable(name: str, cause: OSError) -> UsageError | TargetError:
    """Return the error for an unreadable file that the user named: it is missing, or the host forbids reading it."""
    message = f"{name}: cannot be read: {cause.strerror}"
    if cause.errno == errno.EISDIR:
        message = f"{name}: is a folder, where a file is expected"
    is_absent = cause.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
    return UsageError(message) if is_absent else TargetError(message)


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put `where` in front of the messages of FormatErrors and IntegrityErrors that do not have it yet."""
    try:
        yield
    except (FormatError, IntegrityError) as error:
        if error.message.startswith(where):
            raise
        raise type(error)(f"{where}: {error.message}", error.findings) from None
