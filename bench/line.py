"""All patches of a product line: planned, made by one process, on Dask and by shards that are killed, and compared.

`python -m bench.line [--kills N] GROUP...` takes folders that hold the releases of a product as trees of `dir:` images,
by default `fixtures/images`. Each group becomes four editions, each without every fourth image. All patches to the last
release are made, from the two before it. At the end, the times that were measured are put into a simulation of
200 images, 5 editions, 2 architectures and 5 releases before, on 1 to 256 workers.
"""

from __future__ import annotations

import argparse
import filecmp
import heapq
import json
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airpatch.product_line.line_plan import LinePlan, parse_plan
from airpatch.units import megabytes
from bench.run import PROJECT, measure, scratch, shell

EDITIONS = 4
_LINE = 1.25e9
"""Bytes in a second that a store gives to all workers together: 10 Gbit/s."""
_IMAGES, _PAIRS = 200, 50
"""Images of a release; pairs of releases for each: 5 editions, 2 architectures, 5 releases before."""
_WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="how often a shard is killed (default: 10)")
    parser.add_argument("groups", nargs="*", type=Path, default=[PROJECT / "fixtures" / "images"])
    arguments = parser.parse_args()
    with scratch() as place:
        store, plan = place / "store", place / "plan"
        last = add_editions(arguments.groups, place)
        planned = run("plan, the first time", place, f"plan store --to {last} --last 2 -o plan")
        pairs = planned["pairs"]
        changed = sum(pair["layers"] for pair in pairs)
        print(f"  {len(pairs)} pairs with {changed} changed layers; of {planned['tasks']} layers,")
        print(f"  {planned['missing']} patches at most; forecast: {planned['seconds']} s")
        copies = {name: place / name for name in ("dask", "shards", "killed")}
        for copy in copies.values():
            shutil.copytree(store, copy)
        done = run("work, 2 threads", place, "work store plan --jobs 2")
        made = patches(store)
        of_patches = sum(name.startswith("records/patches/") for name in made)
        print(f"  {done['made']} patches made, {of_patches} in the store, {done['found']} asked for twice")
        again = run("plan again", place, f"plan store --to {last} --last 2 -o again")
        print(f"  {again['missing']} patches missing")
        run("work, Dask, 2 workers", place, "work dask plan --engine dask-local:2")
        run_shards("4 shards at once", copies["shards"], plan, 0)
        run_shards(f"4 shards at once, {arguments.kills} kills", copies["killed"], plan, arguments.kills)
        for name, copy in copies.items():
            print(f"  {name}: {'the same' if patches(copy) == made else 'OTHER'} records and patches")
        compare_with_diff(place, pairs)
        measured(place, "store list store")
        images = {
            each["release_id"]: each["images"] for each in json.loads((place / "document").read_text())["releases"]
        }
        simulate(parse_plan(plan.read_bytes()), sum(images[pair["to_id"]] for pair in pairs), done["cpu"])


def add_editions(groups: Sequence[Path], place: Path) -> str:
    """Add all editions of all releases; return the name of the last release."""
    seconds, count, names = 0.0, 0, [""]
    for group in groups:
        names = sorted(tree.name for tree in group.iterdir() if tree.is_dir())
        for edition in range(EDITIONS):
            for number, name in enumerate(names, start=1):
                tree = (group / name).resolve()
                images = sorted(str(path.parent.relative_to(tree)) for path in tree.rglob("manifest.json"))
                chosen = [image for i, image in enumerate(images) if i % EDITIONS != edition]
                (place / "list").write_text("\n".join(chosen))
                line = (
                    f"store add store {shlex.quote(str(tree))} --images-list list --release {name} --sequence {number}"
                )
                seconds += measured(place, f"{line} --product {group.name}-{edition}")[0]
                count += 1
    print(f"store add, {count} releases: {seconds:.1f} s of CPU time")
    return names[-1]


def measured(place: Path, line: str) -> tuple[float, str]:
    """Return the processor seconds of a command in `place`, and a line that says what it took."""
    command = f"cd {shlex.quote(str(place))}; exec {sys.executable} -P -m airpatch {line} --json -q > document"
    took = measure(shell(line, command))
    return took.cpu, f"{took.wall:.1f} s, {took.cpu:.1f} s of CPU time, {took.memory:.0f} MiB"


def run(name: str, place: Path, line: str) -> dict[str, Any]:
    """Run a command, print what it took, and return its document, with its processor seconds as `cpu`."""
    cpu, took = measured(place, line)
    print(f"{name}: {took}")
    return {**json.loads((place / "document").read_text()), "cpu": cpu}


def run_shards(name: str, store: Path, plan: Path, kills: int) -> None:
    """Run four shards at once, and start those again that are killed, at random moments, so many times."""
    chance = random.Random(1)

    def start(shard: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-P", "-m", "airpatch", "work", store, plan, "--shard", shard, "--jobs", "1", "-q"]
        return subprocess.Popen(words, cwd=store.parent)

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
    """Collect patches, and make the first of each product by diff."""
    seen: set[str] = set()
    total = 0.0
    for pair in pairs:
        ends = f"--from {pair['from_id'][7:]} --to {pair['to_id'][7:]}"
        total += measured(place, f"collect store {ends} -o collected")[0]
        if pair["product"] not in seen:
            seen.add(pair["product"])
            line = f"diff --base 'store#{pair['from_id'][7:]}' 'store#{pair['to_id'][7:]}' -o made"
            seconds = measured(place, line)[0]
            same = filecmp.cmp(place / "collected", place / "made", shallow=False)
            what = f"{pair['product']}, {pair['from']}-{pair['to']}: {'the file' if same else 'NOT the file'} of diff"
            print(f"  {what}, which took {seconds:.1f} s of CPU time")
    print(f"collect, {len(pairs)} patches: {total:.1f} s of CPU time")


def simulate(plan: LinePlan, image_pairs: int, seconds: float) -> None:
    """Print how long many processors would take for a line of many more images like those of `plan`.

    That was for so many pairs of images, and took `seconds` of a processor. Tasks are as large as those that were
    measured, and are taken by whoever is free, the largest first. Each fetches its layer and two sources; all share the
    line of the store.
    """
    measured_work = sum(task.work for task in plan.tasks)
    if not measured_work:
        return
    rate = measured_work / seconds
    chance = random.Random(1)
    count = len(plan.tasks) * _IMAGES * _PAIRS // image_pairs
    tasks = sorted((chance.choice(plan.tasks) for _ in range(count)), key=lambda task: -task.work)
    fetched = [
        task.size + sum({each.digest: each.size for asked in task.questions for each in asked.candidates[:2]}.values())
        for task in tasks
    ]
    print(f"simulation: {_IMAGES * _PAIRS:,} pairs of images, {len(tasks):,} layers to patch,")
    print(f"  {rate / 1e6:.1f} MB of work a second of a processor, {megabytes(sum(fetched))} fetched")
    for workers in _WORKERS:
        ends = [0.0] * workers
        for task in tasks:
            heapq.heapreplace(ends, ends[0] + task.work / rate)
        working, moving = max(ends), sum(fetched) / _LINE
        longest = tasks[0].work / rate
        bound = (
            "the line of the store" if moving > working else "the largest layer" if longest > 0.9 * working else "work"
        )
        hours = max(working, moving) / 3600
        alone = sum(task.work for task in tasks) / rate / workers / 3600
        print(f"  {workers:>4} processors: {hours:8.2f} h, {alone / hours:5.0%} busy, bound by {bound}")


if __name__ == "__main__":
    main()
