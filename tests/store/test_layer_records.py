"""Records are made once, say what they are of, and are made again where they are damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.model.digest import Digest
from airpatch.store.layer_records import (
    LayerRecord,
    LayerRecords,
    emit_record,
    parse_head,
    parse_record,
    record_name,
)
from airpatch.store.release_store import ReleaseStore

KEY = Digest.of(b"key")
digests = st.binary(min_size=32, max_size=32).map(Digest)
values = st.recursive(st.none() | st.integers(0, 2**63) | st.binary() | st.text(), st.lists, max_leaves=5)
records = st.builds(
    LayerRecord,
    st.lists(digests, max_size=3).map(tuple),
    values,
    st.lists(st.tuples(digests, st.integers(0, 2**40)), max_size=3).map(tuple),
)


@given(records)
def test_records_come_back(record: LayerRecord) -> None:
    content = emit_record(record)
    assert parse_record(content) == record
    head = parse_head(content)
    assert (head.of, head.blobs) == (record.of, record.blobs)


@given(records, st.data())
def test_any_wrong_byte_is_found(record: LayerRecord, data: st.DataObject) -> None:
    content = bytearray(emit_record(record))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FormatError):
        parse_record(bytes(content))
    with pytest.raises(FormatError):
        parse_record(bytes(content[:place]))


def test_the_first_one_stays(store: ReleaseStore) -> None:
    known = LayerRecords(store.objects)
    first, second = LayerRecord((KEY,), 1), LayerRecord((KEY,), 2)
    assert known.get("patches", KEY) is None
    assert known.publish("patches", KEY, first) == first
    assert known.publish("patches", KEY, second) == first
    assert known.get("patches", KEY) == first
    assert known.keys("patches") == {KEY}
    store.objects.put("records/layers/notes.txt", b"mine")
    assert known.keys("layers") == set()
    store.objects.delete("records/layers/notes.txt")
    assert [(name, head and head.of) for name, head in known.heads()] == [(record_name("patches", KEY), (KEY,))]


@pytest.mark.parametrize("damaged", [b"", b"torn"])
def test_a_damaged_one_is_replaced(store: ReleaseStore, damaged: bytes) -> None:
    known = LayerRecords(store.objects)
    store.objects.put(record_name("patches", KEY), damaged)
    assert known.get("patches", KEY) is None
    assert [head for _, head in known.heads()] == [None]
    again = LayerRecord((KEY,), 1)
    assert known.publish("patches", KEY, again) == again
    assert known.get("patches", KEY) == again
