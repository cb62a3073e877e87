"""The file that says whose signatures count: OpenSSH's `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS).

A line has principals, options and a public key. A file with a line that cannot be read is refused as a whole: what
the line was meant to allow or to limit is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from airpatch.errors import FormatError
from airpatch.signing.file_sizes import MAX_ALLOWED_SIGNERS
from airpatch.signing.public_keys import KEY_TYPES, PublicKey, parse_line

_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:[^"\\]|\\.)*)")?(?P<more>,)?', re.ASCII)
_TIME = re.compile(r"(\d{8})(?:(\d{4})(\d{2})?)?(Z)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """A line: `principals` and `namespaces` are lists of patterns, times are seconds since 1970 and inclusive."""

    principals: str
    key: PublicKey
    is_authority: bool = False
    namespaces: str | None = None
    valid_after: float | None = None
    valid_before: float | None = None
    line: int = field(default=0, compare=False)

    def allows_namespace(self, namespace: str) -> bool:
        return self.namespaces is None or matches(namespace, self.namespaces)

    def is_valid(self, time: float) -> bool:
        """Return whether the line counts at `time`, in seconds since 1970."""
        return not (
            (self.valid_after is not None and time < self.valid_after)
            or (self.valid_before is not None and time > self.valid_before)
        )


def parse(content: bytes) -> tuple[AllowedSigner, ...]:
    """Return the lines of a file. Raises FormatError, naming the line, if one is malformed or there is none at all."""
    if len(content) > MAX_ALLOWED_SIGNERS:
        raise FormatError(f"allowed signers of {len(content)} bytes; at most {MAX_ALLOWED_SIGNERS} are allowed")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise FormatError("allowed signers that are not UTF-8 text") from None
    signers = tuple(_signers(lines))
    if not signers:
        raise FormatError("the file of allowed signers has no signer")
    return signers


def _signers(lines: list[str]) -> Iterator[AllowedSigner]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                yield _signer(text, number)
            except FormatError as error:
                raise FormatError(f"line {number}: {error.message}") from None


def _signer(text: str, number: int) -> AllowedSigner:
    match = re.match(r'(?:"([^"]*)"|([^\s"]+))\s+(.*)', text, re.DOTALL)
    if match is None:
        raise FormatError("neither principals, options and a public key nor a comment")
    principals, rest = match[1] or match[2] or "", match[3]
    if principals in KEY_TYPES:
        raise FormatError(f"a public key without a principal; write its signer's name before {principals}")
    if not principals.strip(","):
        raise FormatError("no principals")
    options: dict[str, str] = {}
    if rest.split(maxsplit=1)[0] not in KEY_TYPES:
        options, rest = _options(rest)
    return AllowedSigner(
        principals,
        parse_line(rest),
        "cert-authority" in options,
        options.get("namespaces"),
        _time(options.get("valid-after")),
        _time(options.get("valid-before")),
        number,
    )


def _options(text: str) -> tuple[dict[str, str], str]:
    """Return the options at the beginning of `text`, and what follows them."""
    found: dict[str, str] = {}
    position = 0
    while True:
        match = _OPTION.match(text, position)
        if match is None:
            raise FormatError(f"neither an option nor a known kind of key: {text[position:]!r:.60}")
        name, value = match["name"].lower(), match["value"]
        takes_value = name in ("namespaces", "valid-after", "valid-before")
        if not takes_value and name != "cert-authority":
            raise FormatError(f"an unknown option or kind of key: {match['name']!r:.60}")
        if takes_value == (value is None):
            raise FormatError(f"the option {name} {'needs a' if takes_value else 'takes no'} value")
        if name in found:
            raise FormatError(f"the option {name} is given twice")
        found[name] = re.sub(r"\\(.)", r"\1", value or "")
        position = match.end()
        if not match["more"]:
            break
    rest = text[position:]
    if not rest[:1].isspace():
        raise FormatError(f"no space between the options and the key: {rest!r:.60}")
    return found, rest.strip()


def _time(text: str | None) -> float | None:
    """Return a time as ssh-keygen reads it: YYYYMMDD[HHMM[SS]], in the zone of this host or, if a Z follows, in
    UTC.
    """
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, minutes, seconds, utc = match.groups()
        moment = datetime.strptime(day + (minutes or "0000") + (seconds or "00"), "%Y%m%d%H%M%S")
    except ValueError:
        raise FormatError(f"not a time in the form YYYYMMDD[HHMM[SS]][Z]: {text!r:.40}") from None
    return (moment.replace(tzinfo=UTC) if utc else moment.astimezone()).timestamp()


def matches(text: str, patterns: str) -> bool:
    """Return whether `text` matches a list of patterns with `*`, `?` and `!`, as in ssh_config(5), PATTERNS."""
    found = False
    for pattern in patterns.split(","):
        if fnmatchcase(text, re.sub(r"\[", "[[]", pattern.removeprefix("!"))):
            if pattern.startswith("!"):
                return False
            found = True
    return found
