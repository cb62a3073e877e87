"""Manifests in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX, OCI_MANIFEST


def image_manifest(config: bytes, layers: Sequence[bytes]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
    }
    return json.dumps(document).encode()


def image_index(children: Sequence[bytes], note: str = "") -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_descriptor(child, OCI_MANIFEST) for child in children],
        "annotations": {"note": note},
    }
    return json.dumps(document).encode()


def _descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
