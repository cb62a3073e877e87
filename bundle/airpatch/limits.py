"""What files from elsewhere may cost in memory and time: all limits that can be raised.

Each is compared with what a file declares, or with what has come so far, before memory is allocated for it. They hold
for the whole process; `raise_limit`, `--limit NAME=VALUE` on the command line, raises one where a product is larger
than any that its default foresees. What the formats themselves bound (frames, windows, segments of deltas, headers)
stands in spec/FORMAT.md, spec/DELTA.md and spec/VIEWS.md, and is the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from airpatch.errors import UsageError


@dataclass(slots=True)
class Limit:
    """`about` says what has at most `value` of `unit`."""

    name: str
    value: int
    unit: str
    about: str

    def __str__(self) -> str:
        return f"{self.value} (--limit {self.name} raises that)"


INDEX = Limit("index", 16 << 20, "bytes", "the index of a bundle, a receipt")
"""10,000 images of their own blobs take less than 3 MiB."""
VALUES = Limit("values", 1 << 20, "values", "an index, inventory, request or JSON document")
"""Numbers, texts, lists and so on, each of which takes some 100 bytes in memory. A million blobs have so many."""
INVENTORY = Limit("inventory", 64 << 20, "bytes", "an inventory or request, decompressed")
"""A million blobs take 41 MiB."""
MANIFEST = Limit("manifest", 4 << 20, "bytes", "a manifest")
"""Registries take no larger one (distribution, `maxManifestBodySize`)."""
MANIFESTS = Limit("manifests", 64 << 20, "bytes", "all manifests of a release, which are held in memory")
"""10,000 images of 6 KiB each."""
LISTING = Limit("listing", 16 << 20, "bytes", "what lists images: index.json, manifest.json, an images list")
"""10,000 images take 4 MiB."""
UNPACKED = Limit("unpacked", 4 << 30, "bytes", "a layer, decompressed, beyond 64 times the size of its blob")
"""Layers of programs become 2 to 6 times as large, those of zeros 1,000 times and more."""
SLOW = Limit("slow", 64 << 20, "bytes", "what a layer patch leaves to slow encoders")
"""Content made by libbrotli at qualities 10 and 11: about six minutes. What zopfli takes longer for counts as more."""
SEARCH = Limit("search", 1000, "steps", "what a layer patch has encoders search for each byte of its layer, and 2^34")
"""Ten times the most that trees of programs take, at the highest levels (bench/hostile.py). A step is some 2 ns."""
RECEIPTS = Limit("receipts", 64 << 20, "bytes", "all receipts of a root, which are held in memory")
"""1,000 releases of 200 images each; they take six times as much memory."""
HISTORY = Limit("history", 64 << 20, "bytes", "the history of a root")
"""An event takes half a KiB."""

LIMITS = {
    limit.name: limit
    for limit in (INDEX, VALUES, INVENTORY, MANIFEST, MANIFESTS, LISTING, UNPACKED, SLOW, SEARCH, RECEIPTS, HISTORY)
}
"""All of them by name."""
_USUAL_RATIO = 64
_ANY_SEARCH = 1 << 34
"""Steps that any layer patch may take: half a minute."""


def raise_limit(name: str, value: int) -> None:
    """Set the limit `name` to `value`. Raises UsageError if there is no such limit, or if it would become smaller."""
    limit = LIMITS.get(name)
    if limit is None:
        raise UsageError(f"no limit is called {name!r:.40}; there are {', '.join(LIMITS)}")
    if value < limit.value:
        raise UsageError(f"the limit {name} is {limit.value} {limit.unit}, and can only be raised")
    limit.value = value


def unpacked(size: int) -> int:
    """Return how many bytes the layer in a blob of `size` bytes may decompress to."""
    return max(UNPACKED.value, _USUAL_RATIO * size)


def search(size: int) -> int:
    """Return how many steps encoders may take for a layer of `size` uncompressed bytes."""
    return _ANY_SEARCH + SEARCH.value * size
