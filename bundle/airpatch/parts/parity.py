"""The only user of pyeclib: parity over chunks by a Cauchy Reed-Solomon code in GF(2^8) (spec/PARTS.md, Parity).

liberasurecode puts a header of its own before each fragment. It holds nothing of the content, so it is added again when
fragments are handed back, and parts are free of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from airpatch.errors import UsageError

_CODE = "isa_l_rs_cauchy"
"""ISA-L's gf_gen_cauchy1_matrix over the polynomial 0x11D."""
_INSTALL = "parity needs a package that is not installed: pip install 'airpatch[parity]'"


class Parity:
    """The code over `data` data parts and `parity` parity parts. Raises UsageError if the extra is missing."""

    def __init__(self, data: int, parity: int) -> None:
        try:
            module: Any = importlib.import_module("pyeclib.ec_iface")
        except ImportError:
            raise UsageError(_INSTALL) from None
        self._data = data
        self._driver = module.ECDriver(k=data, m=parity, ec_type=_CODE)
        self._prefixes: tuple[int, list[bytes]] = (0, [])

    def encode(self, columns: bytes | bytearray, size: int) -> list[memoryview]:
        """Return the parity of `columns`: one of `size` bytes for each data part, one after the other."""
        fragments = self._driver.encode(bytes(columns))
        return [memoryview(fragment)[len(fragment) - size :] for fragment in fragments[self._data :]]

    def rebuild(self, columns: Mapping[int, bytes], wanted: Sequence[int]) -> list[bytes]:
        """Return the columns `wanted` out of as many others as there are data parts; both are numbered from 0."""
        size = len(next(iter(columns.values())))
        prefixes = self._made_for(size)
        fragments = [prefixes[number] + column for number, column in columns.items()]
        return [fragment[len(fragment) - size :] for fragment in self._driver.reconstruct(fragments, list(wanted))]

    def _made_for(self, size: int) -> list[bytes]:
        """Return the headers of all fragments of `size` bytes."""
        if self._prefixes[0] != size:
            fragments = self._driver.encode(bytes(size * self._data))
            self._prefixes = size, [fragment[: len(fragment) - size] for fragment in fragments]
        return self._prefixes[1]
