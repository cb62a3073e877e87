"""What this host provides, and which commands will work on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airpatch.errors import AirpatchError
from airpatch.format.layout import HOME
from airpatch.format.registry import BLOBS, REPOSITORIES, STORAGE
from airpatch.host import disk, runtime
from airpatch.host.facts import Fact, Verdict
from airpatch.host.live_registry import registries
from airpatch.linux import is_folder, nearest_folder
from airpatch.operations.arguments import StrPath
from airpatch.target.new_root import check_target
from airpatch.target.root import Root
from airpatch.target.state import history

_RUN = ("packages",)
_WRITE_HERE = (*_RUN, "rights here", "room here")
_USE_STORE = (*_RUN, "extra store")
_READ_ROOT = (*_RUN, "root")
_MAKE_ROOT = (*_RUN, "rights in root", "room in root", "fsync", "locks", "hard links")
_WRITE_ROOT = ("root", *_MAKE_ROOT)
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "create": _WRITE_HERE,
    "diff": (*_WRITE_HERE, "codecs", "memory"),
    "explain": (*_WRITE_HERE, "codecs", "memory"),
    "apply": (*_MAKE_ROOT, "codecs", "clock"),
    "merge": (*_WRITE_HERE, "codecs"),
    "inventory": (*_READ_ROOT, "rights here"),
    "rollback": _WRITE_ROOT,
    "prune": _WRITE_ROOT,
    "inspect": _RUN,
    "history": _READ_ROOT,
    "verify": (*_RUN, "codecs"),
    "restore": (*_WRITE_HERE, "codecs", "rename exchange"),
    "push": (*_RUN, "extra registry", "codecs"),
    "serve": (*_RUN, "extra serve", "codecs", "memory"),
    "send": (*_WRITE_HERE, "codecs", "memory"),
    "sign": (*_WRITE_HERE, "clock"),
    "trust": (*_MAKE_ROOT, "clock"),
    "split": (*_WRITE_HERE, "extra parity"),
    "join": (*_WRITE_HERE, "extra parity"),
    "topup": _WRITE_HERE,
    "store add": (*_WRITE_HERE, "extra store", "codecs"),
    "store list": _USE_STORE,
    "store show": _USE_STORE,
    "store verify": _USE_STORE,
    "store prune": _USE_STORE,
    "plan": (*_WRITE_HERE, "extra store", "codecs"),
    "work": (*_WRITE_HERE, "extra store", "codecs", "memory"),
    "collect": (*_WRITE_HERE, "extra store", "codecs"),
    "doctor": (),
    "completion": (),
}
"""The facts that each command depends on, by its name; those that were not looked up do not count."""
_NO_FAULT = ("root",)
"""Commands for which the root need not exist yet, since they make it."""


@dataclass(frozen=True, slots=True)
class Ability:
    """How well a command will work on this host, and the facts that keep it from working better."""

    command: str
    state: Verdict
    because: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class HostReport:
    """The diagnosis: `root` is the directory that was examined, if any."""

    root: Path | None
    facts: tuple[Fact, ...]

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """One for every command, in the order of the help."""
        return tuple(_ability(command, names, self.facts) for command, names in _NEEDS.items())

    @property
    def is_fit(self) -> bool:
        """Whether every command works, except those that need an existing root where there is none."""
        return all(fact.state is not Verdict.MISSING or fact.name in _NO_FAULT for fact in self._counting)

    @property
    def _counting(self) -> tuple[Fact, ...]:
        needed = {name for names in _NEEDS.values() for name in names}
        return tuple(fact for fact in self.facts if fact.name in needed)


def doctor(root: StrPath | None = None) -> HostReport:
    """Find out what this host provides, and which commands will work.

    `root` is a directory that holds `docker/registry/v2`, or one that `apply` is to make. Its file system, or that of
    the current folder, is tested in a folder that is then removed; nothing else is written. Raises UsageError if
    `root` lies inside the storage of a registry, or holds other things.
    """
    path = None if root is None else Path(root)
    if path is not None:
        check_target(path)
    return HostReport(path, tuple(_facts(path)))


def _facts(root: Path | None) -> Iterator[Fact]:
    yield runtime.python()
    yield from runtime.packages()
    yield runtime.codecs()
    yield runtime.memory()
    here = Path.cwd()
    yield disk.rights("rights here", [here])
    yield disk.room("room here", here)
    yield from disk.file_system(here) if root is None else _root_facts(root)
    yield registries()
    yield runtime.clock(None if root is None else _newest(root))


def _root_facts(root: Path) -> Iterator[Fact]:
    folder = nearest_folder(root)
    obstacle = disk.in_the_way(root.absolute())
    if obstacle is not None:
        yield Fact("root", Verdict.MISSING, f"{root}: cannot be made, since {obstacle} is not a folder")
    elif folder != root.absolute():
        yield Fact("root", Verdict.MISSING, f"{root}: no such folder; apply will create it")
    elif not is_folder(root / STORAGE):
        yield Fact("root", Verdict.MISSING, f"{root}: holds no registry's storage; apply will create it")
    else:
        yield Fact("root", Verdict.OK, f"{root}: holds {STORAGE}")
    rights = disk.rights("rights in root", [folder, *_written(root)])
    if obstacle is not None:
        rights = Fact(
            "rights in root", Verdict.MISSING, f"{obstacle}: is not a folder; move it away, or name another root"
        )
    yield rights
    yield disk.room("room in root", folder)
    if rights.state is Verdict.OK:
        yield from disk.file_system(folder)


def _written(root: Path) -> list[Path]:
    """Return the existing folders that an apply writes to."""
    return [root / path for path in (HOME, STORAGE, BLOBS, REPOSITORIES) if is_folder(root / path)]


def _newest(root: Path) -> int | None:
    """When something was last recorded on `root`, in seconds since 1970."""
    if not is_folder(root):
        return None
    try:
        with Root(root) as opened:
            return max((event.time for event in history(opened).events), default=None)
    except AirpatchError:
        return None  # the state is damaged or unreadable: verify reports it


def _ability(command: str, names: tuple[str, ...], facts: tuple[Fact, ...]) -> Ability:
    because = tuple(fact for fact in facts if fact.name in names and fact.state is not Verdict.OK)
    worst = Verdict.OK
    if because:
        worst = Verdict.MISSING if any(fact.state is Verdict.MISSING for fact in because) else Verdict.LIMITED
    return Ability(command, worst, because)
