"""Debian's registry (distribution 2.8) on a root, its garbage collection, and skopeo and HTTP clients of it."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("docker-registry", "skopeo", "zstd", "setpriv")
MANIFESTS = ",".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Registry:
    """A registry that serves `root` on 127.0.0.1:`port`."""

    def __init__(self, root: Path, port: int, config: Path) -> None:
        self.root = root
        self.port = port
        self.config = config

    def address(self, image: str) -> str:
        """What skopeo calls `repository:tag` or `repository@digest`."""
        return f"docker://127.0.0.1:{self.port}/{image}"

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers (names in lower case) of the answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, path, headers={"Accept": MANIFESTS})
            response = connection.getresponse()
            body = response.read()
            return response.status, body, {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()

    def manifest(self, repository: str, reference: str) -> bytes:
        status, body, _ = self.get(f"/v2/{repository}/manifests/{reference}")
        if status != 200:
            raise LookupError(f"{repository} {reference}: {status} {body[:200]!r}")
        return body

    def pull(self, repository: str, reference: str) -> str:
        """Pull a manifest and all below it, every digest checked; returns its digest. Raises LookupError."""
        body = self.manifest(repository, reference)
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if reference.startswith("sha256:") and digest != reference:
            raise LookupError(f"{repository}@{reference} is {digest}")
        manifest: dict[str, Any] = json.loads(body)
        for child in manifest.get("manifests", ()):
            self.pull(repository, child["digest"])
        for blob in [manifest["config"], *manifest["layers"]] if "config" in manifest else ():
            status, content, _ = self.get(f"/v2/{repository}/blobs/{blob['digest']}")
            if status != 200 or f"sha256:{hashlib.sha256(content).hexdigest()}" != blob["digest"]:
                raise LookupError(f"{repository}: blob {blob['digest']}: {status}, {len(content)} bytes")
        return digest

    def tags(self, repository: str) -> list[str]:
        status, body, _ = self.get(f"/v2/{repository}/tags/list")
        return sorted(json.loads(body)["tags"] or ()) if status == 200 else []

    def collect(self, *options: str) -> subprocess.CompletedProcess[str]:
        """A garbage collection."""
        return collect(self.config, *options)


def collect(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["docker-registry", "garbage-collect", *options, str(config)]
    return subprocess.run(words, capture_output=True, text=True)


def write_config(root: Path, port: int, folder: Path, *, cache: bool = True) -> Path:
    """A configuration for `root`, on any free port if `port` is 0.

    With `cache` it keeps descriptors of blobs, as Debian's configuration does.
    """
    config = folder / f"registry-{root.name}-{port}.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: info, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {root}}}, "
        f"{'cache: {blobdescriptor: inmemory}, ' if cache else ''}delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    return config


def port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that a registry has taken, which it tells in its `log`: nobody else can have it, as one that was free
    a moment ago. Raises RuntimeError if it ends instead.
    """
    while True:
        has_ended = process.poll() is not None
        said = log.read_text()
        if (found := re.search(r"listening on 127\.0\.0\.1:([0-9]+)", said)) is not None:
            return int(found[1])
        if has_ended:
            raise RuntimeError(f"the registry does not start: {said}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(root: Path, folder: Path, *, user: int | None = None, cache: bool = True) -> Iterator[Registry]:
    """A running registry on `root`, as `user`; its files go to `folder`. It dies with this process."""
    root.mkdir(parents=True, exist_ok=True)
    config = write_config(root, 0, folder, cache=cache)
    log = config.with_suffix(".log")
    with log.open("wb") as output:
        words = ["setpriv", "--pdeathsig", "KILL"]
        if user is not None:
            words += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        words += ["docker-registry", "serve", str(config)]
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        yield Registry(root, port_of(process, log), config)
    finally:
        process.kill()
        process.wait()


def skopeo(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["skopeo", "--insecure-policy", *words], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"skopeo {' '.join(words)}: {done.stderr}")
    return done


def skopeo_pull(registry: Registry, image: str, folder: Path) -> None:
    """Copy an image, with all its platforms, into the `dir:` folder."""
    skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false", registry.address(image), f"dir:{folder}")


def skopeo_push(registry: Registry, folder: Path, image: str) -> None:
    words: Sequence[str] = ("copy", "--all", "--preserve-digests", "--remove-signatures", "--dest-tls-verify=false")
    skopeo(*words, f"dir:{folder}", registry.address(image))
