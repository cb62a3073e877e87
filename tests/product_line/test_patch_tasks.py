"""A task notices that the store has something else than it makes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airpatch.errors import IntegrityError
from airpatch.layers.budget import Budget
from airpatch.model.digest import Digest
from airpatch.product_line import stored_patches
from airpatch.product_line.patch_tasks import run_task
from airpatch.product_line.planning import plan_line
from airpatch.product_line.release_pairs import choose_pairs
from airpatch.progress import ProgressPart
from airpatch.store.layer_records import LayerRecord, LayerRecords
from airpatch.store.release_store import ReleaseStore
from tests.product_line.conftest import SETTINGS
from tests.support import execution


def test_other_bytes_for_the_same_patch_are_told(line: ReleaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another worker had been quicker, with another result."""
    pairs = choose_pairs(line.releases(), "", ["r3"], last=1)
    (task, *_) = plan_line(line, pairs, SETTINGS, execution()).plan.tasks
    publish = LayerRecords.publish

    def quicker(
        records: LayerRecords, kind: str, key: Digest, record: LayerRecord, is_sound: Callable[[LayerRecord], bool]
    ) -> LayerRecord:
        if kind == stored_patches.KIND:
            publish(records, kind, key, LayerRecord(record.of, None))
        return publish(records, kind, key, record, is_sound)

    monkeypatch.setattr(LayerRecords, "publish", quicker)
    with pytest.raises(IntegrityError, match=f"another layer patch of {task.target}"):
        run_task(line, task, SETTINGS, execution(), Budget(1 << 30), ProgressPart())
