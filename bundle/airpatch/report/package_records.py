"""Which packages the files of an image tell of, by name and version, and which files are theirs. Pure.

Read are dpkg's `status` and lists, apk's `installed`, rpm's database if it is SQLite, the metadata of Python's packages
(PEP 376) and npm's `package.json`. All of it is what an image says of itself: text to show, nothing to rely on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from posixpath import normpath

from airpatch.report.package import Package, PathRoom
from airpatch.report.rpm_database import rpm_packages

_DPKG = "var/lib/dpkg/"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RPM = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite")
_OTHER_RPM = tuple(
    f"{folder}/{name}"
    for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
    for name in ("Packages", "Packages.db")
)
"""Databases of rpm that are not SQLite: Berkeley DB and ndb."""
_PYTHON = re.compile(r"(?P<root>.*/)?[^/]+\.(?:dist-info/(?:METADATA|RECORD)|egg-info/PKG-INFO)")
_NPM = re.compile(r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@][^/]*/package\.json")
_MAX_FIELDS = 1 << 20
"""Bytes that the fields of a package may take, of which two are looked at."""
_MAX_TEXT = 200
"""Characters of a name or version that are kept."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of an image, in order of manager, name and version; `unread` are databases of which not all of them
    could be read.
    """

    packages: tuple[Package, ...] = ()
    unread: tuple[str, ...] = ()


def is_package_record(path: str) -> bool:
    """Return whether the file at `path` of an image tells of packages."""
    if path.startswith(_DPKG):
        rest = path.removeprefix(_DPKG)
        return rest == "status" or rest.startswith("status.d/") or (rest.startswith("info/") and rest.endswith(".list"))
    return (
        path in _APK
        or path in _RPM
        or (path.endswith("/package.json") and _NPM.fullmatch(path) is not None)
        or (path.endswith(("METADATA", "RECORD", "PKG-INFO")) and _PYTHON.fullmatch(path) is not None)
    )


def packages_in(records: Mapping[str, bytes], paths: Collection[str] = ()) -> Installed:
    """Return the packages that `records` tell of, files of an image by path; `paths` are those of all of its files."""
    room = PathRoom()
    known = (f"{_DPKG}status", *_APK, *_RPM)
    found = [*_dpkg(records, room), *_python(records, room), *_npm(records)]
    unread = [path for path in known if path in paths and path not in records]
    unread += [path for path in _OTHER_RPM if path in paths]
    for path in _APK:
        found += _apk(_text(records.get(path, b"")), room)
    for path in _RPM:
        if path in records:
            packages, is_whole = rpm_packages(records[path], room)
            found += packages
            unread += [] if is_whole else [path]
    if room.exhausted:
        unread = [*unread, *(path for path in known if path in records and path not in unread)]
    packages = sorted(
        (Package(each.manager, each.name[:_MAX_TEXT], each.version[:_MAX_TEXT], each.files) for each in found),
        key=lambda each: (each.manager, each.name, each.version),
    )
    return Installed(tuple(packages), tuple(sorted(unread)))


def owners_of(packages: Iterable[Package]) -> dict[str, Package]:
    """Return the package of each file, and of each folder that is one package's, which ends with `/`."""
    return {path: package for package in packages for path in package.files}


def owner_of(path: str, owners: Mapping[str, Package]) -> Package | None:
    """Return the package that the file at `path` belongs to; the folder that is nearest counts."""
    found = owners.get(path)
    folder = path
    while found is None and "/" in folder:
        folder = folder.rpartition("/")[0]
        found = owners.get(f"{folder}/")
    return found


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph that have their values on one line."""
    for paragraph in text.split("\n\n"):
        pairs = (line.split(":", 1) for line in paragraph.splitlines() if ":" in line and not line[0].isspace())
        yield {key: value.strip() for key, value in pairs}


def _dpkg(records: Mapping[str, bytes], room: PathRoom) -> Iterator[Package]:
    status = {path: content for path, content in records.items() if path.startswith(f"{_DPKG}status")}
    lists = {path: content for path, content in records.items() if path.endswith(".list")}
    for path, content in status.items():
        for fields in _stanzas(_text(content)):
            if "Package" not in fields or not fields.get("Status", "installed").endswith("installed"):
                continue
            name, architecture = fields["Package"], fields.get("Architecture", "")
            names = [f"{_DPKG}info/{name}.list", f"{_DPKG}info/{name}:{architecture}.list"]
            listed = next((lists.pop(each) for each in names if each in lists), b"")
            files = room.take(line.removeprefix("/") for line in _text(listed).splitlines())
            yield Package("dpkg", name, fields.get("Version", ""), (path, *files) if "status.d/" in path else files)


def _apk(text: str, room: PathRoom) -> Iterator[Package]:
    for paragraph in text.split("\n\n"):
        name = version = folder = ""
        files: list[str] = []
        for line in paragraph.splitlines():
            key, _, value = line.partition(":")
            if key == "P":
                name = value
            elif key == "V":
                version = value
            elif key == "F":
                folder = f"{value}/" if value else ""
            elif key == "R":
                files += room.take(folder + each for each in (value,))
        if name:
            yield Package("apk", name, version, tuple(files))


def _python(records: Mapping[str, bytes], room: PathRoom) -> Iterator[Package]:
    for path, content in records.items():
        match = _PYTHON.fullmatch(path)
        if match is None or path.endswith("/RECORD"):
            continue
        fields = HeaderParser().parsestr(_text(content.partition(b"\n\n")[0][:_MAX_FIELDS]))
        name, version = str(fields.get("Name", "")), str(fields.get("Version", ""))
        root, folder = match["root"] or "", path.rpartition("/")[0]
        recorded = _text(records.get(f"{folder}/RECORD", b"")).splitlines()
        files = room.take(normpath(root + _first_cell(line)) for line in recorded)
        if name:
            yield Package("pip", name, version, (f"{folder}/", *files))


def _first_cell(line: str) -> str:
    """Return the path in a line of RECORD, which is CSV: quoted if it has a comma or a quote."""
    if line.startswith('"'):
        return line[1:].partition('",')[0].replace('""', '"')
    return line.partition(",")[0]


def _npm(records: Mapping[str, bytes]) -> Iterator[Package]:
    for path, content in records.items():
        if not path.endswith("/package.json") or len(content) > _MAX_FIELDS:
            continue
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict) and isinstance(fields.get("name"), str):
            version = fields.get("version")
            yield Package(
                "npm", fields["name"], version if isinstance(version, str) else "", (path[: -len("package.json")],)
            )
