"""How much of a bundle is under way at a time between the threads that read, pack, unpack and write it."""

from __future__ import annotations

import os

from airpatch.format import layout

WINDOW = layout.FRAME * min((os.cpu_count() or 1) + 1, 8)
"""Bytes of content: enough that the pool is busy across the ends of blobs, few enough for the caches."""
