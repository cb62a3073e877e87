"""What a bundle begins with: its index and the signatures over it, each byte checked against what must stand there.

Neither is parsed before somebody asks for the index: who demands signatures has them checked first, so that what nobody
has signed is told as that, and no parser sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from airpatch import limits
from airpatch.archive.frame_reader import FrameReader
from airpatch.errors import FormatError, TrustError, located
from airpatch.format import layout, tar, zstd
from airpatch.format.index import Index
from airpatch.format.index_encoding import parse_index
from airpatch.signing import MAX_SIGNATURE
from airpatch.timestamps import emit_timestamp

if TYPE_CHECKING:
    from airpatch.signing.policy import Signer
    from airpatch.signing.trusted import TrustedSigners

_MAX_SIGNATURES_FRAME = layout.MAX_SIGNATURES * (tar.RECORD + MAX_SIGNATURE)
"""Bytes of content. The size of a signature is limited to whole records."""


@dataclass(frozen=True)
class Opening:
    """What the bundle `name` begins with: the content of its index, and the armored signatures over it."""

    name: str
    content: bytes
    signatures: tuple[bytes, ...]

    @cached_property
    def index(self) -> Index:
        """The index. Raises FormatError unless it is valid, and the signatures are well-formed."""
        with located(self.name):
            if self.signatures:
                from airpatch.signing.bundle_signatures import check_signature  # here, since it takes time to load

                for number, signature in enumerate(self.signatures, 1):
                    with located(layout.index_signature_path(number)):
                        check_signature(signature)
            return parse_index(self.content)

    def require_signed(self, trusted: TrustedSigners | None, name: str, time: float) -> tuple[Signer, ...]:
        """Return who signed the bundle `name`, of those that are `trusted`; with None, no signature is required.

        Raises TrustError unless they suffice at `time`, in seconds since 1970.
        """
        if trusted is None:
            return ()
        try:
            return tuple(trusted.require(self.content, self.signatures, time))
        except TrustError as error:
            raise TrustError(f"{name}: {error.message}", error.findings) from None

    def require_fresh(self, name: str, time: float) -> None:
        """Raise TrustError if the release of the bundle `name` has expired at `time`, in seconds since 1970."""
        release = self.index.release
        if release.expires and time >= release.expires:
            raise TrustError(
                f"{name}: release {release.title} expired at {emit_timestamp(release.expires)}, and the clock of this "
                f"host says {emit_timestamp(int(time))}; get a newer release, or set the clock if it is wrong"
            )


def read_opening(reader: FrameReader) -> Opening:
    """Return what the first frames of `reader` hold. Raises FormatError."""
    with located(reader.name):
        content = _read_index(reader)
        return Opening(reader.name, content, _read_signatures(reader))


def _read_index(reader: FrameReader) -> bytes:
    """Return the content of the member that holds the index."""
    first = zstd.decompress(reader.next(None))
    size = tar.parse_size(first[: tar.RECORD], layout.INDEX_PATH, limits.INDEX.value)
    total = tar.RECORD + size + len(tar.padding(size))
    content = bytearray(first)
    while len(content) < total:
        length = min(layout.FRAME, total - len(content))
        content += zstd.unpack(reader.next(length), length)
    if len(content) != total or len(first) != min(layout.FRAME, total) or any(content[tar.RECORD + size :]):
        raise FormatError("the index does not fill its frames")
    return bytes(content[tar.RECORD : tar.RECORD + size])


def _read_signatures(reader: FrameReader) -> tuple[bytes, ...]:
    """Return the signatures over the index: the next frame, if it begins with the name of the first one."""
    frame = reader.peek(_MAX_SIGNATURES_FRAME)
    try:
        content = zstd.decompress(frame) if frame is not None else b""
    except FormatError:
        return ()  # the reader of the section after the index reports what is wrong with it
    if not content.startswith(layout.index_signature_path(1).encode() + b"\0"):
        return ()
    reader.give_back(reader.next(len(content)))
    signatures: list[bytes] = []
    position = 0
    while position < len(content):
        if len(signatures) == layout.MAX_SIGNATURES:
            raise FormatError(f"has more than {layout.MAX_SIGNATURES} signatures")
        path = layout.index_signature_path(len(signatures) + 1)
        size = tar.parse_size(content[position : position + tar.RECORD], path, MAX_SIGNATURE)
        begin, end = position + tar.RECORD, position + tar.RECORD + size
        position = end + len(tar.padding(size))
        if position > len(content) or any(content[end:position]):
            raise FormatError(f"{path} does not fill its place")
        signatures.append(content[begin:end])
    return tuple(signatures)
