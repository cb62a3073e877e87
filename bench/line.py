"""All patches of a product line: planned, made by one process, on Dask and by shards that are killed, and compared.

`python -m bench.line [--kills N] GROUP...` takes folders that hold the releases of a product as trees of `dir:` images,
by default `fixtures/images`. Each group becomes four editions, each without every fourth image, of two architectures,
whose configs differ: three releases give 24. All patches to the last release are made, from the two before it. Each
task is also run alone, and what it took is put into a simulation of 200 images, 5 editions, 2 architectures and 5
releases before, on 1 to 256 workers.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import heapq
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airpatch.blobs.content import BlobReader
from airpatch.blobs.scratch import with_scratch
from airpatch.execution import Execution
from airpatch.layers.budget import Budget
from airpatch.model.digest import Digest
from airpatch.product_line.line_plan import parse_plan
from airpatch.product_line.patch_tasks import run_task
from airpatch.progress import ProgressPart
from airpatch.store.release_store import ReleaseStore, StoreContent
from airpatch.store.store_address import parse_store_address
from airpatch.units import megabytes
from bench.run import PROJECT, Run, measure, scratch, shell

EDITIONS = 4
ARCHITECTURES = ("amd64", "arm64")
_LINE = 1.25e9
"""Bytes in a second that a store gives to all workers together: 10 Gbit/s."""
_IMAGES, _BASES, _PRODUCTS = 200, 5, 10
"""Images of a release; releases that sites may have; products, which are 5 editions for 2 architectures."""
_WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SCALES = 0.8
"""Share of their time that workers must work, or they are too many."""


@dataclass(frozen=True, slots=True)
class TimedTask:
    """What a task took: processor time in `seconds`, bytes of the `target`, and all bytes that it `fetched`."""

    seconds: float
    target: int
    fetched: int
    patches: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="how often a shard is killed (default: 10)")
    parser.add_argument("groups", nargs="*", type=Path, default=[PROJECT / "fixtures" / "images"])
    arguments = parser.parse_args()
    with scratch() as place:
        store, plan = place / "store", place / "plan"
        last, images = add_editions(arguments.groups, place)
        planned, _ = run("plan, the first time", place, f"plan store --to {last} --last 2 -o plan")
        pairs = planned["pairs"]
        changed = sum(pair["layers"] for pair in pairs)
        print(f"  {len(pairs)} pairs with {changed} changed layers; of {planned['tasks']} layers,")
        print(f"  {planned['missing']} patches at most; forecast: {planned['seconds']} s")
        copies = {name: place / name for name in ("dask-2", "dask-4", "shards", "killed", "alone")}
        for copy in copies.values():
            shutil.copytree(store, copy, copy_function=os.link)  # objects are replaced, never written to
        done, alone = run("work, 2 threads", place, "work store plan --jobs 2")
        made = patches(store)
        of_patches = sum(name.startswith("records/patches/") for name in made)
        print(f"  {done['made']} patches made, {of_patches} in the store, {done['found']} asked for twice")
        again, _ = run("plan again", place, f"plan store --to {last} --last 2 -o again")
        print(f"  {again['missing']} patches missing, {again['missing'] / max(planned['missing'], 1):.1%}")
        for workers in (2, 4):
            _, took = run(
                f"work, Dask, {workers} workers", place, f"work dask-{workers} plan --engine dask-local:{workers}"
            )
            print(
                f"  2 threads took {alone.wall / took.wall:.0%} of its time, {alone.cpu / took.cpu:.0%} of its CPU time"
            )
        run_shards("4 shards at once", copies["shards"], plan, 0)
        run_shards(f"4 shards at once, {arguments.kills} kills", copies["killed"], plan, arguments.kills)
        timed = timed_tasks(copies["alone"], plan)
        for name, copy in copies.items():
            print(f"  {name}: {'the same' if patches(copy) == made else 'OTHER'} records and patches")
        compare_with_diff(place, pairs)
        simulate(timed, images)


def add_editions(groups: Sequence[Path], place: Path) -> tuple[str, int]:
    """Add all editions of all releases; return the name of the last release, and how many images it has."""
    seconds, count, last, images = 0.0, 0, "", 0
    for group in groups:
        names = sorted(tree.name for tree in group.iterdir() if tree.is_dir() and not tree.name.startswith("."))
        for architecture in ARCHITECTURES:
            for number, last in enumerate(names, start=1):
                tree = place / f"{group.name}-{architecture}-{last}"
                shutil.copytree((group / last).resolve(), tree)
                found = sorted(path.parent for path in tree.rglob("manifest.json"))
                for image in found:
                    set_architecture(image, architecture)
                for edition in range(EDITIONS):
                    chosen = [str(image.relative_to(tree)) for i, image in enumerate(found) if i % EDITIONS != edition]
                    (place / "list").write_text("\n".join(chosen))
                    line = f"store add store {shlex.quote(str(tree))} --images-list list --release {last}"
                    product = f"{group.name}-{edition}-{architecture}"
                    seconds += measured(place, f"{line} --sequence {number} --product {product}").cpu
                    count += 1
                shutil.rmtree(tree)
        images += len(found)
    print(f"store add, {count} releases: {seconds:.1f} s of CPU time")
    return last, images


def set_architecture(image: Path, architecture: str) -> None:
    """Give the `dir:` image a config for `architecture`, unless it is an index."""
    manifest = json.loads((image / "manifest.json").read_text())
    if "config" not in manifest:
        return
    old = image / manifest["config"]["digest"].removeprefix("sha256:")
    config = json.dumps({**json.loads(old.read_text()), "architecture": architecture}).encode()
    name = hashlib.sha256(config).hexdigest()
    old.unlink()
    (image / name).write_bytes(config)
    manifest["config"].update(digest=f"sha256:{name}", size=len(config))
    (image / "manifest.json").write_text(json.dumps(manifest))
    for signature in image.glob("signature-*"):  # of the manifest that was there
        signature.unlink()


def measured(place: Path, line: str) -> Run:
    """Run a command in `place`, where its document goes, and return what it took."""
    return measure(
        shell(line, f"cd {shlex.quote(str(place))}; exec {sys.executable} -P -m airpatch {line} --json -q > document")
    )


def run(name: str, place: Path, line: str) -> tuple[dict[str, Any], Run]:
    """Run a command, print what it took, and return its document and that."""
    took = measured(place, line)
    print(f"{name}: {took.wall:.1f} s, {took.cpu:.1f} s of CPU time, {took.memory:.0f} MiB")
    return json.loads((place / "document").read_text()), took


def run_shards(name: str, store: Path, plan: Path, kills: int) -> None:
    """Run four shards at once, and start those again that are killed, at random moments, so many times."""
    chance = random.Random(1)

    def start(shard: str) -> subprocess.Popen[bytes]:
        words = ["work", str(store), str(plan), "--shard", shard, "--jobs", "1", "-q"]
        return subprocess.Popen([sys.executable, "-P", "-m", "airpatch", *words], cwd=store.parent)

    began, killed = time.monotonic(), 0
    running = {shard: start(shard) for shard in ("1/4", "2/4", "3/4", "4/4")}
    while running:
        time.sleep(chance.uniform(0, 0.5))
        for shard, process in list(running.items()):
            code = process.poll()
            if code == 0 and killed >= kills:
                del running[shard]
            elif code is not None:
                running[shard] = start(shard)
            elif killed < kills and chance.random() < 0.5:
                process.kill()
                killed += 1
    print(f"{name}: {time.monotonic() - began:.1f} s")


def patches(store: Path) -> dict[str, bytes]:
    """Return what a store has of choices and patches, and the patches themselves."""
    found = [*store.glob("records/[cp]*/*"), *store.glob("blobs/sha256/*/*")]
    return {str(path.relative_to(store)): path.read_bytes() for path in found if "#" not in path.name}


def compare_with_diff(place: Path, pairs: Sequence[dict[str, Any]]) -> None:
    """Collect all patches, and make the first and the last by diff."""
    total = 0.0
    for pair in pairs:
        base, target = pair["from_id"][7:], pair["to_id"][7:]
        total += measured(place, f"collect store --from {base} --to {target} -o collected").cpu
        if pair in (pairs[0], pairs[-1]):
            took = measured(place, f"diff --base 'store#{base}' 'store#{target}' -o made")
            same = filecmp.cmp(place / "collected", place / "made", shallow=False)
            what = f"{pair['product']}, {pair['from']}-{pair['to']}: {'the file' if same else 'NOT the file'} of diff"
            print(f"  {what}, which took {took.cpu:.1f} s of CPU time")
    print(f"collect, {len(pairs)} patches: {total:.1f} s of CPU time")


class CountedContent(StoreContent):
    """The blobs of a store, whose bytes are counted as they are opened: tasks read each to its end."""

    opened = 0

    def open(self, digest: Digest, size: int) -> BlobReader:
        self.opened += size
        return super().open(digest, size)


def timed_tasks(folder: Path, plan_file: Path) -> list[TimedTask]:
    """Run all tasks in turn, and return what each took."""
    store, plan = ReleaseStore(parse_store_address(str(folder))), parse_plan(plan_file.read_bytes())
    content = store.content = CountedContent(store.objects)
    execution = with_scratch(Execution(jobs=1, memory=plan.settings.memory), folder.parent)
    timed: list[TimedTask] = []
    made: list[Digest] = []
    for task in plan.tasks:
        began, before = time.process_time(), content.opened
        done = run_task(store, task, plan.settings, execution, Budget(execution.memory), ProgressPart())
        made += done.made
        taken = time.process_time() - began
        timed.append(TimedTask(taken, task.size, content.opened - before, len(task.questions)))
    total, largest = sum(each.seconds for each in timed), max((each.seconds for each in timed), default=0)
    print(f"tasks, one after the other: {total:.1f} s of CPU time, the longest {largest:.1f} s,")
    print(
        f"  {megabytes(sum(each.fetched for each in timed))} fetched, {len(made)} patches, {len(set(made))} different"
    )
    return timed


def simulate(timed: Sequence[TimedTask], images: int) -> None:
    """Print how long workers would take for a line of many more images like the `images` of the release of `timed`.

    Editions share their layers, architectures do not. Each task is as one that was measured, with as many patches for
    each base; whoever is free takes the next one, the largest first, fetches its layers, in turn with others over the
    line of the store, and works.
    """
    if not timed:
        return
    chance = random.Random(1)
    count, more = len(timed) * _IMAGES * len(ARCHITECTURES) // images, _BASES / 2
    drawn = [chance.choice(timed) for _ in range(count)]
    tasks = sorted(
        ((each.seconds * more, each.target + (each.fetched - each.target) * more) for each in drawn), reverse=True
    )
    work, moved = sum(seconds for seconds, _ in tasks), sum(size for _, size in tasks)
    print(f"simulation: {_IMAGES * _BASES * _PRODUCTS:,} pairs of images, {count:,} layers to patch,")
    print(f"  {work / 3600:.1f} h of work, {moved / 1e9:.0f} GB fetched, the longest task {tasks[0][0] / 60:.1f} min")
    for workers in _WORKERS:
        ends, line = [0.0] * workers, 0.0
        waited = 0.0
        for seconds, size in tasks:
            free = ends[0]
            line = max(line, free) + size / _LINE
            waited += line - free - size / _LINE
            heapq.heapreplace(ends, line + seconds)
        makespan = max(ends)
        busy = work / workers / makespan
        idle = sum(makespan - end for end in ends) / workers / makespan
        fetching = moved / _LINE / workers / makespan
        print(
            f"  {workers:>4} workers: {makespan / 60:8.1f} min, {busy:4.0%} working, {fetching:4.0%} fetching, "
            f"{max(waited, 0) / workers / makespan:4.0%} waiting for the line, {idle:4.0%} with nothing left to do"
            f"{'' if busy >= _SCALES else ': too many'}"
        )


if __name__ == "__main__":
    main()
