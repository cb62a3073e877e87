"""argparse, made strict: it accepts no abbreviations, and answers a misspelling with what may have been meant."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile

from airpatch.errors import UsageError
from airpatch_cli.standard_streams import write_text

TYPE_CHECKING = False  # as that of `typing`, which takes time to load
if TYPE_CHECKING:
    from typing import Any, NoReturn

_MOST_SUGGESTIONS = 3
_COLUMNS = 80


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of ending the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_HelpFormatter, **options)
        for action in (None, "store"):
            self.register("action", action, _StoreOnce)
        self.given: set[str] = set()
        """Which options with one value have been met."""

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        self.given.clear()
        return super().parse_known_args(*args, **options)

    def parse_args(  # type: ignore[override] # the namespace is always a new one here
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        first = next(iter(args or ()), "")
        if first.startswith("-") and first not in self._option_string_actions:
            if any(word in self._commands() for word in args or ()):
                self.error(f"{first:.60}: options go after the command")
            self.error(_unknown(first, self._option_string_actions))
        command = self._parser_of(args or ())
        self._refuse_unknown(command, args or ())
        parsed: argparse.Namespace
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command.error(_unknown(unknown[0], command._option_string_actions))
        _refuse_idle(command, parsed)
        return parsed

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            write_text(message, file or sys.stderr)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            meant = _meant(str(value), action.choices)
            raise argparse.ArgumentError(None, f"unknown command {str(value)!r:.60}{meant}")
        super()._check_value(action, value)

    def _refuse_unknown(self, command: argparse.ArgumentParser, words: Sequence[str]) -> None:
        """Refuse a misspelt option first: else argparse would say that the one that was meant is missing."""
        for word in takewhile(lambda word: word != "--", words if command is not self else ()):
            is_option = word.startswith("--") and " " not in word  # as argparse tells them apart
            if is_option and word.partition("=")[0] not in command._option_string_actions:
                command.error(_unknown(word, command._option_string_actions))

    def _parser_of(self, words: Sequence[str]) -> argparse.ArgumentParser:
        """Return the parser of the command that `words` begin with, which may be one of a group."""
        parser: argparse.ArgumentParser = self
        for word in words:
            choices = parser._commands() if isinstance(parser, Parser) else {}
            if word not in choices:
                break
            parser = choices[word]
        return parser

    def _commands(self) -> Mapping[str, argparse.ArgumentParser]:
        """Return the parsers of the commands, by name."""
        return next((a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction)), {})


def _refuse_idle(command: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Refuse options of the command that have no effect without another one (see `only_with`)."""
    for action in command._actions:
        need: Condition | None = getattr(action, "need", None)
        if need is not None and getattr(parsed, action.dest) != action.default and not need.is_met(parsed):
            command.error(f"{action.option_strings[-1]} has no effect {need.unless}")


class _StoreOnce(argparse._StoreAction):
    """An option with one value: argparse would let the last one win, and not say that the others have no effect."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if option is not None and isinstance(parser, Parser):
            if self.dest in parser.given:
                parser.error(f"{option} is given twice")
            parser.given.add(self.dest)
        super().__call__(parser, namespace, values, option)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Finds the terminal's width by itself: argparse would load `shutil` and the compression of archives for that."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"width": _columns() - 2} | options)

    def add_argument(self, action: argparse.Action) -> None:
        """Count how far commands are indented, which argparse forgets: else long ones would get a line of their own."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment


def _columns() -> int:
    """As `shutil.get_terminal_size` finds it: by the variable COLUMNS, else of standard output, else 80."""
    with suppress(KeyError, ValueError):
        if (asked := int(os.environ["COLUMNS"])) > 0:
            return asked
    with suppress(OSError, ValueError):
        if sys.__stdout__ is not None:
            return os.get_terminal_size(sys.__stdout__.fileno()).columns or _COLUMNS
    return _COLUMNS


class Condition:
    """What an option needs in order to have an effect; `unless` completes the message, such as `without --repack`."""

    def __init__(self, is_met: Callable[[argparse.Namespace], object], unless: str) -> None:
        self.is_met = is_met
        self.unless = unless


def only_with(need: Condition, *actions: argparse.Action) -> None:
    """Refuse each of `actions` where `need` is not met. Their defaults must not be values that people give."""
    for action in actions:
        action.need = need  # type: ignore[attr-defined] # argparse has no place for what belongs to an option


def _unknown(word: str, options: Iterable[str]) -> str:
    if not word.startswith("-"):
        return f"unexpected argument {word!r:.100}"
    name = word.partition("=")[0]
    return f"unrecognized option {name:.60}{_meant(name, [option for option in options if option.startswith('--')])}"


def _meant(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # here, since a correct command line does not need it

    names = sorted(known)
    begun = [name for name in names if len(word) > len("--") and name.startswith(word)]
    found = begun or get_close_matches(word, names, _MOST_SUGGESTIONS)
    return f"; did you mean {' or '.join(found[:_MOST_SUGGESTIONS])}?" if found else ""
