"""Signals end a command by an exception in the main thread, which unwinds so that nothing is left half-done.

Python calls a handler when the main thread comes to its next instruction. A signal wakes that thread where it waits,
but not if it arrives in the moment before the wait for a lock begins, or in another thread: the handler then stays
uncalled for as long as the wait takes. A thread is therefore told of each signal through a pipe
(`signal.set_wakeup_fd`), and wakes the main thread a little later.

Whoever sends a signal to a process and to its group, as timeout(1) does, or to the group of the executable's launcher,
sends it twice: the second one must not interrupt the unwinding that the first one began.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import cache
from types import FrameType

_WAKE_UP = signal.SIGURG
"""Does nothing to a process that does not expect it."""
_DELAYS = (0.05, 0.2, 1)
"""Seconds between a signal and the calls that wake the main thread; one would do, but for a busy machine."""


_SAME = 1.0
"""Seconds in which a signal that comes once more is taken for the same one."""
_arrived: dict[int, float] = {}
"""When each signal arrived last, by its number, on the monotonic clock."""


class Terminated(BaseException):
    """SIGTERM or SIGHUP has arrived."""

    def __init__(self, number: int) -> None:
        self.number = number


def handle_signals() -> None:
    """Raise KeyboardInterrupt at SIGINT and Terminated at SIGTERM and SIGHUP, except where the caller ignores them
    (nohup), and see to it that they interrupt every wait. For the main thread.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as `entry_point` leaves it
        signal.signal(signal.SIGINT, _interrupt)
    _arrived.clear()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    signal.signal(_WAKE_UP, lambda _number, _frame: None)
    signal.set_wakeup_fd(_waker(os.getpid()), warn_on_full_buffer=False)


@cache
def _waker(_process: int) -> int:
    """Start the thread that wakes this one; return the descriptor that tells it of signals. Once for each process."""
    arrived, tell = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(tell, False)
    arguments = (arrived, threading.get_ident())
    threading.Thread(target=_wake, args=arguments, name="signals", daemon=True).start()
    return tell


def _wake(arrived: int, main_thread: int) -> None:
    while True:
        if any(number != _WAKE_UP for number in os.read(arrived, 64)):
            for delay in _DELAYS:
                time.sleep(delay)
                signal.pthread_kill(main_thread, _WAKE_UP)


def _interrupt(number: int, _: FrameType | None) -> None:
    if _is_new(number):
        raise KeyboardInterrupt


def _terminate(number: int, _: FrameType | None) -> None:
    if _is_new(number):
        raise Terminated(number)


def _is_new(number: int) -> bool:
    """Return whether the signal is not the one that has just arrived."""
    now = time.monotonic()
    before, _arrived[number] = _arrived.get(number), now
    return before is None or now - before > _SAME
