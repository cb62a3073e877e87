"""Where the command `airpatch` begins: Ctrl-C while Python still loads modules ends it without a traceback.

Whoever embeds the command line calls `airpatch_cli.main`, which leaves SIGINT as it finds it.
"""

# Built in, while `signal` loads a dozen modules, in any of which Ctrl-C would print a traceback.
import _signal as signal  # type: ignore[import-not-found]
import gc  # built in, too


def main() -> int:
    """Run the command line of the process and return its exit code.

    SIGINT ends the process until work begins (`airpatch_cli.run`), and changes nothing once the result is printed.
    If the caller ignores it, it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # loading modules makes no garbage; `airpatch_cli.run` enables it
    from airpatch_cli.main import main as run

    code = run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # the process ends, and the interpreter would search all that it has loaded for garbage
    return code
