"""How other tools name images, and the command that turns such an image into a source."""

from __future__ import annotations

import re
from pathlib import Path

_ADDRESS = re.compile(r"(?:(?:https?|oci)://)?((?:localhost|[\w-]+(?:\.[\w-]+)+)(?::[0-9]+)?/.+)", re.ASCII)


def explain_spec(spec: str) -> str | None:
    """Return what to do about `spec`, which names no file or folder: a transport of skopeo, a layout followed by a tag,
    or an image in a registry.

    None if it looks like neither.
    """
    transport, colon, rest = spec.partition(":")
    name = rest.removeprefix("//") or "IMAGE"
    folder = name.rpartition("/")[2]
    match transport if colon else "":
        case "docker":
            return f"is in a registry: write docker://{name}"
        case "docker-daemon":
            return f"is in Docker: first save it with 'docker save -o images.tar {name}', and name images.tar"
        case "containers-storage":
            return (
                "is in the storage of Podman or CRI-O, which keeps no compressed layers: copy the image from its "
                f"registry with 'skopeo copy --all docker://{name} dir:images/{folder}', or save it from there with "
                f"'podman save -m -o images.tar {name}' and name images.tar"
            )
        case "oci" | "oci-archive" | "docker-archive" | "dir":
            path, tag = _existing_beginning(rest)
            if path:
                return (
                    f"names an image in {path}: name {transport}:{path}, and choose the image {tag} with --images-list"
                )
    address = _ADDRESS.fullmatch(spec)
    return None if address is None else f"no such file or folder; an image in a registry is docker://{address[1]}"


def _existing_beginning(text: str) -> tuple[str, str]:
    """Return the longest part of `text` before a colon that is a file or folder, and the rest."""
    path, colon, tag = text.rpartition(":")
    while colon and path:
        if Path(path).exists():
            return path, tag
        path, colon, more = path.rpartition(":")
        tag = f"{more}:{tag}"
    return "", ""
