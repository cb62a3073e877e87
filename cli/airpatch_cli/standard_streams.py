"""The standard streams as callers leave them: closed, full, without a reader, of another encoding than UTF-8.

1. A closed descriptor 0, 1 or 2 is given to /dev/null before anything else is opened, so that no other file gets its
   number and, with it, messages that were meant for people.
2. What cannot be written to stderr is lost, and changes nothing.
3. What cannot be written to stdout is an error only for commands whose work it is to print.
"""

from __future__ import annotations

import os
import signal
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from airpatch.errors import TargetError

NO_READER = 128 + signal.SIGPIPE
"""The exit code where nobody reads what was to be printed, as of programs that SIGPIPE ends."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories of what a terminal obeys, reorders or does not show."""


def open_standard_streams() -> frozenset[int]:
    """Rule 1; return which of the descriptors 0, 1 and 2 were closed. For the beginning of a process."""
    closed = set()
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # gets the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for the whole process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - for the whole process
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    return frozenset(closed)


def visible(text: str) -> str:
    """`text`, which may hold names out of a bundle, without anything that a terminal obeys."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode()


def write_lines(lines: Iterable[str], stream: TextIO) -> None:
    """Write each line, made visible, and see that they arrive. Raises BrokenPipeError, or TargetError."""
    write_text("".join(f"{visible(line)}\n" for line in lines), stream)


def write_text(text: str, stream: TextIO) -> None:
    """Write `text` as it is, and see that it arrives. Raises BrokenPipeError, or TargetError."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        abandon(stream)
        raise
    except (OSError, ValueError) as error:
        abandon(stream)
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise TargetError(f"standard output: cannot be written: {reason}") from None


def try_to_write(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines that nothing depends on: rule 2."""
    with suppress(BrokenPipeError, TargetError):
        write_lines(lines, stream)


def abandon(stream: TextIO) -> None:
    """Have what is left in a stream's buffer go to /dev/null: the interpreter would fail over it at its end."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
