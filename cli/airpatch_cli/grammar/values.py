"""Argument types: each turns a word of the command line into a value, or raises ArgumentTypeError."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

TYPE_CHECKING = False  # as that of `typing`, which takes time to load, as does `pathlib`
if TYPE_CHECKING:
    from pathlib import Path

_LEAST_MEMORY = 256 << 20
_LEAST_PART = 64 << 10
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "GB": 10**9, "MB": 10**6, "kB": 10**3}
_UNIT_NAMES = "KiB, MiB, GiB, kB, MB or GB"


def nonempty(text: str) -> str:
    """Return a path that is not empty: an unset variable in a script must not stand for the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; write . for the current folder")
    return text


def bundle(text: str) -> str:
    """Return a path where a bundle, a root or another file of airpatch is wanted, or `-`."""
    if ":" in nonempty(text):
        from airpatch.sources import foreign  # here, since few words have a colon

        _refuse(text, None if foreign.is_there(text) else foreign.explain_bundle(text))
    return text


def _no_address(text: str) -> str:
    """Return a path that is not an address of another tool, of which a folder `docker:` would be made."""
    if ":" in nonempty(text):
        from airpatch.sources import foreign

        _refuse(text, None if foreign.is_there(text) else foreign.explain_path(text))
    return text


def _refuse(text: str, advice: str | None) -> None:
    if advice is not None:
        raise argparse.ArgumentTypeError(f"{text}: {advice}")


def word(text: str) -> str:
    """Return a name that is not empty: an unset variable must not stand for the default."""
    if not text:
        raise argparse.ArgumentTypeError("an empty string where a name is expected")
    return text


def output_name(text: str) -> str:
    """Return a path, or `-` for any of the system's names for standard output: the file behind them must not be
    replaced.
    """
    if _no_address(text).startswith(("/dev/", "/proc/")):
        with suppress(OSError):
            if os.path.samestat(path(text).stat(), os.fstat(1)):
                return "-"
    return text


def file_beside(text: str) -> Path:
    """Return the path of a file that is written beside the result, which has standard output."""
    if text == "-":
        raise argparse.ArgumentTypeError("name a file: standard output has the result")
    return path(text)


def path(text: str) -> Path:
    from pathlib import Path

    return Path(_no_address(text))


def moment(text: str) -> int:
    """Return seconds since 1970."""
    from airpatch.timestamps import parse_timestamp  # here, since few command lines need it

    try:
        return parse_timestamp(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be an RFC 3339 time in whole seconds, such as 2027-01-31T00:00:00Z, not {text!r:.40}"
        ) from None


def memory_size(text: str) -> int:
    size = _size(text)
    if size is None or size < _LEAST_MEMORY:
        raise argparse.ArgumentTypeError(
            f"must be 256MiB or more, in {_UNIT_NAMES}, such as 512MiB or 4GiB, not {text!r:.40}"
        )
    return size


def part_size(text: str) -> int:
    size = _size(text)
    if size is None or size < _LEAST_PART:
        raise argparse.ArgumentTypeError(
            f"must be 64KiB or more, in {_UNIT_NAMES}, such as 25MB or 4GiB, not {text!r:.40}"
        )
    return size


def _size(text: str) -> int | None:
    """Return the bytes that a number with a unit stands for; None if it is malformed."""
    for unit, factor in _UNITS.items():
        if text.endswith(unit) and natural(text.removesuffix(unit)):
            return int(text.removesuffix(unit)) * factor
    return None


def shard_number(text: str) -> tuple[int, int]:
    """Return which part, from 1 on, and of how many."""
    number, slash, of = text.partition("/")
    if not slash:
        raise argparse.ArgumentTypeError(f"must be I/N, such as 2/4, not {text!r:.40}")
    found = positive(number), positive(of)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(f"there are parts 1/{of} to {of}/{of}, and none {text}")
    return found


def raised_limit(text: str) -> tuple[str, int]:
    """Return the name of a limit, and its value."""
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, such as index=64MiB, not {text!r:.40}")
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("", 1)):
        if value.endswith(unit):
            return name, natural(value.removesuffix(unit)) * factor
    raise AssertionError  # the last unit is empty


def positive(text: str) -> int:
    return _whole(text, 1)


def natural(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, not {text!r:.40}")
    return int(text)
