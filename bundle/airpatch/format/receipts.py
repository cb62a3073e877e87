"""Receipts: what a root keeps of each installed release (spec/TARGET.md, Receipts). In canonical msgpack."""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.release_part import release_from_plain, release_id, release_to_plain
from airpatch.model.digest import Digest
from airpatch.model.release import Release, check_time

RECEIPT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """A release that was applied to a root. `installed` in seconds since 1970, UTC."""

    release: Release
    installed: int

    @property
    def id(self) -> Digest:
        return release_id(self.release)


def emit_receipt(receipt: Receipt) -> bytes:
    """Return the content of a receipt's file, in canonical msgpack (spec/TARGET.md, Receipts)."""
    return canonical.pack(
        {
            "airpatch": RECEIPT_VERSION,
            "installed": receipt.installed,
            "release": release_to_plain(receipt.release),
        }
    )


def parse_receipt(content: bytes) -> Receipt:
    """Parse what `emit_receipt` made. Raises FormatError unless `content` is canonical."""
    value = canonical.unpack(content, "the receipt")
    match value:
        case {"airpatch": version, "installed": int(installed), "release": release} if version == RECEIPT_VERSION:
            receipt = Receipt(release_from_plain(release), _time(installed))
            if emit_receipt(receipt) == content:
                return receipt
    raise FormatError("not a receipt that this airpatch reads")


def _time(value: int) -> int:
    check_time(value)
    return value
