"""Entry point: parses the command line and leaves everything else to `airpatch_cli.run`.

That module and the libraries behind it are loaded only when they are needed, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airpatch.errors import AirpatchError
from airpatch_cli.grammar.command_line import build_parser, help_words
from airpatch_cli.standard_streams import NO_READER, open_standard_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    closed = open_standard_streams() if argv is None else frozenset()
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


if __name__ == "__main__":
    sys.exit(main())
