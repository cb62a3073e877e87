"""Make a patch between two releases and apply it, by the library: `python examples/patch_by_api.py FOLDER`."""

import sys
from pathlib import Path

import airpatch

images = Path(__file__).parents[1] / "fixtures" / "images"
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
airpatch.create(images / "r1", folder / "r1.tar.zst", release="r1", sequence=1)
patch = airpatch.diff(folder / "r1.tar.zst", images / "r2", folder / "r1-r2.tar.zst", release="r2", sequence=2)
airpatch.apply([folder / "r1.tar.zst", folder / "r1-r2.tar.zst"], folder / "root", restore_to=folder / "images")
print(f"{patch.size} bytes make {patch.index.release.name} of {patch.index.bases[0].name}")
