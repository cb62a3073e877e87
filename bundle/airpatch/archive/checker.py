"""Checks a bundle to its last byte and reports everything that is wrong with it, where a reader would stop.

Frames, headers, digests, links and seek table are those that `reader` checks anyway; findings add up as long as the
frames can be told apart. The table of blobs is held against the manifests: as a whole if the bundle has all of them,
else as far as it brings them. Layer patches are read, not carried out: see `airpatch.layers.proof`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from airpatch.archive.frame_reader import FrameReader
from airpatch.archive.opening import Opening
from airpatch.archive.reader import Accept, BundleStream
from airpatch.blobs.receiver import Discard, Receiver
from airpatch.errors import AirpatchError, FormatError, IntegrityError
from airpatch.execution import Execution
from airpatch.format import layout
from airpatch.format.index import Index
from airpatch.format.layout import Member
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.release import Release, check_manifests
from airpatch.progress import ProgressPart
from airpatch.worker_pool import worker_pool


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """A bundle and what is wrong with it: FormatErrors and IntegrityErrors."""

    opening: Opening
    findings: tuple[AirpatchError, ...]

    @property
    def index(self) -> Index:
        return self.opening.index


Demand = Callable[[Opening], object]
"""Raises TrustError unless the signatures suffice; asked before the index is parsed."""


def _discard(_: Index) -> Accept:
    return lambda _: Discard()


def nothing_demanded(_: Opening) -> None:
    """The `Demand` that all signatures satisfy."""


def verify_bundle(
    reader: FrameReader,
    execution: Execution,
    data: Callable[[Index], Accept] = _discard,
    demand: Demand = nothing_demanded,
) -> CheckedBundle:
    """Read `reader` to its end. `data` gives receivers for what the bundle has beside manifests, if that is wanted.

    Raises what `demand` raises, FormatError if there is no valid index, TargetError if the reader cannot be read.
    """
    findings: list[AirpatchError] = []
    with worker_pool(execution.threads) as pool:
        stream = BundleStream(reader, pool)
        demand(stream.opening)
        accept = data(stream.index)
        with execution.part(f"verifying {reader.name}", layout.blob_bytes(stream.index)) as part:
            try:
                _receive(stream, accept, findings, part)
            except (FormatError, IntegrityError) as error:
                findings.append(error)
    return CheckedBundle(stream.opening, tuple(findings))


def _receive(stream: BundleStream, accept: Accept, findings: list[AirpatchError], part: ProgressPart) -> None:
    index = stream.index
    kept: dict[Digest, _KeptManifest] = {}

    def keep(member: Member) -> Receiver:
        return kept.setdefault(member.digest, _KeptManifest()) if member.digest is not None else Discard()

    stream.receive(layout.data_section(index), accept, findings, part)
    stream.receive(layout.manifests_section(index), keep, findings, part)
    manifests = {digest: bytes(receiver.content) for digest, receiver in kept.items() if receiver.is_complete}
    if len(manifests) < len(kept):
        # No defect of its own: of the class of what is wrong already.
        kind = IntegrityError if all(isinstance(error, IntegrityError) for error in findings) else FormatError
        raise kind("links and the table of blobs were not checked, since manifests are damaged")
    if all(blob.digest in manifests for blob in index.release.blobs if blob.is_manifest):
        check_manifests(index.release, manifests)
    else:
        findings.extend(_contradictions(index.release, manifests))
    parsed = {digest: parse_manifest(content) for digest, content in manifests.items()} if index.has_links else {}
    stream.receive(layout.links_section(index, parsed), lambda _: Discard(), findings)
    stream.finish()


def _contradictions(release: Release, manifests: Mapping[Digest, bytes]) -> Iterator[FormatError]:
    """Yield an error for each reference of a manifest that the table of `release` does not have."""
    sizes = {blob.digest: blob.size for blob in release.blobs}
    for digest, content in manifests.items():
        try:
            manifest = parse_manifest(content)
        except FormatError as error:
            yield FormatError(f"{digest}: {error.message}")
            continue
        for below in (*manifest.blobs, *manifest.manifests):
            if sizes.get(below.digest) != below.size:
                yield FormatError(f"{digest} refers to {below.digest} of {below.size} bytes, which is not in the table")


class _KeptManifest:
    """Keeps the content of a manifest."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.is_complete = False

    def write(self, piece: memoryview) -> None:
        self.content += piece

    def complete(self) -> None:
        self.is_complete = True
