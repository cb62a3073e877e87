"""How other tools name images, and the command that turns such an image into what airpatch reads.

People write these names wherever a path is expected. Each function answers for one kind of place; None means that the
word looks like nothing of the kind.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"(?:(?:https?|oci)://)?((?:localhost|[\w-]+(?:\.[\w-]+)+)(?::[0-9]+)?/.+)", re.ASCII)
_IMAGE = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*:\w[\w.-]*", re.ASCII)
"""A name with a tag, and without a host."""
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)")
_ON_A_HOST = re.compile(r"(?:[\w.-]+@)?([\w-][\w.-]*):(/.*)", re.ASCII)
_FILES = (".zst", ".tar", ".gz", ".tgz")
"""Endings of what is a file rather than an image."""
_SOURCES = frozenset(("dir", "registry", "oci", "oci-archive", "docker-archive", "containerd", "bundle", "store"))
"""Prefixes of sources that are followed by a path."""
_COPIED = frozenset(("atomic", "ostree", "sif", "tarball"))
"""Transports of skopeo (containers-transports(5)) that only skopeo reads."""


def explain_spec(spec: str) -> str | None:
    """Return what to do about `spec`, which names no file or folder, where a source is wanted."""
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
        case "oci" | "oci-archive" | "docker-archive" | "dir" if not rest.startswith("//"):
            path, tag = _existing_beginning(rest)
            if path:
                return (
                    f"names an image in {path}: name {transport}:{path}, and choose the image {tag} with --images-list"
                )
            return None
        case known if known in _COPIED:
            return f"is read by skopeo alone: copy it with 'skopeo copy {spec} dir:images/IMAGE:TAG', and name images"
    address = _ADDRESS.fullmatch(spec)
    if address is not None and not spec.endswith(_FILES):
        return f"no such file or folder; an image in a registry is docker://{address[1]}"
    return _elsewhere(spec) or _image(spec)


def explain_bundle(spec: str) -> str | None:
    """Return what to do about `spec`, which names no file or folder, where a bundle is wanted."""
    prefix, colon, rest = spec.partition(":")
    if colon and prefix == "bundle":
        return f"write the path alone: {rest}"
    if colon and prefix == "docker":
        spec = f"docker://{rest.removeprefix('//')}"
    if colon and (prefix == "docker" or (prefix in _SOURCES and not rest.startswith("//"))):
        return f"is a source of images, and no bundle: pack it first with 'airpatch create {spec} -o BUNDLE'"
    advice = explain_spec(spec)
    if advice is None or advice == _image(spec):  # a file may be called so
        return None
    return f"{advice} to 'airpatch create', which makes a bundle" if "name images" in advice else advice


def explain_path(spec: str) -> str | None:
    """Return what to do about `spec`, which names no file or folder, where a root or an output is wanted."""
    prefix, colon, rest = spec.partition(":")
    if spec.startswith(("docker://", "oci://")) or (colon and prefix == "docker"):
        address = rest.removeprefix("//")
        return (
            f"is in a registry, and a path belongs here: 'airpatch push FROM docker://{address}' writes images there, "
            f"'airpatch create docker://{address} -o BUNDLE' reads them"
        )
    if colon and prefix in _SOURCES and not rest.startswith("//"):
        return f"write the path alone: {rest}"
    if colon and prefix in ("docker-daemon", "containers-storage"):
        load = "docker load" if prefix == "docker-daemon" else "podman load"
        return (
            "is no path; 'airpatch restore FROM --as docker-archive -o images.tar' writes an archive, which "
            f"'{load} -i images.tar' reads"
        )
    if colon and prefix in _COPIED:
        return (
            "is no path; 'airpatch restore FROM -o images' writes folders, which 'skopeo copy dir:images/IMAGE:TAG "
            f"{spec}' reads"
        )
    return _elsewhere(spec)


def is_there(spec: str) -> bool:
    """Return whether `spec` is the path of something, be it a link that leads nowhere."""
    try:
        return os.path.lexists(spec)
    except ValueError:  # a null byte
        return False


def _image(spec: str) -> str | None:
    """Return what to say of a name with a tag."""
    if not _IMAGE.fullmatch(spec) or spec.partition(":")[0] in _SOURCES or spec.endswith(_FILES):
        return None
    return f"no such file or folder; an image in a registry is docker://{spec}"


def _elsewhere(spec: str) -> str | None:
    """Return what to say of an address of another host, or of a service."""
    url = _URL.fullmatch(spec)
    if url is not None and url[1] == "file":
        return f"write the path alone: {url[2]}"
    if url is not None and url[1] in ("http", "https", "ftp", "ftps"):
        return f"is not on this host: fetch it first, as with 'curl -LO {spec}', and name the file"
    if url is not None:
        return f"is not on this host: fetch it with a tool for {url[1]} first, and name the file"
    host = _ON_A_HOST.fullmatch(spec)
    if host is None or host[1] in _SOURCES:
        return None
    return f"no such file or folder; for {host[2]} on the host {host[1]} use 'airpatch send', or copy it with scp"


def _existing_beginning(text: str) -> tuple[str, str]:
    """Return the longest part of `text` before a colon that is a file or folder, and the rest."""
    path, colon, tag = text.rpartition(":")
    while colon and path:
        if Path(path).exists():
            return path, tag
        path, colon, more = path.rpartition(":")
        tag = f"{more}:{tag}"
    return "", ""
