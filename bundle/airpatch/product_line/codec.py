"""The version of everything that decides about the bytes of a layer patch."""

from __future__ import annotations

from airpatch.layers.versions import VERSIONS

DIFFER = 21
"""To be raised with every change of airpatch, within a version, by which layer patches get other bytes."""
CODEC = f"{VERSIONS[-1]}.{DIFFER}"
