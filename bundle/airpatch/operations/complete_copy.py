"""What a damaged copy of a bundle lacks: requested by the site, provided by the sender."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airpatch.archive.damage import digest_outside, find_damage, pieces
from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.open_bundles import open_file_frames
from airpatch.archive.topped_up import read_request
from airpatch.blobs.byte_source import FileBytes
from airpatch.blobs.output import destination, output_file
from airpatch.errors import FormatError, UsageError
from airpatch.execution import Execution
from airpatch.format.top_ups import DamageRequest, TopUp, emit_request, emit_top_up, ends
from airpatch.linux import is_file
from airpatch.model.digest import Digest
from airpatch.operations.arguments import StrPath, check_apart
from airpatch.units import count


@dataclass(frozen=True, slots=True)
class WrittenTopUp:
    """A top-up that was written to `output`, in `size` bytes, `given` of which are the bundle's."""

    output: str
    size: int
    given: int


def topup(bundle: StrPath, request: StrPath, output: StrPath, *, execution: Execution | None = None) -> WrittenTopUp:
    """Write what the site's copy of `bundle` lacks, as listed in the `request` that `verify` made there (spec/PARTS.md,
    Top-ups).

    `apply` takes the damaged copy and the top-up together. `output` is a file, `-` standard output. Raises UsageError
    if the request is for another file, FormatError if one of them is damaged, as in the very bytes that the site lacks,
    TargetError.
    """
    check_apart(output, bundle, request)
    execution = execution or Execution()
    wanted = read_request(Path(request))
    with closing(open_file_frames(os.fspath(bundle))) as reader:  # checks that the end is there and fits the beginning
        source = reader.source
        ranges = tuple(ends(wanted.ranges, source.size))
        fits = all(start < stop <= source.size for start, stop in ranges)
        with execution.part(f"reading {Path(reader.name).name}", source.size) as part:
            whole = hashlib.sha256()
            for piece in pieces(source, 0, source.size):
                whole.update(piece)
                part.advance(len(piece))
        if not fits or digest_outside(source, ranges, source.size) != wanted.rest:
            raise UsageError(
                f"{request}: is not for {bundle}: the bytes that the site has are not those of this file. Name the "
                f"file that was sent as {wanted.name}, unchanged, or send it again"
            )
        with execution.part(f"looking for damage in {Path(reader.name).name}", source.size) as part:
            damaged = find_damage(source, reader.table, part)
        if damaged:
            raise FormatError(
                f"{bundle}: bytes {damaged[0].start:,} to {damaged[0].stop or source.size:,} are damaged here as well, "
                "and the site needs them: make the top-up from an intact copy of the file"
            )
        given = hashlib.sha256()
        for start, stop in ranges:
            for piece in pieces(source, start, stop):
                given.update(piece)
        head = emit_top_up(TopUp(wanted, source.size, Digest(whole.digest()), Digest(given.digest())))
        with destination(os.fspath(output)) as sink:
            sink.write([head])
            for start, stop in ranges:
                for piece in pieces(source, start, stop):
                    sink.write([piece])
    size = sum(stop - start for start, stop in ranges)
    return WrittenTopUp(os.fspath(output), len(head) + size, size)


def request_damaged(bundle: Path, request: Path, execution: Execution) -> str | None:
    """Write to `request` which bytes of the damaged copy `bundle` are needed again; return what to tell the user.

    If every frame is intact, nothing is written, and None returned.

    Raises UsageError if it is not a file, TargetError if it cannot be read or the request cannot be written.
    """
    with closing(_open(bundle)) as source:
        try:
            with closing(FileFrameReader(_open(bundle))) as reader:
                table = reader.table
        except FormatError:
            table = None
        with execution.part(f"looking for damage in {bundle}", source.size) as part:
            ranges = find_damage(source, table, part)
        if not ranges:
            return None
        known = tuple(ends(ranges, max(source.size, ranges[-1].start)))
        # A copy without a seek table may have something after its end, where the last range ends.
        size = source.size if table is not None else known[-1][1]
        wanted = DamageRequest(bundle.name, ranges, digest_outside(source, known, size))
    with output_file(request) as sink:
        sink.write([emit_request(wanted)])
    wanted_bytes = sum(stop - start for start, stop in known)
    what = f"{count(len(ranges), 'range')} of {wanted_bytes:,} bytes"
    if ranges[-1].stop is None:
        what = f"{what}, and everything after them" if known[-1][1] else "the whole file"
    return (
        f"{request}: request for {what}; the sender of the file answers it with "
        f"'airpatch topup {bundle.name} --request {request.name} -o TOPUP'; then "
        f"'airpatch apply {bundle} TOPUP' works"
    )


def _open(path: Path) -> FileBytes:
    try:
        if not is_file(path):
            raise UsageError(f"{path}: is not a file")
        return FileBytes(str(path), os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise UsageError(f"{path}: cannot be opened: {error.strerror}") from None
