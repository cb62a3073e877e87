"""Runs a parsed command; every outcome becomes one exit code and one report (README, Exit codes)."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from airpatch.errors import AirpatchError, UsageError
from airpatch_cli.console import Console

INTERRUPTED = 128
"""Added to the number of the signal that ended the command, as shells do."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP = 64 << 20


class _Terminated(BaseException):
    """SIGTERM or SIGHUP came: unwind, so that nothing is left half-done."""

    def __init__(self, number: int) -> None:
        self.number = number


def refuse(error: UsageError, words: Sequence[str]) -> int:
    """Report an error in the command line `words`, which could not be parsed."""
    Console.early(words).fail(error)
    return error.exit_code


def run(args: Namespace) -> int:
    """Run the command that `args` hold and return its exit code."""
    try:
        return _run(args, Console.from_args(args))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED + signal.SIGPIPE


def _run(args: Namespace, console: Console) -> int:
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asks for it
                signal.signal(number, _terminate)
        _keep_freed_memory()
        module = importlib.import_module(f"airpatch_cli.commands.{args.command}")
        with console.progress:
            result = module.run(args, console)
        console.report(result)
        return int(result.exit_code)
    except AirpatchError as error:
        console.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.note("interrupted; nothing is half-done")
        return INTERRUPTED + signal.SIGINT
    except _Terminated as error:
        console.note("terminated; nothing is half-done")
        return INTERRUPTED + error.number
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: a defect, told as one
        console.crash(error, traceback.format_exc())
        return 1


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise _Terminated(number)


def _keep_freed_memory() -> None:
    """Have glibc reuse freed buffers: frames of 8 MiB come and go, and fresh pages cost more than hashing them.

    Halves the system time of an apply. Other C libraries have no such knob and need none.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEEP)
        mallopt(_M_TRIM_THRESHOLD, 2 * _KEEP)
