"""Entry point: parses the command line, and has everything else done by `airpatch_cli.run`.

That and the libraries behind it are loaded when they are needed, so that `--help` is there at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airpatch.errors import UsageError
from airpatch_cli.arguments import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser().parse_args(words)
    except UsageError as error:
        from airpatch_cli.run import refuse

        return refuse(error, words)
    from airpatch_cli.run import run

    return run(args)


if __name__ == "__main__":
    sys.exit(main())
