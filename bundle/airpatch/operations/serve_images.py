"""Serves bundles and roots as a read-only registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.open_bundles import open_bundle_files
from airpatch.blobs.content import BytesContent, ChainedContent, Content, read_blob
from airpatch.blobs.tree import Tree
from airpatch.errors import UsageError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.model.release import Image
from airpatch.operations.arguments import Paths, StrPath, names, within
from airpatch.operations.trusted_files import require_valid
from airpatch.patches.chains import require_chain, require_patches
from airpatch.patches.completed_release import complete_upon
from airpatch.signing.trusted import TrustedSigners
from airpatch.sources.registry_roots import RegistryRoot, registry_content

ROOM = 2 << 30
"""Bytes of rebuilt layers that are kept by default."""


@dataclass(frozen=True, slots=True)
class Served:
    """A registry that answers at `address`, HOST:PORT, with these images.

    `left_out` are those whose names no registry can serve.
    """

    address: str
    images: tuple[ImageName, ...]
    left_out: tuple[str, ...] = ()


def serve(
    bundles: Paths = (),
    *,
    root: StrPath | None = None,
    listen: str = "127.0.0.1:5000",
    certificate: StrPath | None = None,
    key: StrPath | None = None,
    room: int = ROOM,
    trusted: TrustedSigners | None = None,
    started: Callable[[Served], None] = lambda _: None,
    execution: Execution | None = None,
) -> Served:
    """Serve `bundles`, a full one and patches that follow it, as a read-only registry, straight from the files.

    With `root` its images are also served, and patches may follow it. Where names are the same, later images win.
    Layers that travel as layer patches are rebuilt when they are pulled; at most `room` bytes of them are kept, in
    scratch files in the current folder. `listen` is HOST:PORT, and port 0 means a free port; with `certificate`, a PEM
    file, and its `key` the registry serves TLS.

    `started` is called when the registry answers. Returns when a signal ends it (SIGINT, SIGTERM, SIGHUP, in the main
    thread), or `execution.cancellation`. With `trusted` all bundles must be signed accordingly.

    Raises UsageError, FormatError, IntegrityError, TrustError, BaseMismatch if patches do not fit, and TargetError if
    it cannot listen at the address.
    """
    from airpatch.serving.application import RegistryApplication
    from airpatch.serving.catalog import Catalog
    from airpatch.serving.server import bound_socket, run_server

    execution = within(execution, Path.cwd())
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(BundleFile(each))) for each in open_bundle_files(names(bundles))]
        for bundle in opened:
            require_valid(trusted, bundle.opening, bundle.name)
        base = _Base.of(root)
        _require_fit(opened, root, execution)
        manifests = {**base.manifests, **_manifests(opened, base.content)}
        content = ChainedContent([*opened, base.content, _rebuilt(opened, base.content, room, execution, stack)])
        images = [*base.images, *(image for bundle in opened for image in bundle.index.release.images)]
        catalog = Catalog(images, manifests, content)
        listening = stack.enter_context(closing(bound_socket(listen)))
        host, port = listening.getsockname()[:2]
        pairs = [ImageName(name, tag) for name, each in catalog.repositories.items() for tag in each.tags]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        served = Served(address, tuple(sorted(pairs)), tuple(catalog.left_out))
        run_server(
            RegistryApplication(catalog),
            listening,
            None if certificate is None else Path(certificate),
            None if key is None else Path(key),
            execution.cancellation,
            lambda: started(served),
        )
    return served


@dataclass(frozen=True, slots=True)
class _Base:
    """What a root has: images, their manifests, and all blobs."""

    images: tuple[Image, ...]
    manifests: dict[Digest, bytes]
    content: Content

    @classmethod
    def of(cls, root: StrPath | None) -> _Base:
        """Return what `root` has; nothing without one. Raises SourceError."""
        if root is None:
            return cls((), {}, BytesContent({}))
        tree = Tree(Path(root))
        images: list[Image] = []
        manifests: dict[Digest, bytes] = {}
        for found in RegistryRoot(tree).listing({}).images:
            loaded = found.load()
            images.append(Image(found.name, loaded.manifest))
            manifests.update(loaded.manifests)
        return cls(tuple(images), manifests, registry_content(tree))


def _require_fit(bundles: Sequence[BundleFile], root: StrPath | None, execution: Execution) -> None:
    """Raise UsageError or BaseMismatch unless `bundles` follow each other, and the first one upon the root."""
    if not bundles and root is None:
        raise UsageError("nothing to serve: name a bundle, or a root with --root")
    if not bundles:
        return
    require_patches(bundles[1:])
    require_chain(bundles)
    if not bundles[0].index.is_full:
        if root is None:
            raise UsageError(f"{bundles[0].name}: is a patch: name the bundle before it, or its base with --root")
        complete_upon(str(root), bundles, execution)


def _manifests(bundles: Sequence[BundleFile], base: Content) -> dict[Digest, bytes]:
    """Return all manifests of the releases of `bundles`: those that they store, and those that are left out."""
    found: dict[Digest, bytes] = {}
    for bundle in bundles:
        found |= bundle.manifests()
        for blob in bundle.index.left_out:
            if blob.is_manifest and blob.digest not in found and base.size(blob.digest) == blob.size:
                found[blob.digest] = read_blob(base, blob.digest, blob.size)
    return found


def _rebuilt(
    bundles: Sequence[BundleFile], base: Content, room: int, execution: Execution, stack: ExitStack
) -> Content:
    if not any(bundle.index.steps for bundle in bundles):
        return BytesContent({})
    from airpatch.serving.rebuilt_on_demand import RebuiltOnDemand  # here, since most bundles have no layer patches

    stored = {blob.digest for bundle in bundles for blob in bundle.index.stored}
    known = {source for bundle in bundles for step in bundle.index.steps for source in (step.digest, *step.sources)}
    there = stored | {digest for digest in known if base.size(digest) is not None}
    made = RebuiltOnDemand(bundles, base, there, room, execution)
    stack.callback(made.close)
    return made
