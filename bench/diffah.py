"""diffah, which diffs layers as they are compressed, beside airpatch: whole releases, digests intact.

`python -m bench.diffah OLD NEW` takes two trees of `dir:` images, by default the small ones in `fixtures/`, and
github.com/leosocy/diffah from the PATH. Both take the old release and give the new one as `dir:` images. diffah does
not give a multi-arch image as it was, so it gets none, nor does it carry signatures; and it wants an old image for each
new one: that of the same repository, else the first.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from bench.patches import EXAMPLES
from bench.run import Command, airpatch, emptied, measure, scratch


def main() -> None:
    old, new = (Path(argument).resolve() for argument in sys.argv[1:3]) if len(sys.argv) > 2 else EXAMPLES
    with scratch() as place:
        base, patch, root, images = place / "old.tar.zst", place / "patch.tar.zst", place / "root", place / "images"
        measure(airpatch("create", "create", old, "-o", base, "-q"))
        measure(airpatch("apply", "apply", base, "--root", root, "-q"))
        report(airpatch("airpatch diff", "diff", "--base", base, new, "-o", patch, "-q"))
        report(airpatch("airpatch apply", "apply", patch, "--root", root, "--restore", images, "-q"))
        check(patch, new, images, folders(new))
        if shutil.which("diffah") is None:
            print("diffah: not installed")
            return
        emptied(patch, images)()
        images.mkdir()
        pairs, bases, outputs = (place / f"{name}.json" for name in ("pairs", "bases", "outputs"))
        write_lists(old, new, images, pairs, bases, outputs)
        report(Command("diffah bundle", ["diffah", "bundle", "-q", str(pairs), str(patch)]))
        report(Command("diffah unbundle", ["diffah", "unbundle", "-q", *map(str, (patch, bases, outputs))]))
        check(patch, new, images, [folder for folder in folders(new) if single(folder)])


def write_lists(old: Path, new: Path, images: Path, pairs: Path, bases: Path, outputs: Path) -> None:
    """What diffah reads: which images to diff, and where they are when it applies."""
    before = {repository(old, folder): f"dir:{folder}" for folder in folders(old) if single(folder)}
    first = next(iter(before.values()))
    after = {folder: before.get(repository(new, folder), first) for folder in folders(new) if single(folder)}
    names = {folder: f"image{number}" for number, folder in enumerate(after)}
    pairs.write_text(
        json.dumps({"pairs": [{"name": names[f], "baseline": b, "target": f"dir:{f}"} for f, b in after.items()]})
    )
    bases.write_text(json.dumps({"baselines": {names[f]: b for f, b in after.items()}}))
    for folder in after:
        (images / folder.relative_to(new)).parent.mkdir(parents=True, exist_ok=True)
    outputs.write_text(json.dumps({"outputs": {names[f]: f"dir:{images / f.relative_to(new)}" for f in after}}))


def folders(tree: Path) -> list[Path]:
    """The images of a tree."""
    return sorted(manifest.parent for manifest in tree.rglob("manifest.json"))


def single(folder: Path) -> bool:
    """Whether the image is for one platform."""
    return "layers" in json.loads((folder / "manifest.json").read_bytes())


def repository(tree: Path, folder: Path) -> str:
    return str(folder.relative_to(tree)).rpartition(":")[0]


def report(command: Command) -> None:
    run = measure(command)
    print(f"{command.name}: {run.wall:.1f} s, {run.cpu:.1f} s of CPU time, {run.memory:.0f} MiB", flush=True)


def check(patch: Path, new: Path, images: Path, expected: list[Path]) -> None:
    """Print the size, and stop if an image did not come back as it was, signatures apart."""
    for folder in expected:
        for file in folder.iterdir():
            restored = images / file.relative_to(new)
            if not file.name.startswith("signature-") and restored.read_bytes() != file.read_bytes():
                sys.exit(f"{file.relative_to(new)} is another")
    print(f"  {patch.stat().st_size:,} bytes; {len(expected)} images are as they were", flush=True)


if __name__ == "__main__":
    main()
