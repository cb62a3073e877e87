"""Sends images to a registry's root on another host."""

from __future__ import annotations

import hashlib
import json
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.open_bundles import is_bundle
from airpatch.blobs.output import write_error
from airpatch.errors import FormatError, TargetError, UsageError
from airpatch.execution import Execution
from airpatch.format.registry import STORAGE
from airpatch.model.release import check_product
from airpatch.operations.arguments import Paths, StrPath, names, within
from airpatch.operations.create_bundle import WrittenBundle, create
from airpatch.operations.make_patch import diff
from airpatch.operations.trusted_files import require_valid
from airpatch.registry_api.access import PullOptions
from airpatch.remote.ssh import RemoteHost, RemoteRoot
from airpatch.signing.trusted import TrustedSigners

_NO_ROOT = 3
"""The exit code by which the host answers that it has no root."""


@dataclass(frozen=True, slots=True)
class SentBundle:
    """What was sent; `applied` says whether it was applied there, or a file was left instead.

    `is_patch` is False if the host had no registry, so that the whole release was sent.
    """

    bundle: WrittenBundle
    host: str
    root: str
    is_patch: bool
    applied: bool


def send(
    sources: Paths,
    target: str,
    *,
    release: str | None = None,
    sequence: int | None = None,
    product: str | None = None,
    images_list: StrPath | None = None,
    tags: Sequence[str] = (),
    images_from: str | None = None,
    pull: PullOptions | None = None,
    files: Sequence[str] = (),
    content: Paths = (),
    effort: str = "default",
    expires: int | None = None,
    key: StrPath | None = None,
    via: StrPath | None = None,
    shell: str = "ssh",
    program: str = "airpatch",
    trusted: TrustedSigners | None = None,
    said: Callable[[str], None] = lambda _: None,
    execution: Execution | None = None,
) -> SentBundle:
    """Bring images to the registry's root `target`, `HOST:ROOT`, over ssh, sending only what it lacks.

    The inventory of the root is taken there; a patch is made here as by `diff`, with layer patches upon blobs in
    `content`, and streamed into `apply` there. A host without that root gets a full bundle. After a lost connection,
    the host is asked what has arrived, and the rest is sent. With `via`, the patch is written to that file, and nothing
    is sent. `shell` is the command that reaches the host, `program` is airpatch on it; `said` receives what the host
    writes to its standard error, including its progress. With `trusted`, all `sources` must be bundles signed
    accordingly.

    Raises what `diff` and `apply` raise, and TargetError if the host cannot be reached.
    """
    remote = RemoteRoot.parse(target)
    execution = within(execution, Path.cwd() if via is None else Path(via).absolute().parent)
    _require_valid(names(sources), trusted)
    product = _product_of(names(sources)) if product is None else product
    host = RemoteHost(remote.host, shlex.split(shell) or ["ssh"], program, said)
    with _work_folder() as work:
        bundle = work / "bundle" if via is None else Path(via)
        inventory = _inventory(host, remote, work, product)
        if inventory is None:
            made = create(
                sources, bundle, release=release, sequence=sequence, product=product, expires=expires,
                images_list=images_list, tags=tags, images_from=images_from, pull=pull, files=files, key=key,
                execution=execution,
            )  # fmt: skip
        else:
            made = diff(
                inventory, sources, bundle, release=release, sequence=sequence, product=product, expires=expires,
                images_list=images_list, tags=tags, images_from=images_from, pull=pull, files=files, content=content,
                effort=effort, key=key, execution=execution,
            )  # fmt: skip
        if via is None:
            _apply(host, remote, bundle, execution)
    return SentBundle(made, remote.host, remote.path, inventory is not None, via is None)


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder in the current one, which is removed when the block ends. Raises TargetError."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".airpatch-send-", dir=Path.cwd())
    except OSError as error:
        raise write_error(str(Path.cwd()), error) from None
    with folder as name:
        yield Path(name)


def _require_valid(sources: Sequence[str], trusted: TrustedSigners | None) -> None:
    for name in sources if trusted is not None else ():
        if not is_bundle(Path(name)):
            raise UsageError(f"{name}: --trust is for sending bundles: other sources carry no signatures")
        with closing(BundleFile(name)) as bundle:
            require_valid(trusted, bundle.opening, name)


def _product_of(sources: Sequence[str]) -> str | None:
    """Return the product of a single bundle, which a release made of it belongs to; None if the sources are others."""
    if len(sources) != 1 or not is_bundle(Path(sources[0])):
        return None
    with closing(BundleFile(sources[0])) as bundle:
        return bundle.index.release.product


def _inventory(host: RemoteHost, remote: RemoteRoot, work: Path, product: str | None) -> Path | None:
    """Write the inventory of the root to a local file; None if there is no root."""
    storage = shlex.quote(f"{remote.path}/{STORAGE}")
    code, _ = host.run(f"test -d {storage} || exit {_NO_ROOT}")
    if code == _NO_ROOT:
        return None
    path = work / f"{remote.host}.inventory"
    words = ("inventory", remote.path, "-o", "-", "-q")
    try:
        content = host.airpatch(*words, *(() if product is None else ("--product", product)))
    except UsageError:
        if product is None:
            raise
        content = host.airpatch(*words, *_any_product(host, remote))  # it has nothing of that product yet
    path.write_bytes(content)
    return path


def _any_product(host: RemoteHost, remote: RemoteRoot) -> Sequence[str]:
    """Return the option that chooses one of several products on the root: what it has is the same for all."""
    try:
        products = sorted(json.loads(host.airpatch("inspect", remote.path, "--json", "-q"))["current"])
        for product in products[:1]:
            check_product(product)
            return ("--product", product)
        return ()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, FormatError):
        raise TargetError(
            f"{remote.host}: what its airpatch says of {remote.path} is no JSON document of 'inspect': does something "
            "else print there, such as a startup file of its shell?"
        ) from None


def _apply(host: RemoteHost, remote: RemoteRoot, bundle: Path, execution: Execution) -> None:
    size = bundle.stat().st_size
    words = ("--root", remote.path, "--json", "--progress", "plain")
    with bundle.open("rb") as file:
        name = f"{hashlib.file_digest(file, 'sha256').hexdigest()}.partial"
        with execution.part(f"sending to {remote.host}", size) as part, part.share(size, None) as share:
            host.apply(file, size, name, words, share.reach)
