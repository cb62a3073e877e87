"""What each member of a bundle takes in the bundle's file, to the byte: the bundle is packed, and thrown away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.execution import Execution
from airpatch.format import layout
from airpatch.format.index_encoding import emit_index
from airpatch.format.layout import FramePlan, Member
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.report.byte_shares import share_out


@dataclass(frozen=True, slots=True)
class PackedSizes:
    """The file has `size` bytes: those of `members`, blobs and layer patches by the digests of the blobs, of the
    `index`, of detached image `signatures`, and all that `frames` them: links, the end of the archive and the seek
    table.

    Members that share a frame share its bytes in proportion to their records.
    """

    size: int
    members: Mapping[Digest, int]
    index: int
    signatures: int
    framing: int


class _Nowhere:
    """A sink that counts."""

    size = 0

    def write(self, pieces: Sequence[bytes | bytearray | memoryview]) -> None:
        self.size += sum(map(len, pieces))

    def abandon(self) -> None:
        """Do nothing: nobody waits."""


def packed_sizes(bundle: PreparedBundle, execution: Execution) -> PackedSizes:
    """Return what the members of `bundle` take, without signatures over its index.

    Raises SourceError with all findings if content is missing or wrong.
    """
    sink = _Nowhere()
    frames = write_bundle(bundle, sink, execution)
    index = bundle.index
    parsed = {digest: parse_manifest(content) for digest, content in bundle.manifests.items()}
    plans = chain(
        layout.index_section(emit_index(index)),
        layout.index_signatures_section(bundle.signatures),
        layout.data_section(index),
        layout.manifests_section(index),
        layout.links_section(index, parsed),
    )
    found: defaultdict[Digest | str, int] = defaultdict(int)
    for plan, frame in zip(plans, frames, strict=True):
        for owner, size in _owners(plan, frame.compressed):
            found[owner] += size
    members = {owner: size for owner, size in found.items() if isinstance(owner, Digest)}
    framing = sink.size - sum(frame.compressed for frame in frames) + found["framing"]
    return PackedSizes(sink.size, members, found["index"], found["signatures"], framing)


def _owners(plan: FramePlan, compressed: int) -> list[tuple[Digest | str, int]]:
    """Return whose the `compressed` bytes of a frame are."""
    shares = share_out(compressed, [piece.stop - piece.start for piece in plan.pieces])
    return [(_owner(piece.member), share) for piece, share in zip(plan.pieces, shares, strict=True)]


def _owner(member: Member) -> Digest | str:
    if member.blob is not None:
        return member.blob.digest
    if member.step is not None:
        return member.step.digest
    if member.image_signature is not None:
        return "signatures"
    return "index" if member.path == layout.INDEX_PATH else "framing"
