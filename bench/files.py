"""A folder of scripts and charts with `--files`: what its patch takes, beside `zstd -19 --patch-from` of two tars.

    python -m bench.files [FILES [CHANGED [FOLDERS]]]

The folder has 3,000 files, Python's own modules and as many charts, of which 20 get four other lines and four new ones.
They lie in two folders at the top, each of which is a layer.
"""

from __future__ import annotations

import random
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import airpatch
from bench.run import scratch

_LARGEST = 32 << 10
"""Bytes of a script."""


def main() -> None:
    count, changed, folders = (int(word) for word in (*sys.argv[1:], *("3000", "20", "2")[len(sys.argv) - 1 :]))
    with scratch() as work:
        old, new = work / "old", work / "new"
        texts = dict(_texts(count, folders // 2))
        _write(old, texts)
        rng = random.Random(1)
        for name in rng.sample(sorted(texts), changed):
            texts[name] = _edited(texts[name], rng)
        _write(new, texts)
        for folder in (old, new):
            airpatch.create([], folder.with_suffix(".bundle"), release=folder.name, files=[f"{folder}=shop/deploy"])
            subprocess.run(
                ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf", folder.with_suffix(".tar"), "."],
                cwd=folder, check=True,
            )  # fmt: skip
        subprocess.run(
            ["zstd", "-19", "--long=27", "-q", f"--patch-from={old}.tar", f"{new}.tar", "-o", work / "zstd"], check=True
        )
        patch = work / "patch"
        airpatch.diff(old.with_suffix(".bundle"), [], patch, release="new", files=[f"{new}=shop/deploy"])
        with airpatch.open_bundle(patch) as opened:
            index = opened.index
            manifests = sum(blob.size for blob in index.stored if blob.is_manifest)
            print(f"{count} files, {(old.with_suffix('.tar')).stat().st_size:,} bytes as a tar, {changed} changed")
            peer = (work / "zstd").stat().st_size
            size = patch.stat().st_size
            print(f"  zstd -19 --patch-from {peer:,}; the patch {size:,} bytes, {size / peer:.2f} times that")
            layers = sum(step.patch_size for step in index.steps)
            print(f"  layer patches {layers:,}, manifests {manifests:,} before compression; index and links beside")


def _texts(count: int, folders: int) -> Iterator[tuple[str, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    scripts = [
        path for path in sorted(library.rglob("*.py")) if "site-packages" not in path.parts
        and 0 < path.stat().st_size <= _LARGEST
    ]  # fmt: skip
    for number, path in enumerate(islice(cycle(scripts), count // 2)):
        text = path.read_text("latin-1")
        text = text if number < len(scripts) else text.replace("e", "E", number // len(scripts) * 40)
        yield f"scripts-{number % folders}/{number:04}-{path.name}", text
    for number in range(count - count // 2):
        rng = random.Random(number)
        lines = [f"# chart {number}", "replicaCount: 1", "image:"]
        lines += [f"  repository: registry.example/shop/service-{number}", f'  tag: "{rng.randrange(10_000)}"']
        lines += [f"  setting{rng.randrange(1_000)}: {rng.randrange(1 << 30):x}" for _ in range(rng.randrange(5, 60))]
        yield f"charts-{number % folders}/service-{number}/values.yaml", "\n".join([*lines, ""])


def _edited(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(4):
        at = rng.randrange(len(lines))
        lines[at : at + 1] = [f"{lines[at]} # {rng.randrange(1 << 40):x}", f"added: {rng.randrange(1 << 40):x}"]
    return "\n".join(lines)


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
