"""What was done to a root, as JSON lines that are chained by their hashes (spec/TARGET.md, History).

Each line holds the sha256 of the line before it, so that nobody can change, insert or remove one without changing all
that follow: anyone who has kept the last hash elsewhere notices. `emit_event` and `parse_history` are inverse; there is
one encoding of each event. What follows the last newline is a line that a crash cut short, and is ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from airpatch.errors import FormatError, IntegrityError
from airpatch.model.digest import Digest
from airpatch.model.printable import is_printable, printable
from airpatch.model.release import check_label, check_product, titled
from airpatch.signing import MAX_SIGNATURES
from airpatch.timestamps import emit_timestamp, parse_timestamp

EVENT_VERSION = 1
_MAX_UID = 2**32 - 1
MAX_NAME = 4096
"""Characters of the name of a user or a signer; a signer can have many principals."""


class Action(StrEnum):
    """What was done to a root (spec/TARGET.md, History)."""

    APPLY = "apply"
    ROLLBACK = "rollback"
    PRUNE = "prune"
    TRUST = "trust"


class Outcome(StrEnum):
    """An action that was begun and is not followed by its end was interrupted, and may have changed tags."""

    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Subject:
    """The release that something was done with."""

    product: str
    name: str
    id: Digest

    @property
    def title(self) -> str:
        """As `Release.title`."""
        return titled(self.name, self.product)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done to a root at `time` (seconds since 1970, UTC) by the user `uid`.

    `sudo_user` is who that was before sudo; `release` is what it was done with; `bundle` is the sha256 of the file that
    an apply read, `signers` are those whose signatures were demanded and counted; `trust` is the sha256 of the new file
    of trusted signers.
    """

    time: int
    uid: int
    sudo_user: str | None
    action: Action
    outcome: Outcome = Outcome.DONE
    release: Subject | None = None
    bundle: Digest | None = None
    trust: Digest | None = None
    signers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The events of a root, oldest first, with the hash of each line; `torn` counts the bytes of a line cut short."""

    events: tuple[Event, ...] = ()
    hashes: tuple[Digest, ...] = ()
    torn: int = 0

    @property
    def last_hash(self) -> Digest | None:
        """The sha256 of the last line, its newline included; None without one."""
        return self.hashes[-1] if self.hashes else None

    def current(self) -> dict[str, Digest]:
        """Return for each product the id of its current release: the one that was applied or rolled back to last."""
        return {subject.product: subject.id for subject in self.published()}

    def published(self) -> list[Subject]:
        """Return the releases that became current, oldest first."""
        return [
            event.release
            for event in self.events
            if event.release is not None
            and event.action in (Action.APPLY, Action.ROLLBACK)
            and event.outcome is Outcome.DONE
        ]


def emit_event(event: Event, previous: Digest | None) -> bytes:
    """Return the line of `event`; `previous` is the hash of the line before it, None for the first."""
    release = event.release
    return _encode(
        {
            "airpatch": EVENT_VERSION,
            "previous": _digest_text(previous),
            "time": emit_timestamp(event.time),
            "uid": event.uid,
            "sudo_user": event.sudo_user,
            "action": str(event.action),
            "outcome": str(event.outcome),
            "product": None if release is None else release.product,
            "release": None if release is None else release.name,
            "release_id": None if release is None else str(release.id),
            "bundle": _digest_text(event.bundle),
            "trust": _digest_text(event.trust),
            "signers": list(event.signers),
        }
    )


def parse_history(content: bytes) -> History:
    """Return the events in `content`.

    Raises FormatError for a line of another version, IntegrityError for one that is no event, or does not follow on
    the line before it.
    """
    *lines, rest = content.split(b"\n")
    events: list[Event] = []
    hashes: list[Digest] = []
    previous: Digest | None = None
    for number, text in enumerate(lines, 1):
        line = text + b"\n"
        stated, event = _parse_line(line, number)
        if stated != previous:
            raise IntegrityError(
                f"the chain is broken: line {number} does not hold the hash of the line before it, so lines were "
                "changed, inserted or removed; find out by whom, and move the file away to begin a new record"
            )
        previous = Digest.of(line)
        events.append(event)
        hashes.append(previous)
    return History(tuple(events), tuple(hashes), len(rest))


def appended(content: bytes, event: Event) -> bytes:
    """`content` with `event` as its last line; what a crash has cut short is dropped. Raises what parsing raises."""
    whole = content[: content.rfind(b"\n") + 1]
    return whole + emit_event(event, parse_history(whole).last_hash)


def _parse_line(line: bytes, number: int) -> tuple[Digest | None, Event]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise IntegrityError(f"line {number} is not JSON: it was damaged or changed") from None
    if isinstance(document, dict) and document.get("airpatch") != EVENT_VERSION:
        raise FormatError(
            f"line {number} is of version {document.get('airpatch')!r:.20}; this airpatch reads {EVENT_VERSION}"
        )
    try:
        previous, event = _parse_event(document)
    except (FormatError, ValueError):
        raise IntegrityError(f"line {number} is not an event of a history: it was damaged or changed") from None
    if emit_event(event, previous) != line:
        raise IntegrityError(f"line {number} is not in its canonical form: it was changed")
    return previous, event


def _parse_event(document: object) -> tuple[Digest | None, Event]:
    match document:
        case {
            "previous": previous,
            "time": str(time),
            "uid": int(uid),
            "sudo_user": None | str() as sudo_user,
            "action": str(action),
            "outcome": str(outcome),
            "product": product,
            "release": name,
            "release_id": id_,
            "bundle": bundle,
            "trust": trust,
            "signers": list(signers),
        } if 0 <= uid <= _MAX_UID and not isinstance(uid, bool) and len(signers) <= 2 * MAX_SIGNATURES:
            event = Event(
                parse_timestamp(time),
                uid,
                None if sudo_user is None else _text(sudo_user),
                Action(action),
                Outcome(outcome),
                _subject(product, name, id_),
                _digest(bundle),
                _digest(trust),
                tuple(_text(signer) for signer in signers),
            )
            return _digest(previous), event
    raise FormatError("not an event")


def _subject(product: object, name: object, id_: object) -> Subject | None:
    if product is None and name is None and id_ is None:
        return None
    if not isinstance(product, str) or not isinstance(name, str):
        raise FormatError("not a release")
    check_product(product)
    check_label(name, 0)
    return Subject(product, name, Digest.parse(id_))


def _digest(value: object) -> Digest | None:
    return None if value is None else Digest.parse(value)


def _digest_text(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not is_printable(value):
        raise FormatError("not a name")
    return value


def _encode(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def recordable(name: str) -> str:
    """`name` as an event can hold it: what does not print becomes a question mark, what is too long is cut."""
    return printable(name)[:MAX_NAME]
