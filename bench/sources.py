"""How sources are chosen: time for thousands of layers, memory for millions of files, speed of sketches; made data.

`python -m bench.sources [LAYERS] [FILES]`, by default 3,000 layers and 2 million files. Times are of the processor.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airpatch.layers.resemblance import MEMORY, LayerPlace, Sketch, Sketcher, Sketches, SourceCandidates
from airpatch.sketches.feature_sets import features
from airpatch.sketches.samples import SPACING, Sampler

MIB = 1 << 20
LAYER = 50 * MIB
"""Bytes of a made layer; four fifths are a runtime that all have."""
FILES = 100_000
"""Files of a layer, of 8 KiB each."""
SIZE = 8 << 10


def main() -> None:
    layers, files = (int(arg) for arg in (*sys.argv[1:3], *("3000", "2000000")[len(sys.argv) - 1 :]))
    sampling()
    many_layers(layers)
    many_files(files)


def sampling() -> None:
    data = random.Random(1).randbytes(128 * MIB)
    with timed("sketches of bytes") as seconds:
        sampler = Sampler()
        sampler.feed(data)
        count = len(sampler.finish())
    print(f"  {128 / seconds():.0f} MiB/s, {8 * count / 128:.0f} bytes for each MiB")


def many_layers(count: int) -> None:
    """Services of one path and one runtime, each in an older version: every one must find its own."""
    numbers = random.Random(2)
    samples = LAYER // SPACING
    runtime = [numbers.getrandbits(64) for _ in range(samples * 4 // 5)]
    own = [[numbers.getrandbits(64) for _ in range(samples // 5)] for _ in range(count)]
    old = [_made([*runtime, *each]) for each in own]
    new = [_made([*runtime, *each[10:], *(numbers.getrandbits(64) for _ in range(10))]) for each in own]
    with timed(f"sources of {count:,} layers, of {MEMORY * len(old[0].features):,} bytes of sketches each") as seconds:
        catalogue = SourceCandidates([*old, *new], [LayerPlace()] * (2 * count))
        chosen = [catalogue.choose(count + number, lambda _: True) for number in range(count)]
    right = sum(choices[0].number == number for number, choices in enumerate(chosen))
    print(f"  {seconds():.1f} s, {right:,} right")


def many_files(count: int) -> None:
    """Layers of small files, of which every second one is a newer version of the one before it."""
    sketches: Sketches[int] = Sketches((1 << 30) // 4 // MEMORY)
    layers = max(count // FILES // 2 * 2, 2)
    noise = random.Random(3).randbytes(64 * MIB)
    with timed(f"sketches of {layers * FILES:,} files") as seconds:
        for layer in range(layers):
            sketcher = Sketcher((1 << 30) // 16 // MEMORY)
            for number in range(FILES):
                start = (layer // 2 * FILES + number) * 6007 % (len(noise) - SIZE)
                changed = b"new" if layer % 2 and not number % 10 else b""
                content = noise[start : start + SIZE // 2] + changed + noise[start + SIZE // 2 : start + SIZE]
                sketcher.part(b"usr/lib/%d/%d/file" % (layer // 2, number), [content])
            sketches.put(layer, sketcher.finish(FILES * SIZE, layer))
    print(f"  {seconds():.1f} s")
    with timed(f"their sources, 1 for each of {layers // 2} layers") as seconds:
        catalogue = SourceCandidates([sketches[layer] for layer in range(layers)], [LayerPlace()] * layers)
        right = sum(catalogue.choose(layer, lambda _: True)[0].number == layer - 1 for layer in range(1, layers, 2))
    print(f"  {seconds():.1f} s, {right} right, sketched {2 ** sketches[0].halvings} times as coarsely")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"  {peak:,} MiB of memory at most, with the data that was made")


def _made(hashes: list[int]) -> Sketch:
    return Sketch(LAYER, features(array("Q", hashes), array("I", [SPACING]) * len(hashes)))


@contextmanager
def timed(label: str) -> Iterator[Callable[[], float]]:
    print(label)
    start = time.process_time()
    ended: list[float] = []
    yield lambda: (ended or [time.process_time()])[0] - start
    ended.append(time.process_time())


if __name__ == "__main__":
    main()
