"""What a root must hold to have a release, as a list that `sha256sum -c` reads (GNU coreutils).

Links are not in it: what they hold is their own path's digest.
"""

from __future__ import annotations

from airpatch.format import layout, registry
from airpatch.model.release import Release


def emit_digest_list(release: Release) -> bytes:
    """Return a line with digest and path for each blob and detached signature of `release`, sorted by path.

    Paths are relative to the root. They hold nothing that sha256sum would escape: no backslash and no newline.
    """
    lines = {registry.blob_path(blob.digest): blob.digest for blob in release.blobs}
    for image in release.images:
        lines |= {path: signature.digest for path, signature in layout.image_signature_paths(image)}
    return "".join(f"{digest.hex}  {path}\n" for path, digest in sorted(lines.items())).encode("ascii")
