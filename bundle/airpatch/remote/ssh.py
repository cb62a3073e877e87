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
_HOPELESS = {
    "Could not resolve hostname": "the name cannot be resolved; check how it is written",
    "Host key verification failed": "its host key is unknown or has changed; log in once with ssh, and compare the key",
    "Permission denied (": "ssh cannot log in; check the user and the key",
}
"""What OpenSSH says, in English everywhere, where another attempt ends like the first, and what that means (ssh.c,
sshconnect.c, sshconnect2.c).
"""
_PASSING = {
    "Connection refused": "nothing listens there for ssh, or not yet; check that sshd runs, and on that port",
    "Connection timed out": "the host does not answer",
    "No route to host": "there is no route to the host",
}
"""What it says where another attempt may end otherwise."""
_NO_COMMAND = 127
_REMOTE = re.compile(
    r"(?P<user>(?!-)[^@:/\[\]]+@)?(\[(?P<address>[0-9A-Fa-f:.]+(%\w+)?)\]|(?!-)(?P<host>[^@:/\[\]]+))"
    r":(?P<path>~(/.*)?|[^~:].*)",
    re.DOTALL,
)
"""A host as `RemoteRoot` has it. The shell there does not see the path, so `~` alone is understood, and no `~USER`."""
_COUNT = re.compile(rb"\s*[0-9]{1,18}\s*")
_MOST_OUTPUT = 128 << 20
"""Bytes that a command on the host may print: twice the largest inventory."""
_MOST_FINDINGS = 10_000
"""Lines that belong to one message."""
_PIECE = 1 << 18
_OWN = "airpatch: "
"""With which each message of airpatch begins; the lines that belong to it are indented."""
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
    """The connection to the host broke, or was never made; the argument is why, if ssh has told."""


class _Hopeless(LineBroken):
    """Another attempt would end the same way, for the reason that is the argument."""


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


class _Said:
    """Passes on what the host says, line by line, but for what its airpatch said last: that may be the error that it
    ends with, which is told as one.
    """

    def __init__(self, pass_on: Callable[[str], None]) -> None:
        self._pass_on = pass_on
        self.last: list[str] = []

    def __call__(self, line: str) -> None:
        if self.last and line.startswith(" "):
            if len(self.last) < _MOST_FINDINGS:
                self.last.append(line)
            return
        self.tell_last()
        if line.startswith(_OWN):
            self.last.append(line.removeprefix(_OWN))
        else:
            self._pass_on(line)

    def tell_last(self) -> None:
        """Pass on what was held back."""
        for line in self.last:
            self._pass_on(line)
        self.last = []


@dataclass(frozen=True, slots=True)
class _Ended:
    """A command that has ended: its exit code, its standard output, and what it said."""

    code: int
    output: bytes
    said: _Said


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
        ended = self._repeat(lambda: self._run(script))
        ended.said.tell_last()
        return ended.code, ended.output

    def airpatch(self, *words: str) -> bytes:
        """Return the standard output of airpatch on the host. Raises what it raises there, and TargetError."""
        return self._checked(self._repeat(lambda: self._run(self._words(words))))

    def apply(
        self, bundle: IO[bytes], size: int, name: str, words: Sequence[str], reached: Callable[[int], None]
    ) -> bytes:
        """Stream `bundle` into `airpatch apply -` with further `words`; return what it prints.

        `name`, which no other bundle has, is the file that keeps what has arrived; `reached` receives how far that is.
        Raises as `airpatch` does.
        """
        file = f"{_INCOMING}/{shlex.quote(name)}"

        def stream() -> _Ended:
            arrived = self._arrived(file, shlex.quote(name), size)
            reached(arrived)
            bundle.seek(arrived)
            script = (
                f"echo $$ > {file}.pid; "
                f"{{ cat {file} 2>/dev/null; tee -a {file}; }} | {self._words(('apply', '-', *words))}"
            )
            return self._run(script, bundle, size - arrived, lambda count: reached(arrived + count))

        ended = self._repeat(stream)
        with suppress(LineBroken):
            self._run(f"rm -f {file} {file}.pid")
        return self._checked(ended)

    def _arrived(self, file: str, name: str, size: int) -> int:
        """Return how many bytes of the bundle the host already has."""
        end_earlier = _END_EARLIER.format(file=file, name=name)
        ended = self._run(f"{end_earlier}mkdir -p {_INCOMING} && cat {file} 2>/dev/null | wc -c")
        arrived = int(ended.output) if ended.code == 0 and _COUNT.fullmatch(ended.output) else 0
        if arrived <= size:
            return arrived
        self._run(f"rm -f {file}")
        return 0

    def _words(self, words: Sequence[str]) -> str:
        return " ".join((self.program, *map(shlex.quote, words)))

    def _repeat(self, attempt: Callable[[], _Ended]) -> _Ended:
        why = ""
        for number in range(self.attempts):
            if number:
                time.sleep(self.pause * 2 ** (number - 1))
            try:
                return attempt()
            except LineBroken as error:
                if isinstance(error, _Hopeless) and not number:  # later, the line may have taken the resolver with it
                    raise TargetError(f"{self.host}: {error}") from None
                why = str(error) or "the connection was lost"
                self.said(why)
        raise TargetError(f"{self.host}: cannot be reached ({self.attempts} attempts): {why}; see ssh's messages")

    def _run(
        self,
        script: str,
        stdin: IO[bytes] | None = None,
        size: int = 0,
        sent: Callable[[int], None] = lambda _: None,
    ) -> _Ended:
        """Run once, with `size` bytes of `stdin`; `sent` receives how many are on their way.

        Raises LineBroken, and TargetError if there is no ssh.
        """
        hopeless: list[str] = []
        passing: list[str] = []
        passed_on = _Said(self.said)

        def said(text: str) -> None:
            hopeless.extend(reason for words, reason in _HOPELESS.items() if words in text)
            passing.extend(reason for words, reason in _PASSING.items() if words in text)
            passed_on(text)

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

        def take(piece: bytes) -> bool:
            output.extend(piece)
            if len(output) > _MOST_OUTPUT:
                process.kill()
            return len(output) <= _MOST_OUTPUT

        with process:
            readers = [
                threading.Thread(target=_drain, args=(process.stdout, take)),
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
        if len(output) > _MOST_OUTPUT:
            passed_on.tell_last()
            raise TargetError(f"{self.host}: prints more than {_MOST_OUTPUT} bytes, which no airpatch does")
        if process.returncode == _BROKEN or process.returncode < 0:
            passed_on.tell_last()
            raise _Hopeless(hopeless[0]) if hopeless else LineBroken(*passing[:1])
        return _Ended(process.returncode, bytes(output), passed_on)

    def _checked(self, ended: _Ended) -> bytes:
        """Return the output of airpatch on the host. Raises the error that it ended with."""
        if ended.code == 0:
            ended.said.tell_last()
            return ended.output
        if ended.code == _NO_COMMAND:
            ended.said.tell_last()
            raise TargetError(f"{self.host}: has no {self.program}; name its path with --remote-airpatch")
        message, *findings = ended.said.last or [f"{self.program} ended with {ended.code}"]
        code = ended.code
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            error = json.loads(ended.output)["error"]
            told, details = str(error["message"]), list(map(str, error["findings"]))
            code = error["exit"]
            if message != told:
                ended.said.tell_last()
            message, findings = told, details
        kind = next((kind for kind in _CLASSES if kind.exit_code == code), TargetError)
        raise kind(f"{self.host}: {message}", [finding.strip() for finding in findings])


def _send(source: IO[bytes], size: int, pipe: IO[bytes], sent: Callable[[int], None]) -> None:
    """Write `size` bytes to the pipe; one that nobody reads any more is no error here: the exit code tells."""
    position = 0
    with suppress(BrokenPipeError), pipe:
        while position < size and (piece := source.read(min(size - position, _PIECE))):
            pipe.write(piece)
            position += len(piece)
            sent(position)


def _drain(pipe: IO[bytes], take: Callable[[bytes], bool]) -> None:
    """Read to the end, or until `take` has enough, and close the pipe, which ends whoever goes on writing."""
    with pipe:
        while (piece := pipe.read(_PIECE)) and take(piece):
            pass


def _lines(pipe: IO[bytes], said: Callable[[str], None]) -> None:
    for line in _split(pipe):
        if text := line.decode(errors="replace").rstrip():
            said(text)


def _split(pipe: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: pipe.readline(_PIECE), b"")
