"""Entry point: parses the command line and leaves everything else to `airpatch_cli.run`.

That module and the libraries behind it are loaded only when they are needed, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from airpatch.errors import AirpatchError
from airpatch_cli.grammar.command_line import build_parser, help_words
from airpatch_cli.standard_streams import NO_READER, open_standard_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    closed = open_standard_streams() if argv is None else frozenset()
    with _interruptible():
        words = list(sys.argv[1:] if argv is None else argv)
        try:
            line = help_words(words)
            args = build_parser(line[0]).parse_args(line)
        except AirpatchError as error:
            from airpatch_cli.run import refuse

            return refuse(error, words)
        except BrokenPipeError:  # nobody reads the help
            return NO_READER
        from airpatch_cli.run import run
    return run(args, closed)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process silently until work begins. If SIGINT is ignored, it stays ignored."""
    try:
        before = signal.getsignal(signal.SIGINT)
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except ValueError:  # not in the main thread of a program that embeds this
        before = None
    try:
        yield
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
