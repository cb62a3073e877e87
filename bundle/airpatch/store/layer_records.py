"""What a store knows of layers: small documents under a key that says what they follow from, each created once.

A record says of which layers it is and which blobs it needs, so that pruning can do without the rest of it
(spec/STORE.md, Records).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.format import canonical, magics
from airpatch.format.fields import bytes_, fields, integer, list_, rows
from airpatch.format.sealed import PREFIX, seal, sealed_size, unseal
from airpatch.model.digest import Digest, is_hex
from airpatch.model.manifest import MAX_BLOB
from airpatch.store.objects import Objects

RECORDS = "records"
"""The folder of records, with one for each kind."""
MOST = 256 << 20
"""Bytes of a record: a sketch of a very large layer."""
_HEAD = 64 << 10
"""Bytes of a head: some hundred digests."""


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A `value` of msgpack's types that follows from the layers `of`, and the `blobs` that it refers to, with sizes."""

    of: tuple[Digest, ...]
    value: object
    blobs: tuple[tuple[Digest, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What the beginning of a record says."""

    of: tuple[Digest, ...]
    blobs: tuple[tuple[Digest, int], ...]
    value_size: int
    value_hash: bytes
    size: int
    """Bytes of the head."""


class LayerRecords:
    """The records among `objects`, by kind and key. For use by many threads. Raises TargetError as `Objects` does."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get(self, kind: str, key: Digest) -> LayerRecord | None:
        """Return a record; None if there is none, or if it is damaged, since it can be made again."""
        content = self._objects.get(record_name(kind, key), MOST)
        if content is None:
            return None
        try:
            return parse_record(content)
        except FormatError:
            return None

    def publish(
        self, kind: str, key: Digest, record: LayerRecord, is_sound: Callable[[LayerRecord], bool] = lambda _: True
    ) -> LayerRecord:
        """Make a record unless it is there; return the one that is there now.

        One that is damaged, or that `is_sound` does not hold for, is replaced.
        """
        content, name = emit_record(record), record_name(kind, key)
        if self._objects.create(name, content):
            return record
        known = self.get(kind, key)
        if known is None or not is_sound(known):
            self._objects.put(name, content)
            return record
        return known

    def keys(self, kind: str) -> set[Digest]:
        """Return the keys of all records of a kind. What else lies there is ignored."""
        names = (each.name.rpartition("/")[2] for each in self._objects.list(f"{RECORDS}/{kind}"))
        return {Digest.from_hex(name) for name in names if is_hex(name)}

    def heads(self) -> Iterator[tuple[str, RecordHead | None]]:
        """Yield the name of each record and its head, None if it is damaged."""
        for each in self._objects.list(RECORDS):
            try:
                start = self._objects.range(each.name, 0, min(_HEAD, each.size)) if each.size else b""
                head = parse_head(bytes(start))
            except FormatError:
                yield each.name, None
            else:
                yield each.name, head


def record_name(kind: str, key: Digest) -> str:
    """Return the name of the object of a record."""
    return f"{RECORDS}/{kind}/{key.hex}"


def emit_record(record: LayerRecord) -> bytes:
    """Return the bytes of a record: its head, and its value."""
    value = canonical.pack(record.value)
    head = {
        "of": [digest.raw for digest in record.of],
        "blobs": [[digest.raw, size] for digest, size in record.blobs],
        "size": len(value),
        "sha256": hashlib.sha256(value).digest(),
    }
    return seal(magics.RECORD, head) + value


def parse_record(content: bytes) -> LayerRecord:
    """Return a record. Raises FormatError if it is damaged."""
    head = parse_head(content)
    value = content[head.size :]
    if len(value) != head.value_size or hashlib.sha256(value).digest() != head.value_hash:
        raise FormatError("a record that is damaged")
    return LayerRecord(head.of, canonical.unpack(value, "a record"), head.blobs)


def parse_head(content: bytes) -> RecordHead:
    """Return the head at the beginning of `content`. Raises FormatError if it is damaged."""
    size = sealed_size(content[:PREFIX], magics.RECORD, _HEAD, "a record of a store")
    plain = unseal(content[:size], "a record")
    of, blobs, value_size, value_hash = fields(plain, ("of", "blobs", "size", "sha256"), "the head of a record")
    return RecordHead(
        tuple(Digest(bytes_(each)) for each in list_(of)),
        tuple((Digest(bytes_(digest)), integer(each, MAX_BLOB)) for digest, each in rows(blobs, 2)),
        integer(value_size, MOST),
        bytes_(value_hash),
        size,
    )
