"""Sources are found by content, wherever they lie; where that is equal, by hints."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.layers.resemblance import (
    MAX_SOURCES,
    LayerPlace,
    PickedSource,
    Sketch,
    Sketches,
    SourceCandidates,
    sketch,
)
from tests.delta.support import noise, tar
from tests.layers.support import text

MOST = 1 << 20
NOWHERE = LayerPlace()


def files(*seeds: int, prefix: str = "usr/lib/", size: int = 40_000) -> dict[str, bytes]:
    return {f"{prefix}{seed}.so": noise(size, seed) for seed in seeds}


def of(contents: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> Sketch:
    return sketch([tar(contents, form)], MOST)


def choices(
    target: Sketch,
    sources: Sequence[Sketch],
    places: Sequence[LayerPlace] | None = None,
    may: Callable[[int], bool] = lambda _: True,
    judge: Callable[[Sequence[int]], Sequence[int]] | None = None,
    most: int = MOST,
) -> list[PickedSource]:
    sketches: Sketches[int] = Sketches(most)
    for number, each in enumerate([*sources, target]):
        sketches.put(number, each)
    kept = [sketches[number] for number in range(len(sources) + 1)]
    assert sum(len(each.features) for each in kept) <= most
    catalogue = SourceCandidates(kept, places or [NOWHERE] * len(kept))
    return catalogue.choose(len(sources), may, judge)


def choose(target: Mapping[str, bytes], **sources: Mapping[str, bytes]) -> list[str]:
    found = choices(of(target), [of(source) for source in sources.values()])
    return [list(sources)[choice.number] for choice in found]


def shared(*sketches: Sketch) -> set[int]:
    """The features that all have: not the one that stands for a whole."""
    return set.intersection(*(set(each.features.hashes) for each in sketches))


OLD = files(1, 2, 3, 4)
OTHER = {f"opt/{name}": noise(40_000, seed) for name, seed in (("one", 11), ("two", 12), ("three", 13))}


def test_the_same_layer() -> None:
    assert choose(OLD, other=OTHER, same=OLD) == ["same"]


def test_a_layer_whose_files_have_moved() -> None:
    assert choose(files(1, 2, 3, 4, prefix="app/"), other=OTHER, old=OLD) == ["old"]


def test_a_layer_whose_files_have_changed_in_place() -> None:
    assert choose({path: content + b"!" for path, content in OLD.items()}, other=OTHER, old=OLD) == ["old"]


def test_files_that_have_nothing_in_common_but_their_names() -> None:
    """What changes from build to build does not count."""
    old = {f"usr/lib/libx.so.1.{n}": noise(9000, n) for n in range(1, 4)}
    new = {f"app/lib/libx.so.2.{n}": noise(9000, n + 50) for n in range(1, 4)}
    assert choose(new, other=OTHER, old=old) == ["old"]
    for name in ("app-4711.jar", "main.4f2a9c1b.js", "image-20240102.qcow2", "index-DkG3hQx1.css", "lib-1.2.3.so"):
        renamed = name.translate(str.maketrans("1234", "9876"))
        assert renamed != name
        assert choose({f"b/{renamed}": noise(9000, 1)}, other=OTHER, old={f"a/{name}": noise(9000, 2)}) == ["old"], name


def test_a_merged_layer() -> None:
    assert sorted(choose(OLD | OTHER, first=OLD, second=OTHER, third=files(21, prefix="x/"))) == ["first", "second"]


def test_a_split_layer() -> None:
    assert choose(files(1, 2), old=OLD, other=OTHER) == ["old"]
    assert choose(files(3, 4), old=OLD, other=OTHER) == ["old"]


def test_of_equals_the_smaller_then_the_earlier() -> None:
    assert choose(files(1), large=OLD, small=files(1), again=files(1)) == ["small"]


def test_content_counts_more_than_paths() -> None:
    paths = {path: noise(40_000, 99) for path in OLD}
    assert choose(OLD, paths=paths, bytes=files(1, 2, 3, 4, prefix="elsewhere/"))[0] == "bytes"


def test_paths_break_ties() -> None:
    moved = {path.replace("usr", "opt"): content for path, content in OLD.items()}
    assert choose(OLD, moved=moved, same=OLD) == ["same"]


def test_of_what_has_the_same_files_the_same_bytes_win() -> None:
    """Even where the others lie in the same place."""
    target = tar(OLD)
    rearranged = tar(dict(reversed(OLD.items())))
    found = [sketch([data], MOST) for data in (rearranged, target, target)]
    place = LayerPlace(frozenset({"shop"}), frozenset({"amd64"}), frozenset({0}))
    assert [each.number for each in choices(found[2], found[:2], [place, NOWHERE, place])] == [1]


def test_what_explains_little_is_not_taken() -> None:
    target = OLD | {"etc/small": b"small"}
    assert choose(target, old=OLD, small={"etc/small": b"small"}) == ["old"]


def test_what_is_unpacked_anyway_need_not_explain_much() -> None:
    moved, other = {"etc/moved": noise(5500, 31)}, {"opt/large": noise(8 << 20, 21)}
    found = [of(each) for each in (OLD, other | moved, other | files(7), OLD | moved)]

    def chosen(targets: Sequence[int]) -> list[int]:
        catalogue = SourceCandidates(found, [NOWHERE] * 4, targets)
        return [each.number for each in catalogue.choose(3, lambda _: True)]

    assert chosen([3]) == [0]
    assert chosen([2, 3]) == [0, 1]
    assert chosen([2]) == [0, 1]


def test_a_large_source_that_explains_too_little_hides_no_small_one() -> None:
    first, second = files(5, size=5800), files(6, size=5000)
    large = {"opt/large": noise(6 << 20, 21)}
    assert choose(OLD | first | second, old=OLD, large=first | large, small=second) == ["old", "small"]


def test_nothing_resembles_it() -> None:
    assert choose(OLD, other=OTHER) == []
    assert choose({}, other=OTHER) == []


def test_not_too_many_sources() -> None:
    sources = {f"s{seed}": files(seed) for seed in range(1, 30)}
    assert len(choose(files(*range(1, 30)), **sources)) == MAX_SOURCES


def test_a_part_of_a_large_file_is_found_in_another_large_file() -> None:
    content = noise(1 << 20, 7)
    parts = {"disk.img": noise(1 << 19, 8) + content[300_000:800_000] + noise(1 << 18, 9)}
    assert choose(parts, other={"disk.img": noise(1 << 20, 10)}, old={"model.bin": content})[0] == "old"


@pytest.mark.parametrize("size", [5000, 100_000, 1_000_000])
def test_services_of_one_path_each_find_their_own(size: int) -> None:
    """In any order."""
    services = [noise(size, seed) for seed in range(1, 31)]
    old = [of({"server": content}) for content in services]
    for number in range(30):
        changed = services[number][: size // 2] + b"!" + services[number][size // 2 + 7 :]
        assert [each.number for each in choices(of({"server": changed}), old)] == [number]


def test_a_feature_that_all_have_hides_none_that_few_have() -> None:
    """More layers with the same runtime than are looked at."""
    runtime = files(*range(100, 110))
    old = [of(runtime | {"server": noise(40_000, seed)}) for seed in range(1, 60)]
    for number in (0, 30, 58):
        assert choices(of(runtime | {"server": noise(40_000, number + 1) + b"!"}), old)[0].number == number


def test_places_break_ties_and_lead_to_layers_that_all_resemble() -> None:
    """Sixty layers that samples do not tell apart: the repository counts most, then the platform, then the position."""
    same = of(OLD)
    places = [LayerPlace(frozenset({f"shop/{n}"}), frozenset({"amd64"}), frozenset({n % 3})) for n in range(60)]
    for number in (0, 30, 58):
        assert choices(same, [same] * 60, [*places, places[number]])[0].number == number
    arm = LayerPlace(places[7].repositories, frozenset({"arm64"}), places[7].positions)
    assert choices(same, [same] * 3, [places[7], arm, places[8], arm])[0].number == 1
    third = LayerPlace(places[7].repositories, places[7].platforms, frozenset({9}))
    assert choices(same, [same] * 3, [third, places[7], places[8], places[7]])[0].number == 1
    assert choices(same, [same] * 2, [NOWHERE, places[1], NOWHERE])[0].number == 0


def test_where_a_layer_lies_does_not_count_where_nothing_resembles_it() -> None:
    place = LayerPlace(frozenset({"shop"}), frozenset({"amd64"}), frozenset({0}))
    assert choices(of(OLD), [of(OTHER)], [place, place]) == []


def test_content_counts_more_than_places() -> None:
    place = LayerPlace(frozenset({"shop"}), frozenset({"amd64"}), frozenset({0}))
    half = of(files(1, 2) | files(91, 92))
    assert [each.number for each in choices(of(OLD), [half, of(OLD)], [place, NOWHERE, place])] == [1]


def test_only_what_comes_before_and_may_be_a_source() -> None:
    same = of(OLD)
    assert [each.number for each in choices(same, [same] * 4, may=lambda number: number == 2)] == [2]
    catalogue = SourceCandidates([same] * 3, [NOWHERE] * 3)
    assert catalogue.choose(0, lambda _: True) == []


def test_where_it_is_close_a_sample_of_the_difference_decides() -> None:
    asked: list[Sequence[int]] = []

    def judge(numbers: Sequence[int]) -> Sequence[int]:
        asked.append(numbers)
        return [{2: 50}.get(number, 100) for number in numbers]

    target, alike = of(OLD | files(5)), of(OLD)
    (found,) = choices(target, [alike] * 4, judge=judge)
    assert (found.number, found.rivals) == (2, (0, 1))
    assert asked == [[0, 1, 2]]
    half = of(files(1, 2) | files(91, 92))
    assert [each.number for each in choices(target, [half, alike], judge=judge)] == [1]
    assert len(asked) == 1


def test_a_source_that_has_all_is_compared_with_no_other() -> None:
    def judge(_numbers: Sequence[int]) -> Sequence[int]:
        raise AssertionError

    same = of(OLD)
    assert choices(same, [same] * 4, judge=judge) == [PickedSource(0, same.size)]


@pytest.mark.parametrize("explains_much", [False, True])
def test_further_sources_are_compared_where_they_explain_enough(explains_much: bool) -> None:
    """To compare them, both would be unpacked: megabytes, for a file of some kilobytes that the target lacks."""
    asked: list[Sequence[int]] = []

    def judge(numbers: Sequence[int]) -> Sequence[int]:
        asked.append(numbers)
        return [100 // number for number in numbers]

    lacks = files(5, size=40_000 if explains_much else 8_000)
    large = {"opt/large": noise(6 << 20, 21)}
    found = choices(of(OLD | lacks), [of(OLD), of(lacks | large), of(lacks | large)], judge=judge)
    assert [each.number for each in found] == [0, 2 if explains_much else 1]
    assert asked == [[1, 2]] * explains_much


def test_a_difference_that_is_hardly_smaller_decides_nothing() -> None:
    found = choices(of(OLD | files(5)), [of(OLD)] * 2, judge=lambda numbers: [1000 - number for number in numbers])
    assert [each.number for each in found] == [0]


@pytest.mark.parametrize("most", [4000, 400, 40])
def test_what_does_not_fit_is_sketched_more_coarsely(most: int) -> None:
    contents = [files(*range(100 * n, 100 * n + 40), size=8000) for n in range(1, 6)]
    coarse = [sketch([tar(each)], most) for each in contents]
    assert all(len(each.features) <= most for each in coarse)
    assert all(0.5 < each.features.weight / of(files(*range(40), size=8000)).features.weight < 2 for each in coarse)
    for number, each in enumerate(contents):
        changed = sketch([tar({path: content + b"!" for path, content in each.items()})], most)
        assert choices(changed, coarse, most=most)[0].number == number


def test_sketches_of_any_coarseness_are_compared_alike() -> None:
    """A sketch that was made coarse, and one that a catalogue makes so."""
    coarse, fine = (sketch([tar(OLD)], most) for most in (20, MOST))
    assert coarse == fine.thinned(coarse.halvings)
    assert choices(coarse, [fine])[0].number == choices(fine, [coarse])[0].number == 0
    assert choices(fine, [fine], most=0) == []


def test_the_order_in_which_sketches_are_made_does_not_count() -> None:
    made = [of(files(*range(10 * n, 10 * n + 9))) for n in range(8)]
    orders = [range(8), range(7, -1, -1), (3, 1, 4, 0, 5, 2, 6, 7)]
    kept = []
    for order in orders:
        sketches: Sketches[int] = Sketches(300)
        for number in order:
            sketches.put(number, made[number])
        kept.append([sketches[number] for number in range(8)])
    assert kept[0] == kept[1] == kept[2]
    assert kept[0][0].halvings > 0


def test_the_names_of_all_forms_of_tar() -> None:
    path = "/".join(["folder"] * 30) + "/name"
    found = [of({path: b"content"}, form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    assert len(shared(*found)) == len(found[0].features) - 1 == len(found[1].features) - 1


@pytest.mark.parametrize("size", [4500, 20_000, 300_000])
@pytest.mark.parametrize("kind", [lambda size, seed: noise(size, seed), text], ids=["noise", "text"])
def test_what_is_no_tar_is_sampled_like_any_other(kind: Callable[[int, int], bytes], size: int) -> None:
    data = kind(size, 1)
    changed = data[: size // 3] + b"changed" + data[size // 3 + 100 :]
    others = [sketch([kind(size, seed)], MOST) for seed in (2, 3)]
    found = choices(sketch([changed], MOST), [*others, sketch([data], MOST)])
    assert [each.number for each in found] == [2]
    assert len(sketch([], MOST).features) == 0


def test_what_follows_a_tar_is_sampled_too() -> None:
    """Firmware and self-extracting archives end in something else."""
    tail = noise(200_000, 5)
    found = choices(sketch([tar(OLD) + tail], MOST), [of(OTHER), sketch([tail], MOST)])
    assert [each.number for each in found] == [1]


@pytest.mark.parametrize("size", [1, 511, 512, 1000, 40_960])
def test_it_does_not_matter_in_which_pieces_a_layer_comes(size: int) -> None:
    long = {"/".join(["folder"] * 30) + "/name": b"content", "empty": b""}
    for data in (tar(OLD | long), tar(OLD | long, tarfile.PAX_FORMAT), tar(OLD) + noise(20_000, 5), noise(20_000, 6)):
        parts = [data[start : start + size] for start in range(0, len(data), size)]
        assert sketch(parts, MOST) == sketch([data], MOST)


@given(st.binary(max_size=2000), st.data())
def test_hostile_tars_are_read_to_some_end(junk: bytes, data: st.DataObject) -> None:
    archive = bytearray(tar({"a/" * 60: b"content", "b": b"more"}, data.draw(st.sampled_from([0, 1, 2]))))
    at = data.draw(st.integers(0, len(archive)))
    archive[at : at + len(junk)] = junk
    assert sketch([bytes(archive)], MOST).size == len(archive)


@pytest.mark.parametrize("size", [b"-0010000", b"-7777777", b"0x10", b"1_0", b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_adversary_24_sizes_that_lead_backwards_or_nowhere(size: bytes) -> None:
    archive = bytearray(tar({"a": b"content", "b": b"more"}))
    archive[1024 + 124 : 1024 + 136] = size.ljust(12, b"\0")
    assert sketch([bytes(archive)], MOST).size == len(archive)


@pytest.mark.parametrize("record", [b"9" * 5000 + b" size=1\n", b"5016 size=" + b"9" * 5005 + b"\n"])
def test_adversary_24_numbers_of_thousands_of_digits(record: bytes) -> None:
    header = bytearray(tar({"x": record})[:512])
    header[156:157] = b"x"
    padded = record + bytes(-len(record) % 512)
    found = sketch([bytes(header) + padded + tar({"a": b"content"})], MOST)
    assert len(shared(found, of({"a": b"content"}))) == len(found.features) - 1
