"""Runs a parsed command and turns every outcome into one exit code and one report (README, Exit codes)."""

from __future__ import annotations

import ctypes
import errno
import gc
import importlib
import os
import resource
import signal
from argparse import Namespace
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from airpatch.errors import AirpatchError, TargetError, UsageError
from airpatch.limits import raise_limit
from airpatch_cli.console import Console
from airpatch_cli.signals import Terminated, handle_signals
from airpatch_cli.standard_streams import NO_READER

INTERRUPTED = 128
"""Added to the number of the signal that ended the command, as shells do."""
PRINTING = frozenset(
    ("completion", "doctor", "explain", "history", "inspect", "store-list", "store-show", "store-verify", "verify")
)
"""Commands whose purpose is to print something."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP = 64 << 20
_NO_MEMORY = "there is not enough memory: allow the process more of it (ulimit -v), or use fewer --jobs"
_OUT_OF_MEMORY = ("not enough memory", "can't start new thread")
"""What zstd and Python's threads say, whose errors have no class of their own for it."""
_COLLECT_AFTER = 20_000
"""New containers between two collections of cyclic garbage. By default 700, and some modules are loaded late."""


def refuse(error: AirpatchError, words: Sequence[str]) -> int:
    """Report an error in the command line `words`, which could not be parsed."""
    Console.early(words).fail(error)
    return error.exit_code


def run(args: Namespace, closed: AbstractSet[int] = frozenset()) -> int:
    """Run the command that `args` hold and return its exit code; `closed` has standard descriptors without a stream."""
    console = Console.early(())
    try:
        _prepare_process()
        console = Console.from_args(args)
        for name, value in getattr(args, "limits", ()):
            raise_limit(name, value)
        _require_output(args, closed)
        module = importlib.import_module(f"airpatch_cli.commands.{args.command.replace('-', '_')}")
        gc.freeze()  # what is loaded by now
        gc.enable()
        with _decisions_shown(args.verbose):
            result = module.run(args, console)
    except AirpatchError as error:
        console.fail(error)
        return error.exit_code
    except (KeyboardInterrupt, Terminated) as error:
        return _interrupted(error, console)
    except BrokenPipeError:
        return NO_READER
    except OSError as error:
        if not isinstance(error.filename, str | bytes):
            if error.errno == errno.ENOMEM:
                return _fail(console, _NO_MEMORY)
            if not _is_in_a_folder():
                return _fail(console, "the current folder was removed; change to one that is there, and run again")
            console.crash(error)
            return 1
        return _fail(console, f"{os.fsdecode(error.filename)}: {error.strerror}")
    except ModuleNotFoundError as error:
        if (error.name or "airpatch").startswith("airpatch"):
            console.crash(error)
            return 1
        lacking = UsageError(f"this needs {error.name}, which is not installed: pip install airpatch")
        console.fail(lacking)
        return lacking.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if signalled := _signal_before(error):
            return _interrupted(signalled, console)
        if isinstance(error, MemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY):
            return _fail(console, _NO_MEMORY)
        console.crash(error)
        return 1
    try:
        console.report(result)
    except (BrokenPipeError, TargetError, KeyboardInterrupt, Terminated) as error:
        return _unprinted(error, args.command, console, int(result.exit_code))
    return int(result.exit_code)


def _interrupted(error: KeyboardInterrupt | Terminated, console: Console) -> int:
    """Report that a signal ended the work, and return the exit code."""
    is_terminated = isinstance(error, Terminated)
    if not is_terminated:
        console.end_line()
    console.note(f"{'terminated' if is_terminated else 'interrupted'}; nothing is half-done")
    return _signalled(error)


def _signalled(error: KeyboardInterrupt | Terminated) -> int:
    """Return the exit code of what a signal ended."""
    return INTERRUPTED + (error.number if isinstance(error, Terminated) else signal.SIGINT)


def _signal_before(error: BaseException) -> KeyboardInterrupt | Terminated | None:
    """Return the exception of a signal that `error` came of: one that interrupts a lock as it is taken makes threading
    raise another as it is released.
    """
    before = error.__context__
    while before is not None and not isinstance(before, KeyboardInterrupt | Terminated):
        before = before.__context__
    return before


def _fail(console: Console, message: str) -> int:
    """Report something about the host that keeps the command from its work."""
    error = TargetError(message)
    console.fail(error)
    return error.exit_code


def _is_in_a_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _unprinted(
    error: BrokenPipeError | TargetError | KeyboardInterrupt | Terminated,
    command: str,
    console: Console,
    exit_code: int,
) -> int:
    """Return the exit code where a result could not be printed: that of the work, unless printing was the work."""
    if command not in PRINTING:
        if isinstance(error, TargetError):
            console.note(f"done, but {error.message}")
        return exit_code
    if isinstance(error, KeyboardInterrupt | Terminated):
        return _signalled(error)
    if isinstance(error, BrokenPipeError):
        return NO_READER
    console.fail(error)
    return error.exit_code


def _require_output(args: Namespace, closed: AbstractSet[int]) -> None:
    """Refuse, before any work, a command whose result would be lost because stdout is closed."""
    piped = getattr(args, "output", None) == "-"
    if 1 in closed and (piped or args.command in PRINTING):
        raise TargetError("standard output is closed, but the result should go there")
    if 0 in closed and "-" in (*getattr(args, "bundles", ()), getattr(args, "subject", None)):
        raise TargetError("standard input is closed, but a bundle should come from there")


def _prepare_process() -> None:
    """Unwind on signals, and raise the limit on open files."""
    handle_signals()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _keep_freed_memory()
    gc.set_threshold(_COLLECT_AFTER)


def _decisions_shown(verbosity: int) -> AbstractContextManager[None]:
    if not verbosity:
        return nullcontext()
    from airpatch_cli.logs import decisions_shown

    return decisions_shown(verbosity)


def _keep_freed_memory() -> None:
    """Make glibc reuse freed buffers: frames of 8 MiB come and go, and fresh pages cost more than hashing them.

    This halves the system time of an apply. Other C libraries have no such setting and need none.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEEP)
        mallopt(_M_TRIM_THRESHOLD, 2 * _KEEP)
