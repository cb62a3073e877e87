"""Verifies a bundle as a target would take it: every byte, and in a full bundle what its layer patches make.

Layer patches of other bundles are read, not carried out: that takes the blobs of the target.
"""

from __future__ import annotations

from dataclasses import replace

from bundle.archive.feed import Feed
from bundle.archive.reader import Accept, Receiver
from bundle.archive.verify import Verified, verify_bundle
from bundle.errors import AirpatchError, FormatError, IntegrityError, located
from bundle.format.index import Index
from bundle.format.layout import Member
from bundle.layers.rebuilt import FileOutput, Nowhere, Rebuilding, Rebuilt
from bundle.layers.scratch import ScratchFile


def verify(feed: Feed, options: Rebuilding) -> Verified:
    """Read `feed` to its end, and carry out its layer patches if it brings all that they need.

    Raises FormatError if there is no valid index, TargetError if the feed cannot be read or there is no room.
    """
    spool = Rebuilt()

    def data(index: Index) -> Accept:
        needed = {step.patch for step in index.steps} | {source.digest for source in index.sources}

        def accept(member: Member) -> Receiver:
            digest = member.digest
            if digest is None or digest not in needed or not index.is_full:
                return Nowhere()
            file = ScratchFile(options.new_file, str(digest))
            return FileOutput(file, lambda: spool.files.__setitem__(digest, file))

        return accept

    verified = verify_bundle(feed, data=data, jobs=options.jobs, progress=options.progress, announce=options.announce)
    if verified.findings or not verified.index.is_full:
        return verified
    index = verified.index
    try:
        with located(feed.name):
            spool.make(index, index.steps, spool, options, {source for step in index.steps for source in step.sources})
    except (FormatError, IntegrityError) as error:
        findings: tuple[AirpatchError, ...] = (error,)
        return replace(verified, findings=findings)
    return verified
