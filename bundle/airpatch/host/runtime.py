"""What runs airpatch: Python, compiled codecs, packages, memory, the clock."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from airpatch.host.facts import Fact, Verdict
from airpatch.linux import is_clock_synchronized
from airpatch.units import are, count

CODECS = ("deflate", "delta", "encoders", "sketches")
"""The packages of airpatch that hold modules which setup.py compiles."""
DEFAULT_MEMORY = 1 << 30
"""Bytes that `--memory` stands at."""
LEAST_MEMORY = 256 << 20
"""Bytes: the least that `--memory` takes."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
_NOT_FOR_USE = ("test", "docs", "all")
"""Extras that no command needs."""


def python() -> Fact:
    """Return the interpreter and the C library below it."""
    libc, version = platform.libc_ver()
    library = f"{libc} {version}" if libc else "a C library other than glibc"
    bits = 64 if sys.maxsize > 1 << 32 else 32
    form = ", inside the executable" if getattr(sys, "frozen", False) else ""
    text = f"{platform.python_version()}{form}, {bits} bits, {platform.machine()}, {library}"
    return Fact("python", Verdict.OK, text)


def codecs() -> Fact:
    """Return whether the codecs are compiled."""
    plain = uncompiled_codecs()
    if not plain:
        return Fact("codecs", Verdict.OK, "compiled")
    modules = f"{count(len(plain), 'module')} {are(len(plain))}"
    text = f"{modules} not compiled, so layer patches take up to 40 times as long; install a wheel"
    return Fact("codecs", Verdict.LIMITED, text)


def uncompiled_codecs() -> list[str]:
    """Return the modules of codecs that run as plain Python and need not."""
    return [
        f"airpatch.{package}.{path.stem}"
        for package in CODECS
        for path in sorted((Path(__file__).parent.parent / package).glob("*.py"))
        if _is_for_cython(path) and _runs_as_source(f"airpatch.{package}.{path.stem}")
    ]


def _is_for_cython(path: Path) -> bool:
    return "\nimport cython\n" in path.read_text(encoding="utf-8")


def _runs_as_source(module: str) -> bool:
    spec = find_spec(module)
    return spec is None or spec.origin is None or spec.origin.endswith(".py")


def packages() -> Iterator[Fact]:
    """Yield what airpatch needs of PyPI, and then each extra: whether it is installed."""
    required: dict[str, list[str]] = {}
    if not _is_installed("airpatch"):
        yield Fact("packages", Verdict.LIMITED, "airpatch is not installed, but runs from its source tree")
        return
    for line in importlib.metadata.requires("airpatch") or ():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        condition = _EXTRA.search(line)
        required.setdefault(condition[1] if condition else "", []).append(name)
    for extra, names in sorted(required.items()):
        if extra not in _NOT_FOR_USE:
            yield _packages(extra, names)


def _packages(extra: str, names: list[str]) -> Fact:
    missing = [name for name in names if not _is_installed(name)]
    fact = f"extra {extra}" if extra else "packages"
    if not missing:
        return Fact(fact, Verdict.OK, "installed" if extra else ", ".join(map(_with_version, names)))
    line = f"pip install 'airpatch[{extra}]'" if extra else "pip install airpatch"
    state = Verdict.LIMITED if extra else Verdict.MISSING
    return Fact(fact, state, f"{', '.join(missing)} not installed: {line}")


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _with_version(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


def memory() -> Fact:
    """Return how many bytes this process may still take, by the kernel and the control groups above it."""
    free = min((_available(), *_below_limits()))
    text = f"{free / 1e9:.1f} GB available"
    if free < LEAST_MEMORY:
        return Fact("memory", Verdict.MISSING, f"{text}; layer patches need {LEAST_MEMORY >> 20} MiB")
    if free < DEFAULT_MEMORY:
        return Fact(
            "memory", Verdict.LIMITED, f"{text}; for commands that make patches, use --memory {free >> 20}MiB or less"
        )
    return Fact("memory", Verdict.OK, text)


def _available() -> int:
    with suppress(OSError, IndexError, ValueError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", _MEMINFO.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def _below_limits() -> Iterator[int]:
    """Yield what is left below the limit of each control group (cgroups(7), version 2) that this process is in."""
    with suppress(OSError, IndexError):
        line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        group = _CGROUP / line[len("0::/") :]
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # "max", or no limits here
                yield int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
            if folder == _CGROUP:
                return


def clock(newest: int | None) -> Fact:
    """Return what time it is. `newest`, in seconds since 1970, is when something was last recorded on the root."""
    now = time.time()
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    if newest is not None and newest > now:
        recorded = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest))
        return Fact(
            "clock", Verdict.LIMITED, f"{text}, which is before the last change of this root, {recorded}: set the clock"
        )
    if not is_clock_synchronized():
        return Fact("clock", Verdict.OK, f"{text}; not synchronized, so check it where signatures or releases expire")
    return Fact("clock", Verdict.OK, f"{text}, synchronized")
