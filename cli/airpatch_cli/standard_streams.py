"""The standard streams in any state that callers leave them: closed, full, without a reader, not in UTF-8.

1. A closed descriptor 0, 1 or 2 is opened on /dev/null before anything else, so that no other file gets its number
   and, with it, messages that were meant for people.
2. What cannot be written to stderr is lost, and changes nothing.
3. What cannot be written to stdout is an error only for commands whose purpose is to print.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

from airpatch.errors import TargetError

TYPE_CHECKING = False  # as that of `typing`, which takes time to load
if TYPE_CHECKING:
    from typing import TextIO

NO_READER = 128 + signal.SIGPIPE
"""The exit code where nobody reads the output, the same as that of programs ended by SIGPIPE."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories of characters that a terminal obeys, reorders or does not show."""


def open_standard_streams() -> frozenset[int]:
    """Apply rule 1; return which of the descriptors 0, 1 and 2 were closed. To be called when the process begins."""
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
    """Return `text`, which may hold names from a bundle, without anything that a terminal obeys."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    import unicodedata  # here, since few texts need it

    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode()


def write_lines(lines: Iterable[str], stream: TextIO) -> None:
    """Write each line, made visible, and flush. Raises BrokenPipeError, or TargetError."""
    write_text("".join(f"{visible(line)}\n" for line in lines), stream)


def write_text(text: str, stream: TextIO) -> None:
    """Write `text` as it is, and flush. Raises BrokenPipeError, or TargetError."""
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
    """Write lines that nothing depends on (rule 2)."""
    with suppress(BrokenPipeError, TargetError):
        write_lines(lines, stream)


def abandon(stream: TextIO) -> None:
    """Divert what is left in a stream's buffer to /dev/null: at its end the interpreter would fail to flush it."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
