"""A package of software that an image has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """A package by `manager` (`dpkg`, `apk`, `rpm`, `pip`, `npm`), name and version.

    `files` are its files by path, or its folder, which ends with `/`.
    """

    manager: str
    name: str
    version: str
    files: tuple[str, ...] = ()
