"""`airpatch history`: what was done to a root."""

from __future__ import annotations

from argparse import Namespace

import airpatch
from airpatch import Event, RootHistory
from airpatch_cli.console import Console, Result, table, timestamp


def run(args: Namespace, console: Console) -> Result:
    found = airpatch.history(args.root)
    last = found.history.last_hash
    return Result(
        {
            "root": str(args.root),
            "events": [
                {**_data(event), "hash": str(hash_)}
                for event, hash_ in zip(found.history.events, found.history.hashes, strict=True)
            ],
            "last_hash": None if last is None else str(last),
            "notes": list(found.notes),
        },
        _lines(found),
        notes=found.notes,
    )


def _data(event: Event) -> dict[str, object]:
    release = event.release
    return {
        "time": timestamp(event.time),
        "uid": event.uid,
        "sudo_user": event.sudo_user,
        "action": str(event.action),
        "outcome": str(event.outcome),
        "product": None if release is None else release.product,
        "release": None if release is None else release.name,
        "release_id": None if release is None else str(release.id),
        "bundle": None if event.bundle is None else str(event.bundle),
        "trust": None if event.trust is None else str(event.trust),
        "signers": list(event.signers),
    }


def _lines(found: RootHistory) -> list[str]:
    events = found.history.events
    if not events:
        return [f"{found.root}: nothing has been done here yet"]
    rows = [
        [
            timestamp(event.time),
            f"{event.uid}" if event.sudo_user is None else f"{event.uid} ({event.sudo_user})",
            str(event.action),
            str(event.outcome),
            "-" if event.release is None else event.release.title,
            "-" if event.bundle is None else event.bundle.short,
            "; ".join(event.signers) or "-",
        ]
        for event in events
    ]
    return [
        *table([["TIME", "USER", "ACTION", "OUTCOME", "RELEASE", "BUNDLE", "SIGNED BY"], *rows]),
        f"last hash, to be kept elsewhere: {found.history.last_hash}",
    ]
