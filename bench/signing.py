"""What signing and checking cost: processor time for each bundle.

    python -m bench.signing [TIMES]        10,000 images of 4 layers, and a bundle of one image

Signing is measured as `sign` does it, without the copy of the file; checking as `apply` does it, with 1 and with 16
signers in a file of allowed signers of 100 lines. ssh-keygen makes the keys.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import airpatch
from airpatch.format.index import Index
from airpatch.format.index_encoding import emit_index
from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_MANIFEST
from airpatch.model.names import ImageName
from airpatch.model.release import Blob, Image, Release
from airpatch.signing import NAMESPACE, sshsig
from airpatch.signing.signer import open_key

LINES = 100
SIGNERS = 16


def index_of(images: int) -> bytes:
    """The index of a full bundle of so many images, each with a config and 4 layers of its own."""
    names = [ImageName(f"shop/service-{number:05}", "r1") for number in range(images)]
    manifests = sorted(Digest.of(b"m%d" % number) for number in range(images))
    data = sorted(Digest.of(b"d%d" % number) for number in range(5 * images))
    blobs = (
        *(Blob(digest, 1 << 20, "application/vnd.oci.image.layer.v1.tar+gzip") for digest in data),
        *(Blob(digest, 1000, OCI_MANIFEST) for digest in manifests),
    )
    tagged = tuple(Image(name, manifest) for name, manifest in zip(names, manifests, strict=True))
    return emit_index(Index.full(Release("r1", 1, tagged, blobs)))


def sign(index: bytes, key: Path) -> bytes:
    return open_key(key)(index, NAMESPACE)


def milliseconds(call: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        sshsig._digest.cache_clear()  # every bundle is a new one
        call()
    return 1000 * (time.process_time() - began) / times


def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keys = [Path(folder) / f"key{number}" for number in range(LINES)]
        for key in keys:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        signers = Path(folder) / "allowed_signers"
        signers.write_text("".join(f"signer{n} {Path(f'{key}.pub').read_text()}" for n, key in enumerate(keys)))
        trusted = airpatch.trusted_signers(signers)
        many = airpatch.trusted_signers(signers, threshold=SIGNERS)
        for images in (1, 10_000):
            index = index_of(images)
            signatures = tuple(sign(index, key) for key in keys[-SIGNERS:])
            rows: dict[str, Callable[[], object]] = {
                "sign": partial(sign, index, keys[0]),
                "check 1": partial(trusted.require, index, signatures[:1], time.time()),
                f"check {SIGNERS}": partial(many.require, index, signatures, time.time()),
            }
            for name, call in rows.items():
                print(f"{images:6} images, index of {len(index):8} bytes: {name:9} {milliseconds(call, times):7.2f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
