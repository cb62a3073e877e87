"""Says what a file that is not a bundle is, by its first bytes, and what to do with it."""

from __future__ import annotations

from airpatch.format import magics, zstd
from airpatch.format.layout import INDEX_PATH
from airpatch.format.magics import begins_inventory

CUT_SHORT = "is a bundle that is cut short; copy it again"
_UNKNOWN = "a file of an unknown kind"
_TAR_MAGIC = slice(257, 262)
_MAGICS = {
    b"\x1f\x8b": "a gzip file; where images are in it, pack them first with 'airpatch create FILE -o BUNDLE'",
    b"\xfd7zXZ\0": "an xz file; decompress it first with 'xz -d FILE'",
    b"BZh": "a bzip2 file; decompress it first with 'bzip2 -d FILE'",
    b"PK\3\4": "a zip file; unpack it first with 'unzip FILE'",
    b"\x7fELF": "a program",
    magics.PART: "a part of a file that was split, which this does not take; make the file again with 'airpatch join'",
    magics.DAMAGE_REQUEST: "a request for damaged bytes, which 'airpatch topup' takes",
    magics.TOP_UP: "a top-up, which 'airpatch apply' takes together with the damaged copy",
    magics.PLAN: "a plan, which 'airpatch work' takes",
    b"-----BEGIN": "a key, a certificate or a signature",
}


def describe(head: bytes, *, is_pipe: bool = False) -> str:
    """Return what a file is whose first `magics.HEAD` bytes are `head`, for a message: "not a bundle but ..."."""
    if is_pipe and not head:
        return "has no content: whatever should write a bundle there has failed"
    what = _what(head)
    return what if what == CUT_SHORT else f"not a bundle but {what}"


def describe_other(head: bytes, wanted: str) -> str:
    """As `describe`, of a file that should be `wanted`, such as "a plan"."""
    what = _what(head)
    if what == CUT_SHORT:
        what = "a bundle"
    elif what.startswith(_UNKNOWN):
        return f"not {wanted}, or damaged at its beginning"
    return f"not {wanted} but {what}"


def _what(head: bytes) -> str:
    if not head.strip(b"\0"):
        return "an empty file; copy it again" if not head else "a file of zeros; copy it again"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "a web page: an error or a login page that came in place of the file; fetch it again"
    for magic, what in _MAGICS.items():
        if head.startswith(magic):
            return what
    if head[_TAR_MAGIC] == b"ustar":
        return "a tar archive; where images are in it, pack them first with 'airpatch create FILE -o BUNDLE'"
    if text.startswith((b"{", b"[")):
        return "a JSON document"
    if head.startswith(zstd.MAGIC.to_bytes(4, "little")):
        content = zstd.beginning(head)
        if content.startswith(INDEX_PATH.encode()):
            return CUT_SHORT
        if content[_TAR_MAGIC] == b"ustar":
            return "a tar archive; where images are in it, pack them first with 'airpatch create FILE -o BUNDLE'"
        if begins_inventory(content):
            return "an inventory or a request for blobs, which 'inspect' and 'diff --base' take"
        return "a zstd file; if it was a bundle or an inventory, it is cut short: copy it again"
    return _UNKNOWN
