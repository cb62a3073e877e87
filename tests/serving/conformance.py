"""Prints what the conformance suite of the OCI distribution-spec needs to test a read-only registry.

    airpatch serve BUNDLE & eval "$(python -m tests.serving.conformance HOST:PORT REPOSITORY)"; ./conformance

The suite is a Go program, which CI does not have (github.com/opencontainers/distribution-spec, folder `conformance`).
A bundle with all that it wants to see is made of what the suite itself has pushed to another registry.
"""

from __future__ import annotations

import http.client
import json
import shlex
import sys
from typing import Any

_ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


def main() -> None:
    host, repository = sys.argv[1:]
    connection = http.client.HTTPConnection(host)

    def get(path: str) -> tuple[str, dict[str, Any]]:
        connection.request("GET", f"/v2/{repository}/{path}", headers={"Accept": _ACCEPT})
        response = connection.getresponse()
        return response.headers.get("Docker-Content-Digest", ""), json.loads(response.read())

    tags: list[str] = get("tags/list")[1]["tags"]
    found: dict[str, dict[str, None]] = {"MANIFESTS": {}, "BLOBS": {}, "REFERRERS": {}}
    pending = list(tags)
    while pending:
        digest, manifest = get(f"manifests/{pending.pop()}")
        if digest in found["MANIFESTS"]:
            continue
        found["MANIFESTS"][digest] = None
        below = {key: manifest.get(key, []) for key in ("config", "layers", "manifests", "subject")}
        for key, entry in below.items():
            for each in entry if isinstance(entry, list) else [entry]:
                if key == "manifests":
                    pending.append(each["digest"])
                else:
                    found["REFERRERS" if key == "subject" else "BLOBS"][each["digest"]] = None
    settings = {
        "OCI_TLS": "disabled",
        "OCI_REGISTRY": host,
        "OCI_REPO1": repository,
        "OCI_API_PUSH": "false",
        "OCI_API_BLOBS_DELETE": "false",
        "OCI_API_MANIFESTS_DELETE": "false",
        "OCI_API_TAGS_DELETE": "false",
        "OCI_RO_DATA_TAGS": " ".join(tags),
        **{f"OCI_RO_DATA_{name}": " ".join(digests) for name, digests in found.items()},
    }
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
