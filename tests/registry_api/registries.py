"""A registry with TLS, basic or token authentication, and the sample images in it: Debian's (distribution 2.8), or the
program that `$REGISTRY` names, such as distribution 3.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from airpatch.registry_api.access import RegistryAccess
from tests.registry.server import port_of
from tests.registry_api.authority import Issued

USER, PASSWORD = "ci", "open sesame"
_HASH = "$2a$04$3aFJcDdR5eNH5zMon6SZFe5bsxRzFA7OUE6FVMPF.b4d/0kIZUyzO"
"""bcrypt of the password."""


@contextmanager
def registry(
    root: Path, folder: Path, *, tls: Issued | None = None, clients: Issued | None = None, auth: object = None
) -> Iterator[str]:
    """A registry on `root`, which dies with this process; gives HOST:PORT. `auth` is that part of its configuration."""
    program = os.environ.get("REGISTRY", "docker-registry")
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    root.mkdir(parents=True, exist_ok=True)
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "the tests"}
    if tls is not None:
        authorities = {} if clients is None else {"clientcas": [str(clients.certificate)]}
        http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key), **authorities}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
        "http": http,
    }
    if auth is not None:
        config["auth"] = auth
    file = folder / f"registry-{root.name}.yml"
    file.write_text(json.dumps(config))
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        words = ["setpriv", "--pdeathsig", "KILL", program, "serve", str(file)]
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        yield f"127.0.0.1:{port_of(process, log)}"
    finally:
        process.kill()
        process.wait()


def basic_auth(folder: Path) -> Mapping[str, object]:
    file = folder / "htpasswd"
    file.write_text(f"{USER}:{_HASH}\n")
    return {"htpasswd": {"realm": "the tests", "path": str(file)}}


def login(folder: Path, host: str, user: str = USER, password: str = PASSWORD) -> Path:
    """A file as `docker login` writes it."""
    import base64

    file = folder / "config.json"
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
    return file


PLAIN = RegistryAccess(plain_http=True, pause=0.0, timeout=20.0)
"""For registries of tests without TLS."""
