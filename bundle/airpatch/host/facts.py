"""A fact about a host, and how it bears on the commands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How well something will work."""

    OK = "ok"
    LIMITED = "limited"
    """It works, more slowly or with less than elsewhere."""
    MISSING = "missing"
    """What needs it does not work."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What was found out about `name`, in words for people."""

    name: str
    state: Verdict
    text: str
