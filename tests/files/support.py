"""Folders of files, and what is in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def make_folder(folder: Path) -> Path:
    """Files at the top and in folders, an empty folder, links, modes, and names that are not ASCII."""
    for path, content, mode in [
        ("README", "read me\n", 0o644),
        ("charts/web/values.yaml", "replicas: 1\n", 0o640),
        ("charts/web/empty", "", 0o600),
        ("scripts/run.sh", "#!/bin/sh\n", 0o755),
        ("scripts/größe " + "x" * 120, "long\n" * 1000, 0o644),
    ]:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)
    (folder / "charts/none").mkdir()
    (folder / "scripts/again.sh").symlink_to("run.sh")
    (folder / "scripts/values").symlink_to("../charts/./web/values.yaml")
    return folder


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Type, permissions and content of everything in a folder, but for the listing."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(base, name)
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            content = b""
            if kind == stat.S_IFREG:
                content = path.read_bytes()
            elif kind == stat.S_IFLNK:
                content = os.fsencode(path.readlink())
            mode = 0 if kind == stat.S_IFLNK else stat.S_IMODE(status.st_mode)
            found[str(path.relative_to(folder))] = kind, mode, content
    found.pop(".airpatch-files", None)
    return found
