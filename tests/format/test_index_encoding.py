"""The index: emitting and parsing are inverse, everything else is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch import limits
from airpatch.errors import FormatError
from airpatch.format import canonical
from airpatch.format.index import Base, Disposition, Feature, Index, SourceBlob, Step
from airpatch.format.index_encoding import emit_index, parse_index
from airpatch.format.release_part import release_id, release_to_plain
from airpatch.model.digest import Digest
from airpatch.model.manifest import MANIFEST_TYPES
from airpatch.model.names import ImageName
from airpatch.model.release import MAX_TIME, Blob, Image, ImageSignature, Release
from tests.format.support import DIGESTS
from tests.support import Builder

NAMES = st.builds(ImageName, st.sampled_from(["a", "b", "b/c", "r.x:5000/a"]), st.sampled_from(["r1", "R1", "x"]))
_layer_types = st.sampled_from(["a", "application/x+gzip", "z" * 255])
_data = st.builds(Blob, DIGESTS, st.integers(0, 2**63 - 1), _layer_types)
_manifests = st.builds(Blob, DIGESTS, st.integers(0, 10_000), st.sampled_from(sorted(MANIFEST_TYPES)))
_titles = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())


def _index(
    title: str,
    sequence: int,
    expires: int,
    names: set[ImageName],
    manifests: list[Blob],
    data: list[Blob],
    signatures: list[tuple[Digest, int]],
    bases: dict[Digest, str],
    removed: set[str],
    dispositions: list[Disposition],
) -> Index:
    """An index that holds by itself; its manifests need not exist. Patched blobs have steps without sources."""
    tops = list({blob.digest: blob for blob in manifests}.values())
    taken = {blob.digest for blob in tops}
    others = {blob.digest: blob for blob in data if blob.digest not in taken}
    blobs = (*sorted(others.values(), key=lambda blob: (-blob.size, blob.digest)), *tops)
    sizes = {digest: size for digest, size in signatures if digest not in {*taken, *others}}
    signed = tuple(ImageSignature(tops[0].digest, digest, size) for digest, size in sizes.items())
    images = tuple(Image(name, tops[len(name.repository) % len(tops)].digest, signed) for name in sorted(names))
    release = Release(title, sequence, images, blobs, expires=expires)
    if not bases:
        return Index.full(release)
    ours = [
        disposition if not (blob.is_manifest and disposition is Disposition.PATCHED) else Disposition.STORED
        for blob, disposition in zip(blobs, dispositions, strict=False)
    ]
    steps = (
        Step(b.digest, b.size, 9, Digest.of(b.digest.raw), 7, (), b.size // 2)
        for b, disposition in zip(blobs, ours, strict=True)
        if disposition is Disposition.PATCHED
    )
    asked = (Feature("encoder x", "1.20"), Feature("view y", "0.1.2"))
    gone = removed - {name.repository for name in names}
    states = tuple(Base(*item) for item in sorted(bases.items()))
    return Index(release, tuple(ours), states, tuple(sorted(gone)), (), tuple(steps), asked)


INDEXES = st.builds(
    _index,
    title=_titles,
    sequence=st.integers(0, 2**63 - 1),
    expires=st.integers(0, MAX_TIME),
    names=st.sets(NAMES, min_size=1, max_size=5),
    manifests=st.lists(_manifests, min_size=1, max_size=4),
    data=st.lists(_data, max_size=6),
    signatures=st.lists(st.tuples(DIGESTS, st.integers(0, 4 << 20)), max_size=3),
    bases=st.dictionaries(DIGESTS, _titles, max_size=3),
    removed=st.sets(st.sampled_from(["a", "b", "old", "old/x"]), max_size=3),
    dispositions=st.lists(st.sampled_from(Disposition), min_size=10, max_size=10),
)


@given(INDEXES)
def test_parsing_is_inverse_to_emitting(index: Index) -> None:
    content = emit_index(index)
    parsed = parse_index(content)
    assert parsed == index
    assert emit_index(parsed) == content
    assert parsed.release_id == release_id(index.release)
    made = {step.digest for step in parsed.steps}
    assert {*parsed.stored, *parsed.left_out} == {blob for blob in index.release.blobs if blob.digest not in made}
    assert parsed.has_links == (parsed.is_full and not made)


def test_the_release_id_does_not_depend_on_the_packing(sample: Builder) -> None:
    full = Index.full(sample.release)
    patch = replace(
        full, dispositions=(Disposition.LEFT_OUT,) * len(full.dispositions), bases=(Base(Digest.of(b"base"), "r0"),)
    )
    assert full.is_full
    assert not patch.is_full
    assert emit_index(full) != emit_index(patch)
    assert full.release_id == patch.release_id == Digest.of(canonical.pack(release_to_plain(sample.release)))


@given(INDEXES, st.data())
def test_adversary_38_a_changed_byte_is_refused_or_means_something_else(index: Index, data: st.DataObject) -> None:
    content = bytearray(emit_index(index))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        parsed = parse_index(bytes(content))
    except FormatError:
        return
    assert parsed != index
    assert emit_index(parsed) == content


def test_adversary_37_cut_at_every_byte(sample: Builder) -> None:
    content = emit_index(Index.full(sample.release))
    for length in range(len(content)):
        with pytest.raises(FormatError):
            parse_index(content[:length])


def test_every_bit_of_an_index_flipped(sample: Builder) -> None:
    """Adversary 38: refused, or another index, never the same one."""
    index = Index.full(sample.release)
    content = emit_index(index)
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert parse_index(bytes(flipped)) != index
        except FormatError:
            continue


Document = dict[str, Any]


def document(builder: Builder, *, patch: bool = False) -> Document:
    index = Index.full(builder.release)
    if patch:
        index = replace(index, bases=(Base(Digest(b"\1" * 32), "r0"), Base(Digest(b"\2" * 32), "r00")))
    value = canonical.unpack(emit_index(index), "the index")
    assert isinstance(value, dict)
    return value


def refused(value: object) -> str:
    with pytest.raises(FormatError) as caught:
        parse_index(msgpack.packb(value))
    return str(caught.value)


@pytest.mark.parametrize("path", ["", "release", "packing"])
def test_adversary_11_every_field_must_be_there_in_order(path: str, sample: Builder) -> None:
    for change in ("remove", "add", "reorder"):
        fields = list((document(sample)[path] if path else document(sample)).items())
        for position in range(len(fields)):
            changed = list(fields)
            if change == "remove":
                del changed[position]
            elif change == "add":
                changed.insert(position, ("unknown", 0))
            else:
                changed.append(changed.pop(position))
            if changed == fields:
                continue
            value = document(sample)
            if path:
                value[path] = dict(changed)
            else:
                value = dict(changed)
            assert "must have the fields" in refused(value) or "version" in refused(value)


def _set(*path: Any) -> Callable[[Document], None]:
    """Sets the value at `path` to its last element."""

    def change(value: Any) -> None:
        for step in path[:-2]:
            value = value[step]
        value[path[-2]] = path[-1]

    return change


def _swap(*path: Any) -> Callable[[Document], None]:
    """Swaps the first two elements of the list at `path`."""

    def change(value: Any) -> None:
        for step in path:
            value = value[step]
        value[0], value[1] = value[1], value[0]

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_set("airpatch", 2), id="version 2"),
        pytest.param(_set("airpatch", True), id="version true"),
        pytest.param(_set("airpatch", 1.0), id="version 1.0"),
        pytest.param(_set("release", []), id="release is a list"),
        pytest.param(_set("release", "name", b"r1"), id="name is bytes"),
        pytest.param(_set("release", "name", ""), id="empty name"),
        pytest.param(_set("release", "name", "x" * 256), id="long name"),
        pytest.param(_set("release", "name", "\x1b[2J"), id="control characters in the name"),
        pytest.param(_set("release", "sequence", -1), id="negative sequence"),
        pytest.param(_set("release", "sequence", 2**63), id="sequence over its maximum"),
        pytest.param(_set("release", "sequence", False), id="sequence is a bool"),
        pytest.param(_set("release", "sequence", math.nan), id="sequence is NaN"),
        pytest.param(_set("release", "sequence", None), id="no sequence"),
        pytest.param(_set("release", "expires", -1), id="negative end"),
        pytest.param(_set("release", "expires", MAX_TIME + 1), id="end after the year 9999"),
        pytest.param(_set("release", "expires", False), id="end is a bool"),
        pytest.param(_set("release", "expires", None), id="no end"),
        pytest.param(_set("release", "media_types", {}), id="media types are a map"),
        pytest.param(_set("release", "media_types", 0, ""), id="empty media type"),
        pytest.param(_set("release", "media_types", 0, "x" * 256), id="long media type"),
        pytest.param(_set("release", "media_types", 0, "a\n"), id="control character in a media type"),
        pytest.param(_swap("release", "media_types"), id="media types out of order"),
        pytest.param(lambda d: d["release"]["media_types"].append("z"), id="unused media type"),
        pytest.param(_set("release", "blobs", 0, 0, b"x" * 31), id="short digest"),
        pytest.param(_set("release", "blobs", 0, 0, b""), id="empty digest"),
        pytest.param(_set("release", "blobs", 0, 0, "x" * 32), id="digest is text"),
        pytest.param(_set("release", "blobs", 0, 1, -1), id="negative size"),
        pytest.param(_set("release", "blobs", 0, 1, 2**63), id="size over the limit"),
        pytest.param(_set("release", "blobs", 0, 1, 1500.0), id="size is a float"),
        pytest.param(_set("release", "blobs", 0, 1, True), id="size is a bool"),
        pytest.param(_set("release", "blobs", 0, 2, 99), id="unknown media type"),
        pytest.param(_set("release", "blobs", 0, []), id="empty row"),
        pytest.param(_set("release", "blobs", 0, 7), id="a row is a number"),
        pytest.param(_set("release", "blobs", []), id="no blobs"),
        pytest.param(_swap("release", "blobs"), id="blobs out of order"),
        pytest.param(lambda d: d["release"]["blobs"].insert(0, d["release"]["blobs"].pop()), id="manifest first"),
        pytest.param(lambda d: d["release"]["blobs"].insert(0, d["release"]["blobs"][0]), id="a blob twice"),
        pytest.param(_set("release", "blobs", -1, 1, limits.MANIFEST.value + 1), id="huge manifest"),
        pytest.param(_set("release", "images", []), id="no images"),
        pytest.param(_swap("release", "images"), id="images out of order"),
        pytest.param(lambda d: d["release"]["images"].insert(0, d["release"]["images"][0]), id="an image twice"),
        pytest.param(_set("release", "images", 0, 2, b"x" * 32), id="image without manifest"),
        pytest.param(_set("release", "images", 0, 0, "../proxy"), id="repository climbs"),
        pytest.param(_set("release", "images", 0, 0, "_manifests"), id="repository is a registry's folder"),
        pytest.param(_set("release", "images", 0, 1, ".."), id="tag climbs"),
        pytest.param(_set("release", "images", 0, 1, "a/b"), id="tag with a slash"),
        pytest.param(_swap("release", "images", 1, 3), id="other signatures than the other tag"),
        pytest.param(_set("release", "images", 0, 3, 0, 2, (4 << 20) + 1), id="huge signature"),
        pytest.param(_set("packing", "plans", b""), id="no plans"),
        pytest.param(_set("packing", "plans", b"\0" * 1000), id="too many plans"),
        pytest.param(_set("packing", "plans", b"\3" * 14), id="unknown plan"),
        pytest.param(_set("packing", "plans", [0] * 14), id="plans are a list"),
        pytest.param(_set("packing", "removed", ["a"]), id="removed without a base"),
    ],
)
def test_what_is_refused(change: Callable[[Document], None], sample: Builder) -> None:
    """Adversaries 14, 15, 16, 17, 34, 42."""
    value = document(sample)
    change(value)
    refused(value)


def test_signatures_of_an_image_are_in_the_order_of_what_they_sign(sample: Builder) -> None:
    value = document(sample)
    image = value["release"]["images"][0]
    image[3] = sorted([*image[3], [image[2], b"\1" * 32, 9]])
    assert len(parse_index(msgpack.packb(value)).release.images[0].signatures) == 2
    image[3].reverse()
    assert "out of order" in refused(value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_swap("packing", "bases"), id="bases out of order"),
        pytest.param(lambda d: d["packing"]["bases"].insert(0, d["packing"]["bases"][0]), id="a base twice"),
        pytest.param(_set("packing", "bases", 0, 0, b"x"), id="short base id"),
        pytest.param(_set("packing", "bases", 0, 1, 7), id="base name is a number"),
        pytest.param(_set("packing", "bases", 0, 1, "x" * 256), id="long base name"),
        pytest.param(_set("packing", "bases", 0, 1, "\x1b[2J"), id="control characters in a base name"),
        pytest.param(_set("packing", "removed", ["proxy"]), id="removed but present"),
        pytest.param(_set("packing", "removed", ["b", "a"]), id="removed out of order"),
        pytest.param(_set("packing", "removed", ["a", "a"]), id="removed twice"),
        pytest.param(_set("packing", "removed", ["../a"]), id="removed climbs"),
    ],
)
def test_what_is_refused_in_a_patch(change: Callable[[Document], None], sample: Builder) -> None:
    value = document(sample, patch=True)
    parse_index(msgpack.packb(value))
    change(value)
    refused(value)


def with_steps(builder: Builder) -> Document:
    """A patch that makes its first layer in two steps, out of a blob of the target and a blob of its own."""
    release = builder.release
    first, second = release.blobs[:2]
    outside = SourceBlob(Digest(b"\0" * 32), 500, 1000)
    inner = SourceBlob(second.digest, second.size, 2000)
    between = Step(Digest(b"\3" * 32), 300, 600, Digest(b"\4" * 32), 30, (outside.digest,))
    last = Step(first.digest, first.size, 700, Digest(b"\5" * 32), 40, (inner.digest, between.digest))
    dispositions = (Disposition.PATCHED, *[Disposition.STORED] * (len(release.blobs) - 1))
    sources = tuple(sorted((outside, inner), key=lambda source: source.digest))
    index = Index(release, dispositions, (Base(Digest(b"\1" * 32), "r0"),), (), sources, (between, last))
    assert [blob.digest for blob in index.needed] == [outside.digest]
    assert not index.has_links
    value = canonical.unpack(emit_index(index), "the index")
    assert isinstance(value, dict)
    assert parse_index(msgpack.packb(value)) == index
    return value


def patched_manifest(value: Document) -> None:
    """A step more: for the last blob of the release, which is a manifest."""
    digest, size, _ = value["release"]["blobs"][-1]
    plans = value["packing"]["plans"]
    value["packing"]["plans"] = plans[:-1] + plans[:1]
    value["packing"]["steps"].append([digest, size, size, b"\6" * 32, 30, [b"\0" * 32], 0])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_swap("packing", "steps"), id="a source that is made later"),
        pytest.param(_set("packing", "steps", 0, 5, [b"\3" * 32]), id="a step that needs itself"),
        pytest.param(_set("packing", "steps", 0, 5, [b"\7" * 32]), id="a source from nowhere"),
        pytest.param(_set("packing", "steps", 0, 5, [b"\0" * 32] * 2), id="a source twice"),
        pytest.param(lambda d: d["packing"]["steps"].append(d["packing"]["steps"][1]), id="a blob made twice"),
        pytest.param(lambda d: d["packing"]["steps"].pop(), id="a patched blob without a step"),
        pytest.param(lambda d: d["packing"]["steps"].pop(0), id="a source that no step makes"),
        pytest.param(_set("packing", "steps", 1, 5, []), id="a step for nothing"),
        pytest.param(_set("packing", "steps", 1, 1, 7), id="another size than the table"),
        pytest.param(_set("packing", "steps", 0, 4, -1), id="negative size"),
        pytest.param(_set("packing", "steps", 0, 2, 2**63), id="uncompressed size over the limit"),
        pytest.param(_set("packing", "steps", 0, 6, 2**63), id="view over the limit"),
        pytest.param(_swap("packing", "sources"), id="sources out of order"),
        pytest.param(lambda d: d["packing"]["sources"].append([b"\xff" * 32, 1, 1]), id="a source that nothing needs"),
        pytest.param(_set("packing", "sources", -1, 1, 7), id="a source of another size than the table"),
        pytest.param(_set("packing", "bases", []), id="a source on the target without a base"),
        pytest.param(_set("packing", "plans", b"\0" * 14), id="a stored blob with a step"),
        pytest.param(lambda d: patched_manifest(d), id="a patched manifest"),
    ],
)
def test_adversary_35_steps_that_cannot_be(change: Callable[[Document], None], sample: Builder) -> None:
    value = with_steps(sample)
    change(value)
    refused(value)


@pytest.mark.parametrize(
    "features",
    [
        pytest.param([["b", "1.0"], ["a", "1.0"]], id="out of order"),
        pytest.param([["a", "1.0"], ["a", "1.1"]], id="twice"),
        pytest.param([["", "1.0"]], id="no name"),
        pytest.param([["a ", "1.0"]], id="a name that ends with a space"),
        pytest.param([["a" * 81, "1.0"]], id="a long name"),
        pytest.param([["a\n", "1.0"]], id="a name of control characters"),
        pytest.param([["a", "1"]], id="a version of one number"),
        pytest.param([["a", "1.00"]], id="a version with a leading zero"),
        pytest.param([["a", "1.0a"]], id="a version with letters"),
        pytest.param([["a", "1.0\n"]], id="a version with a newline"),
        pytest.param([["a"]], id="no version"),
    ],
)
def test_features_that_cannot_be(features: list[list[str]], sample: Builder) -> None:
    value = with_steps(sample)
    value["packing"]["features"] = features
    refused(value)


def test_leaving_out_takes_a_base(sample: Builder) -> None:
    value = document(sample)
    value["packing"]["plans"] = b"\1" + value["packing"]["plans"][1:]
    assert "names no base" in refused(value)


@pytest.mark.parametrize(
    ("canonical_form", "other"),
    [
        pytest.param(b"\xa8sequence\x00", b"\xa8sequence\xcc\x00", id="long integer"),
        pytest.param(b"\xa8sequence\x00", b"\xa8sequence\xd0\x00", id="signed integer"),
        pytest.param(b"\xa8airpatch\x01", b"\xd9\x08airpatch\x01", id="long text"),
        pytest.param(b"\xa5steps\x90", b"\xa5steps\xdc\x00\x00", id="long list"),
        pytest.param(b"\x83\xa8airpatch\x01", b"\x84\xa8airpatch\x01\xa8airpatch\x01", id="key twice"),
        pytest.param(b"\x83\xa8airpatch", b"\x83\xc4\x08airpatch", id="key is bytes"),
        pytest.param(b"\xa4name\xa2r1", b"\xa4name\xc4\x02r1", id="text is bytes"),
        pytest.param(b"\xa4name\xa2r1", b"\xa4name\xa2\xff\xfe", id="bad UTF-8"),
        pytest.param(b"\xa8sequence\x00", b"\xa8sequence\xca\0\0\0\0", id="float"),
        pytest.param(b"\xa8sequence\x00", b"\xa8sequence\xd4\1\0", id="ext type"),
    ],
)
def test_adversary_42_other_encodings_of_the_same(canonical_form: bytes, other: bytes, sample: Builder) -> None:
    content = emit_index(Index.full(sample.release))
    assert content.count(canonical_form) == 1
    with pytest.raises(FormatError):
        parse_index(content.replace(canonical_form, other))


def test_the_limit_of_size(monkeypatch: pytest.MonkeyPatch, sample: Builder) -> None:
    index = Index.full(sample.release)
    content = emit_index(index)
    monkeypatch.setattr(limits.INDEX, "value", len(content))
    assert parse_index(content) == index
    monkeypatch.setattr(limits.INDEX, "value", len(content) - 1)
    with pytest.raises(FormatError, match="--limit index raises that"):
        emit_index(index)
    with pytest.raises(FormatError, match="more than"):
        parse_index(content)


def test_ten_thousand_images_fit() -> None:
    names = [ImageName(f"shop/service-{number:05}", "r1") for number in range(10_000)]
    digests = sorted(Digest.of(str(number).encode()) for number in range(40_000))
    data = [Blob(digest, 5_000_000, "layer") for digest in digests[:30_000]]
    manifests = [Blob(d, 1500, "application/vnd.oci.image.manifest.v1+json") for d in digests[30_000:]]
    images = tuple(Image(name, blob.digest) for name, blob in zip(names, manifests, strict=True))
    index = Index.full(Release("r1", 1, images, (*data, *manifests)))
    content = emit_index(index)
    assert len(content) < 3 << 20 < limits.INDEX.value
    assert parse_index(content) == index
