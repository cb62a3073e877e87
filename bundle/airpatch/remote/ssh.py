"""Commands on another host over ssh: their output, and streams that resume where a broken connection ended.

The host runs a POSIX shell. What is sent there goes through `tee` into a file, so that nothing travels twice. A
host may learn late, or never, that the connection broke: what still waits there is ended before the next attempt.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from airpatch.errors import (
    AirpatchError,
    BaseMismatch,
    FormatError,
    IntegrityError,
    SourceError,
    TargetError,
    TrustError,
    UsageError,
)

_BROKEN = 255
"""The exit code of ssh where the connection is at fault, and not the command (ssh(1))."""
_UNRESOLVED = "Could not resolve hostname"
"""What ssh says of a name that nobody knows (resolve_host of OpenSSH's ssh.c); it says so in English everywhere."""
_NO_COMMAND = 127
_REMOTE = re.compile(
    r"(?P<user>(?!-)[^@:/\[\]]+@)?(\[(?P<address>[0-9A-Fa-f:.]+(%\w+)?)\]|(?!-)(?P<host>[^@:/\[\]]+))"
    r":(?P<path>~(/.*)?|[^~:].*)",
    re.DOTALL,
)
"""A host as `RemoteRoot` has it. The shell there does not see the path, so `~` alone is understood, and no `~USER`."""
_PIECE = 1 << 18
_CLASSES: Sequence[type[AirpatchError]] = (
    UsageError,
    FormatError,
    IntegrityError,
    BaseMismatch,
    TrustError,
    SourceError,
    TargetError,
)
_INCOMING = '"${XDG_CACHE_HOME:-$HOME/.cache}/airpatch/incoming"'
"""Where a host keeps what has arrived, as its shell understands it."""


_END_EARLIER = """\
if pid=$(cat {file}.pid 2>/dev/null) && grep -qs {name} "/proc/$pid/cmdline"; then
    there=; until [ "$there" = "$(wc -c <{file})" ]; do there=$(wc -c <{file}); sleep 1; done
    kill -- "-$pid"; for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 -- "-$pid" && sleep 0.5; done
fi 2>/dev/null
"""
"""Ends what an earlier line has left, once no more of what it sent arrives. Its shell has the file's name among its
words, and leads a group of processes, as whatever sshd starts does. Another process with that number is left alone."""


class LineBroken(Exception):
    """The connection to the host broke, or was never made."""


class _Unresolved(LineBroken):
    """The host's name could not be resolved."""


@dataclass(frozen=True, slots=True)
class RemoteRoot:
    """A registry's root on another host: `HOST:PATH`, as rsync(1) writes it, `[ADDRESS]:PATH` for one of IPv6.

    A path that is not absolute, or begins with `~/`, is below the home folder there.
    """

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> RemoteRoot:
        """Raises UsageError."""
        match = _REMOTE.fullmatch(text)
        if match is None:
            raise UsageError(f"{text}: write HOST:ROOT, such as qa.example:/var/lib/registry")
        user, address, host, path = match.group("user", "address", "host", "path")
        below_home = path.removeprefix("~").lstrip("/") or "."
        return cls(f"{user or ''}{address or host}", below_home if path.startswith("~") else path)


@dataclass(frozen=True, slots=True)
class RemoteHost:
    """A host and how it is reached: `shell` are the words before the host's name, `program` is airpatch there.

    `said` receives each line that the host writes to its standard error.
    """

    host: str
    shell: Sequence[str]
    program: str
    said: Callable[[str], None]
    attempts: int = 5
    pause: float = 2.0
    """Seconds before the second attempt after a broken line, twice as many before each further one."""

    def run(self, script: str) -> tuple[int, bytes]:
        """Return the exit code and standard output of a shell script, without input. Raises TargetError."""
        return self._repeat(lambda: self._run(script))

    def airpatch(self, *words: str) -> bytes:
        """Return the standard output of airpatch on the host. Raises what it raises there, and TargetError."""
        code, output = self.run(self._words(words))
        self._check(code, output)
        return output

    def apply(
        self, bundle: IO[bytes], size: int, name: str, words: Sequence[str], reached: Callable[[int], None]
    ) -> bytes:
        """Stream `bundle` into `airpatch apply -` with further `words`; return what it prints.

        `name`, which no other bundle has, is the file that keeps what has arrived; `reached` receives how far that is.
        Raises as `airpatch` does.
        """
        file = f"{_INCOMING}/{shlex.quote(name)}"

        def stream() -> tuple[int, bytes]:
            arrived = self._arrived(file, shlex.quote(name), size)
            reached(arrived)
            bundle.seek(arrived)
            script = (
                f"echo $$ > {file}.pid; "
                f"{{ cat {file} 2>/dev/null; tee -a {file}; }} | {self._words(('apply', '-', *words))}"
            )
            return self._run(script, bundle, size - arrived, lambda count: reached(arrived + count))

        code, output = self._repeat(stream)
        with suppress(LineBroken):
            self._run(f"rm -f {file} {file}.pid")
        self._check(code, output)
        return output

    def _arrived(self, file: str, name: str, size: int) -> int:
        """Return how many bytes of the bundle the host already has."""
        end_earlier = _END_EARLIER.format(file=file, name=name)
        code, output = self._run(f"{end_earlier}mkdir -p {_INCOMING} && cat {file} 2>/dev/null | wc -c")
        arrived = int(output) if code == 0 and output.strip().isdigit() else 0
        if arrived <= size:
            return arrived
        self._run(f"rm -f {file}")
        return 0

    def _words(self, words: Sequence[str]) -> str:
        return " ".join((self.program, *map(shlex.quote, words)))

    def _repeat(self, attempt: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        for number in range(self.attempts):
            if number:
                time.sleep(self.pause * 2 ** (number - 1))
            try:
                return attempt()
            except LineBroken as error:
                if isinstance(error, _Unresolved) and not number:  # later, the line may have taken the resolver with it
                    raise TargetError(f"{self.host}: the name cannot be resolved; check how it is written") from None
                self.said("the connection was lost")
        raise TargetError(f"{self.host}: cannot be reached ({self.attempts} attempts): see ssh's messages")

    def _run(
        self,
        script: str,
        stdin: IO[bytes] | None = None,
        size: int = 0,
        sent: Callable[[int], None] = lambda _: None,
    ) -> tuple[int, bytes]:
        """Run once, with `size` bytes of `stdin`; `sent` receives how many are on their way.

        Raises LineBroken, and TargetError if there is no ssh.
        """
        unresolved = threading.Event()

        def said(text: str) -> None:
            if _UNRESOLVED in text:
                unresolved.set()
            self.said(text)

        try:
            process = subprocess.Popen(
                [*self.shell, self.host, script],
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise TargetError(f"{self.shell[0]}: cannot be run: {error.strerror}") from None
        output = bytearray()
        with process:
            readers = [
                threading.Thread(target=_drain, args=(process.stdout, output.extend)),
                threading.Thread(target=_lines, args=(process.stderr, said)),
            ]
            for reader in readers:
                reader.start()
            try:
                if stdin is not None and process.stdin is not None:
                    _send(stdin, size, process.stdin, sent)
            except BaseException:
                process.kill()
                raise
            finally:
                for reader in readers:
                    reader.join()
        if process.returncode == _BROKEN or process.returncode < 0:
            raise _Unresolved if unresolved.is_set() else LineBroken
        return process.returncode, bytes(output)

    def _check(self, code: int, output: bytes) -> None:
        """Raise the error that airpatch on the host ended with."""
        if code == 0:
            return
        if code == _NO_COMMAND:
            raise TargetError(f"{self.host}: has no {self.program}; name its path with --remote-airpatch")
        with suppress(ValueError, KeyError, TypeError):
            error = json.loads(output)["error"]
            kind = next((kind for kind in _CLASSES if kind.exit_code == error["exit"]), TargetError)
            raise kind(f"{self.host}: {error['message']}", [str(finding) for finding in error["findings"]])
        raise TargetError(f"{self.host}: {self.program} ended with {code}")


def _send(source: IO[bytes], size: int, pipe: IO[bytes], sent: Callable[[int], None]) -> None:
    """Write `size` bytes to the pipe; one that nobody reads any more is no error here: the exit code tells."""
    position = 0
    with suppress(BrokenPipeError), pipe:
        while position < size and (piece := source.read(min(size - position, _PIECE))):
            pipe.write(piece)
            position += len(piece)
            sent(position)


def _drain(pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
    for piece in iter(lambda: pipe.read(_PIECE), b""):
        take(piece)


def _lines(pipe: IO[bytes], said: Callable[[str], None]) -> None:
    for line in _split(pipe):
        if text := line.decode(errors="replace").strip():
            said(text)


def _split(pipe: IO[bytes]) -> Iterator[bytes]:
    return iter(pipe.readline, b"")
