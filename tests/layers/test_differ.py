"""Layer patches as a whole: sources by content, nothing twice, the same on any number of threads, nothing left open."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.blobs.scratch import scratch_files
from airpatch.errors import BaseMismatch, FormatError, IntegrityError, TargetError
from airpatch.execution import Execution
from airpatch.layers import gzip_ways
from airpatch.layers.differ import MIN_BLOB, Differ
from airpatch.layers.recipe import Replay, Replica
from airpatch.model.digest import Digest
from tests.delta.support import noise, tar
from tests.layers.support import (
    ENCODERS,
    Blobs,
    by_digest,
    carry_out,
    changed,
    deflated,
    descriptors,
    diff,
    layer,
    left_open,
    methods,
    replica,
    rows,
    text,
    zstd,
)
from tests.support import Recorder, execution

SIZE = 9000
GO = replica("go1-flate-6")
SAMPLES = sorted((Path(__file__).parents[2] / "fixtures/encoders").glob("*.gz"))


def sources_of(new: list[bytes], old: list[bytes]) -> list[set[bytes]]:
    """For each new blob that gets a patch those that it is made from."""
    names = by_digest(*new, *old)
    return [{names[source] for source in step.sources} for step in diff(new, old).steps]


@pytest.mark.parametrize("name", ENCODERS)
def test_every_shape_of_file_comes_back_out_of_its_older_version(name: str) -> None:
    old, new = (ENCODERS[name](uncompressed) for uncompressed in (layer(1, size=SIZE), changed(layer(1, size=SIZE))))
    patches = diff([new], [old])
    assert carry_out(patches, by_digest(old)) == by_digest(new)
    assert patches.sizes[0] < len(new) // 3


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_blob_of_every_encoder_comes_back(path: Path) -> None:
    """Its uncompressed data is there under another encoder: what is left is the name, or the decisions."""
    blob, other = path.read_bytes(), SAMPLES[path == SAMPLES[0]].read_bytes()
    patches = diff([blob], [other])
    assert carry_out(patches, by_digest(other)) == by_digest(blob)
    assert patches.sizes[0] < 300 or isinstance(methods(patches)[0], Replay)


# Which sources


def test_sources_are_found_by_content_wherever_they_were() -> None:
    """Layers that were renamed, merged and split: positions and paths tell nothing."""
    first, second, third = (layer(i, i + 100, size=20_000) for i in (1, 2, 3))
    old = [GO(first), GO(second), GO(third)]
    renamed = GO(layer(3, 103, size=20_000, prefix="opt/other/"))
    merged = GO(layer(1, 101, 2, size=20_000, prefix="srv/"))
    split = GO(layer(102, size=20_000))
    found = {target: sources_of([target], old)[0] for target in (renamed, merged, split)}
    assert found == {renamed: {old[2]}, merged: {old[0], old[1]}, split: {old[1]}}


def test_adversary_35_nothing_is_made_from_itself_or_in_a_circle() -> None:
    new = [GO(changed(layer(1, 2, size=SIZE), seed)) for seed in range(1, 5)]
    steps = diff(new).steps
    made: set[Digest] = set()
    stored = {Digest.of(blob) for blob in new} - {step.digest for step in steps}
    for step in steps:
        assert set(step.sources) <= made | stored
        made.add(step.digest)
    assert [bool(step.sources) for step in steps] == [False, True, True, True]


def test_a_tar_under_two_encoders_travels_once() -> None:
    uncompressed = layer(1, 2, size=SIZE)
    first, second = GO(uncompressed), replica("zlib-9")(uncompressed)
    patches = diff([first, second])
    assert carry_out(patches, by_digest(first, second)) == {
        step.digest: by_digest(first, second)[step.digest] for step in patches.steps
    }
    assert sum(patches.sizes[1:]) < 300
    assert sum(patches.sizes) < len(first) + 300


@pytest.mark.parametrize(("least", "like"), [(1, (1,)), (1 << 20, ())])
def test_decisions_come_from_a_source_that_serves_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, least: int, like: tuple[int, ...]
) -> None:
    """A layer comes anew under two encoders: one is made from the other, and decides as its older version did."""
    monkeypatch.setattr(gzip_ways, "_FURTHER", least)
    was, now = (tar({"a": text(300_000, 1), "b": text(SIZE, seed)}) for seed in (2, 3))
    old, new = GO(was), [replica("zlib-9")(now), GO(now)]
    patches = diff(new, [old])
    sources = (Digest.of(new[0]), Digest.of(old))[: 1 + len(like)]
    assert [step.sources for step in patches.steps] == [(Digest.of(old),), sources]
    method = methods(patches)[1]
    assert isinstance(method, Replica)
    assert method.like == like
    assert carry_out(patches, by_digest(old)) == by_digest(*new)


def test_a_blob_is_patched_against_one_that_is_patched_itself() -> None:
    files = {"a": text(SIZE, 1), "b": text(SIZE, 2)}
    old, later = GO(tar(files)), files | {"b": text(SIZE, 3)}
    new = [GO(tar(later)), GO(tar(later | {"c": b"more"}))]
    patches = diff(new, [old])
    assert [step.sources for step in patches.steps] == [(Digest.of(old),), (Digest.of(new[0]),)]
    assert carry_out(patches, by_digest(old)) == by_digest(*new)


def test_zstd_and_others_are_made_of_each_other() -> None:
    uncompressed = layer(1, 2, size=SIZE)
    patches = diff([zstd(changed(uncompressed))], [uncompressed])
    assert carry_out(patches, by_digest(uncompressed)) == by_digest(zstd(changed(uncompressed)))
    old = zstd(uncompressed)
    new = GO(changed(uncompressed))
    patches = diff([new], [old])
    assert patches.steps[0].sources == (Digest.of(old),)
    assert carry_out(patches, by_digest(old)) == by_digest(new)
    # Zstd comes first: it takes the more decisions.
    assert sources_of([new, zstd(uncompressed)], []) == [set(), {zstd(uncompressed)}]


def test_small_blobs_and_those_without_a_likeness_travel_whole() -> None:
    assert len(GO(b"small")) < MIN_BLOB
    assert diff([GO(b"small")], [GO(b"small!")]).steps == []
    assert diff([noise(SIZE, 5)], [GO(layer(1, size=SIZE))]).steps == []
    assert diff([]).steps == []


@pytest.mark.parametrize("damage", ["cut", "wrong"])
def test_blobs_that_do_not_decompress_are_neither_made_nor_used(damage: str) -> None:
    old, new = GO(layer(1, 2, size=SIZE)), GO(changed(layer(1, 2, size=SIZE)))

    def spoil(blob: bytes) -> bytes:
        return blob[:-20] if damage == "cut" else blob[:-8] + bytes(8)

    assert diff([spoil(new)], [old]).steps == []
    assert all(not step.sources for step in diff([new], [spoil(old)]).steps)


def test_a_patch_that_is_not_smaller_is_dropped() -> None:
    """Text that nothing resembles shrinks a little by a better compression; noise does not."""
    assert diff([deflated(0)(noise(SIZE, 1)), noise(SIZE, 2)]).steps == []
    assert [step.patch_size < step.size for step in diff([GO(text(SIZE, 1)), noise(SIZE, 2)]).steps] == [True]


# The same on any machine


@settings(max_examples=5)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4, unique=True), st.sampled_from([2, 8]))
def test_threads_do_not_decide_about_the_bytes(seeds: list[int], jobs: int) -> None:
    old = [GO(layer(seed, size=SIZE)) for seed in (1, 2, 3)]
    new = [(bytes, GO)[seed % 2](changed(layer(seed, size=SIZE), seed)) for seed in seeds]
    one, other = (diff(new, old, jobs=each) for each in (1, jobs))
    assert (one.steps, one.sources, one.contents) == (other.steps, other.sources, other.contents)


def test_progress_adds_up() -> None:
    progress = Recorder()
    new, old = GO(changed(layer(1, size=SIZE))), GO(layer(1, size=SIZE))
    diff([new], [old], progress=progress)
    assert progress.labels == ["looking at layers", "making layer patches"]
    assert progress.adds_up


# What goes wrong


def test_adversary_28_a_base_that_is_damaged_is_found_out() -> None:
    """The patch would work here and nowhere else."""
    old, new = GO(layer(1, size=SIZE)), GO(changed(layer(1, size=SIZE)))
    content = Blobs(by_digest(new) | {Digest.of(old): GO(layer(2, size=SIZE))[: len(old)].ljust(len(old))})
    with pytest.raises(IntegrityError, match=f"cannot build upon a base that is damaged: content of {Digest.of(old)}"):
        Differ(content, execution(2)).make(rows([new]), rows([old]))


def test_adversary_28_a_new_blob_that_is_damaged_is_left_to_the_writer() -> None:
    old, new = GO(layer(1, size=SIZE)), GO(changed(layer(1, size=SIZE)))
    content = Blobs(by_digest(old) | {Digest.of(new): GO(changed(layer(1, size=SIZE), 3))[: len(new)].ljust(len(new))})
    made = Differ(content, execution(2)).make(rows([new]), rows([old]))
    made.close()
    assert made.steps == []


class Failing(Blobs):
    """Blobs that can be opened `left` times."""

    left = 0

    def open(self, digest: Digest, size: int) -> BytesBlob:
        self.left -= 1
        if self.left < 0:
            raise TargetError("base: cannot be read: Input/output error")
        return super().open(digest, size)


@pytest.mark.parametrize("count", [0, 5, 15, 25, 35])
def test_adversary_47_an_error_ends_it_and_leaves_nothing_open(count: int) -> None:
    before = descriptors()
    old = [GO(layer(seed, size=SIZE)) for seed in range(8)]
    new = [GO(changed(layer(seed, size=SIZE))) for seed in range(8)]
    content = Failing(by_digest(*old, *new))
    content.left = count
    with pytest.raises(TargetError, match="Input/output"):
        Differ(content, execution(3)).make(rows(new), rows(old))
    assert left_open(before) == 0


def test_adversary_50_no_folder_for_scratch_files(tmp_path: Path) -> None:
    blob = GO(layer(1, size=SIZE))
    with pytest.raises(TargetError, match="nowhere"):
        Differ(Blobs(by_digest(blob)), Execution(scratch=scratch_files(tmp_path / "nowhere"))).make(rows([blob]), [])


@pytest.mark.slow
def test_nothing_is_left_open_and_layers_take_no_descriptors() -> None:
    """Hundreds of layers, as many files as the strictest usual limit allows, and far fewer taken."""
    before, most = descriptors(), 0
    encoders = [GO, *[bytes] * 24]
    old = [encoders[seed % 25](layer(seed, size=SIZE)) for seed in range(300)]
    new = [encoders[seed % 25](changed(layer(seed, size=SIZE))) for seed in range(300)]

    def count() -> None:
        nonlocal most
        most = max(most, descriptors())

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limits[1]), limits[1]))
    try:
        patches = diff(new, old, jobs=2, progress=Recorder(count))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(patches.steps) == len(new)
    assert most - before < 100
    assert left_open(before) == 0
    assert carry_out(patches, by_digest(*old)) == by_digest(*new)
    assert left_open(before) == 0


def test_adversary_29_a_patch_does_not_fit_what_it_was_not_made_for() -> None:
    old, new = GO(layer(1, size=SIZE)), GO(changed(layer(1, size=SIZE)))
    patches = diff([new], [old])
    assert isinstance(methods(patches)[0], (Replica, Replay))
    with pytest.raises(BaseMismatch, match="is not there"):
        carry_out(patches, {})
    with pytest.raises((BaseMismatch, FormatError)):
        carry_out(patches, {Digest.of(old): new})


# Kinds of products: what two releases of them have in common is found


def cost(new: list[bytes], old: list[bytes]) -> int:
    """Bytes of all patches, and of the blobs that have none."""
    patches = diff(new, old)
    assert carry_out(patches, by_digest(*old)).items() <= by_digest(*new).items()
    return sum(patches.sizes) + sum(
        len(blob) for blob in new if Digest.of(blob) not in {s.digest for s in patches.steps}
    )


def service(seed: int, build: int) -> bytes:
    """A program of which a release changes some bytes."""
    content = noise(60_000, seed)
    return (
        content[:20_000]
        + b"build %d" % build
        + content[20_010:40_000]
        + noise(50, build * 100 + seed)
        + content[40_000:]
    )


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_services_of_one_path_cost_what_they_cost_alone(turn: int) -> None:
    """In any order: 2 % more and 300 bytes each at most."""
    old = [GO(tar({"server": service(seed, 1)})) for seed in range(1, 6)]
    new = [GO(tar({"server": service(seed, 2)})) for seed in range(1, 6)]
    alone = sum(cost([new[i]], [old[i]]) for i in range(5))
    together = cost(new[turn:] + new[:turn], old[::-1][turn:] + old[::-1][:turn])
    assert together <= 1.02 * alone + 5 * 300


def test_two_architectures_cost_what_they_cost_alone() -> None:
    """Of a service, on a base that both have."""

    def arch(seed: int, build: int) -> bytes:
        shared = {f"usr/share/{n}": text(8000, n) for n in range(5)}
        return GO(tar({**shared, "usr/bin/app": service(seed, build), f"lib/ld-{build}.so": service(seed + 50, build)}))

    old, new = [arch(1, 1), arch(2, 1)], [arch(1, 2), arch(2, 2)]
    alone = sum(cost([new[i]], [old[i]]) for i in range(2))
    assert cost(new, old) <= 1.02 * alone + 600
    assert cost(new[::-1], old[::-1]) <= 1.02 * alone + 600


def test_sites_whose_names_have_hashes_cost_what_they_cost_alone() -> None:
    """The same index.html, the more valuable the smaller the other site, leads to neither."""

    def site(seed: int, build: int, size: int) -> bytes:
        script, style = (
            noise(size, seed) + b"v%d" % build + noise(size, seed + 20),
            noise(size, seed + 40) + b"%d" % build,
        )
        page = b"<!doctype html><title>all sites have this</title>" + bytes(400)
        name = f"{Digest.of(script)}"[7:15]
        return GO(
            tar({"html/index.html": page, f"html/index-{name}.js": script, f"html/index-{name[::-1]}.css": style})
        )

    old = [site(1, 1, 40_000), site(2, 1, 5000)]
    new = [site(1, 2, 40_000), site(2, 2, 5000)]
    alone = sum(cost([new[i]], [old[i]]) for i in range(2))
    assert cost(new, old) <= 1.02 * alone + 600


@pytest.mark.parametrize(
    "names",
    [
        ("opt/app/service-build4711.jar", "opt/app/service-build4712.jar"),
        ("app/main.4f2a9c1b.js", "app/main.9b11d0e2.js"),
        ("disk/image-20240101.qcow2", "disk/image-20240102.qcow2"),
        ("old/name", "something/else"),
    ],
)
def test_files_whose_names_change_from_build_to_build(names: tuple[str, str]) -> None:
    old, new = (GO(tar({name: service(7, build)})) for build, name in enumerate(names))
    assert cost([new], [old]) < 600


@pytest.mark.parametrize(
    "start", [b"\0asm\1\0\0\0", b"hsqs", b"GGUF\3\0\0\0", b'{"model":'], ids=["wasm", "squashfs", "model", "JSON"]
)
def test_blobs_that_are_no_tar(start: bytes) -> None:
    others = [start + service(seed, 1) for seed in (8, 9)]
    old, new = (start + service(7, build) for build in (1, 2))
    assert cost([new], [*others, old]) < 600
    small = [part[:5000] + part[19_990:20_010] for part in (old, new)]
    assert cost([small[1]], [other[:5000] for other in others] + [small[0]]) < 300


def test_where_sketches_do_not_tell_the_difference_does() -> None:
    """Three builds of one service, of which the last but one is nearest in bytes that no sample covers."""
    content = noise(60_000, 3)
    builds = [
        content[:30_000] + noise(2000, 7)[:size] + noise(2000, 8)[size:] + content[32_000:] for size in (0, 1500, 500)
    ]
    target = content[:30_000] + noise(2000, 7) + content[32_000:]
    assert sources_of([GO(tar({"server": target}))], [GO(tar({"server": each})) for each in builds])[0] >= {
        GO(tar({"server": builds[1]}))
    }
