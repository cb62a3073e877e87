"""Layer patches in a store: the patch is a blob, and a record under what it was made of says how it is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.fields import integer, rows, text
from airpatch.format.index import Feature, Step
from airpatch.model.digest import Digest
from airpatch.model.manifest import MAX_BLOB
from airpatch.product_line.codec import CODEC
from airpatch.product_line.source_questions import PatchSettings, SourceQuestion
from airpatch.store.layer_records import LayerRecord, LayerRecords
from airpatch.store.release_store import ReleaseStore

KIND = "patches"


@dataclass(frozen=True, slots=True)
class StoredPatch:
    """A layer patch: its `step`, None where none is smaller than the blob, and what it asks of a reader."""

    step: Step | None
    features: frozenset[Feature] = frozenset()

    def record(self, target: Digest, sources: Sequence[Digest]) -> LayerRecord:
        """Return the patch of `target` out of `sources` as a store keeps it."""
        step = self.step
        if step is None:
            return LayerRecord((target, *sources), None)
        features = [[each.name, each.since] for each in sorted(self.features)]
        plain = [step.size, step.uncompressed_size, step.expanded, features]
        return LayerRecord((target, *step.sources), plain, ((step.patch, step.patch_size),))

    @classmethod
    def of(cls, record: LayerRecord) -> StoredPatch:
        """Return the patch in a record. Raises FormatError."""
        match record:
            case LayerRecord(of=_, value=None, blobs=()):
                return cls(None)
            case LayerRecord(
                of=(target, *sources), value=[size, uncompressed, expanded, features], blobs=((patch, patch_size),)
            ):
                own, unpacked, views = (integer(each, MAX_BLOB) for each in (size, uncompressed, expanded))
                step = Step(target, own, unpacked, patch, patch_size, tuple(sources), views)
                return cls(step, frozenset(Feature(text(name), text(since)) for name, since in rows(features, 2)))
        raise FormatError("a record of a layer patch that this airpatch does not read")


def patch_key(settings: PatchSettings, target: Digest, sources: Sequence[Digest]) -> Digest:
    """Return the key of the patch of `target` out of `sources`, in this order (spec/STORE.md, Patches)."""
    listed = [each.raw for each in sources]
    return Digest.of(canonical.pack([KIND, CODEC, *settings.plain, target.raw, listed]))


def stored_patch(
    store: ReleaseStore, settings: PatchSettings, question: SourceQuestion, sources: Sequence[Digest]
) -> StoredPatch | None:
    """Return the patch of the target of `question` out of `sources`; None if there is none, or its record is not right
    or its blob is not there: it can be made again.
    """
    record = LayerRecords(store.objects).get(KIND, patch_key(settings, question.target, sources))
    patch = None if record is None else patch_in(record, question, sources)
    is_there = patch is not None and (
        patch.step is None or store.content.size(patch.step.patch) == patch.step.patch_size
    )
    return patch if is_there else None


def patch_in(record: LayerRecord, question: SourceQuestion, sources: Sequence[Digest]) -> StoredPatch | None:
    """Return the patch in a record, if it is one of the target of `question` out of `sources`."""
    try:
        patch = StoredPatch.of(record)
    except FormatError:
        return None
    is_right = record.of == (question.target, *sources) and (patch.step is None or patch.step.size == question.size)
    return patch if is_right else None
