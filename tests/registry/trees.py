"""Trees of `dir:` images: what is in them, and whether a pulled image is the one that was packed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from tests.registry.server import Registry, skopeo_pull

IMAGES = Path(__file__).resolve().parents[2] / "fixtures" / "images"


def images(tree: Path) -> dict[str, Path]:
    """The images of a tree: folders by `repository:tag`."""
    return {str(path.parent.relative_to(tree)): path.parent for path in sorted(tree.rglob("manifest.json"))}


def files(folder: Path, *, signatures: bool = True) -> dict[str, str]:
    """The files of a `dir:` image and their sha256."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if signatures or "signature" not in path.name
    }


def manifest_digest(folder: Path) -> str:
    return f"sha256:{hashlib.sha256((folder / 'manifest.json').read_bytes()).hexdigest()}"


def split(image: str) -> tuple[str, str]:
    """Repository and tag."""
    repository, _, tag = image.rpartition(":")
    return repository, tag


def differences(registry: Registry, tree: Path, scratch: Path) -> list[str]:
    """What is not as in `tree`: each image by tag and by digest, pulled with skopeo."""
    found = []
    for image, folder in images(tree).items():
        for reference in (image, f"{split(image)[0]}@{manifest_digest(folder)}"):
            copy = scratch / "pulled"
            shutil.rmtree(copy, ignore_errors=True)
            skopeo_pull(registry, reference, copy)
            if files(copy) != files(folder, signatures=False):
                found.append(f"{reference} differs from {folder}")
    return found


def tag_digests(tree: Path) -> dict[str, str]:
    return {image: manifest_digest(folder) for image, folder in images(tree).items()}
