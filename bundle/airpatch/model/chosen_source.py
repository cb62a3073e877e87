"""Why a layer patch builds upon a blob, for those who ask."""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.model.digest import Digest


@dataclass(frozen=True, slots=True)
class ChosenSource:
    """Why a layer patch builds upon the blob `digest`: as samples tell, it has `resembling` bytes of the uncompressed
    layer that the sources before it lack. Where `rivals` seemed equally good, a sample of the difference decided.
    """

    digest: Digest
    resembling: int
    rivals: tuple[Digest, ...] = ()
