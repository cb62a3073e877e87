"""Files of layers, and what an image shows of layers upon each other."""

from __future__ import annotations

import io
import tarfile

import pytest

from airpatch import limits
from airpatch.model.digest import Digest
from airpatch.report.layer_files import LayerFile, LayerFiles, Stacked, read_layer, stacked
from tests.delta.support import noise, tar
from tests.layers.support import ENCODERS
from tests.support import MemoryContent, execution


def read(blob: bytes, *, weighing: bool = False) -> LayerFiles | None:
    read_bytes: list[int] = []
    content = MemoryContent({Digest.of(blob): blob})
    found = read_layer(content, Digest.of(blob), len(blob), execution(), read_bytes.append, weighing=weighing)
    assert sum(read_bytes) <= len(blob)
    return found


def layer(files: dict[str, bytes]) -> LayerFiles:
    found = read(tar(files))
    assert found is not None
    return found


def test_files_are_known_by_what_they_hold() -> None:
    found, same = layer({"./usr/a": b"1", "usr/b": b"2", "usr/c": b"1"}), read(ENCODERS["go"](tar({"usr/a": b"1"})))
    assert same is not None
    assert set(found.files) == {"usr/a", "usr/b", "usr/c"}
    assert found.files["usr/a"] == found.files["usr/c"] == same.files["usr/a"] != found.files["usr/b"]
    assert found.weights == {}


def test_links_are_known_by_their_targets() -> None:
    def links(to: str) -> LayerFiles:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, kind in (("usr", tarfile.DIRTYPE), ("usr/link", tarfile.SYMTYPE)):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, to if kind == tarfile.SYMTYPE else ""
                archive.addfile(info)
        found = read(buffer.getvalue())
        assert found is not None
        return found

    assert set(links("a").files) == {"usr/link"}
    assert links("a").files == links("a").files != links("b").files


def test_weights_tell_what_compresses() -> None:
    found = read(tar({"noise": noise(9000, 1), "zeros": bytes(9000)}), weighing=True)
    assert found is not None
    assert found.weights["noise"] > 9000 > 1000 > found.weights["zeros"]


@pytest.mark.parametrize("blob", [ENCODERS["go"](tar({"a": b"1"}))[:-9], b"\x1f\x8b\x08\xff" + bytes(40)])
def test_what_does_not_decompress(blob: bytes) -> None:
    assert read(blob) is None


def test_what_is_not_there() -> None:
    assert read_layer(MemoryContent({}), Digest.of(b""), 5, execution(), lambda _: None) is None


def test_what_is_no_tar_has_no_files() -> None:
    assert read(b"just text") == LayerFiles()


def test_layers_upon_each_other() -> None:
    base = layer({"etc/a": b"1", "etc/b": b"1", "opt/x/1": b"1", "opt/x/2": b"1", "var/lib/dpkg/status": b"Package: a"})
    upper = layer({"etc/.wh.a": b"", "etc/b": b"22", "opt/x/.wh..wh..opq": b"", "opt/x/3": b"1"})
    gone = layer({"var/.wh.lib": b""})
    order = [Digest.of(bytes([number])) for number in range(3)]
    shown = stacked(dict(zip(order, (base, upper, gone), strict=True)), order)
    assert shown is not None
    assert {path: file.size for path, file in shown.files.items()} == {"etc/b": 2, "opt/x/3": 1}
    assert shown.records == {}
    below = stacked(dict(zip(order, (base, upper, gone), strict=True)), order[:2])
    assert below is not None
    assert set(below.records) == {"var/lib/dpkg/status"}


def test_a_layer_may_empty_everything() -> None:
    shown = Stacked()
    shown.put(layer({"etc/a": b"1"}))
    shown.put(layer({".wh..wh..opq": b"", "etc/b": b"1"}))
    assert set(shown.files) == {"etc/b"}


def test_a_layer_that_was_not_read_leaves_all_unknown() -> None:
    digest = Digest.of(b"")
    assert stacked({digest: None}, [digest]) is None


def test_a_layer_hides_folders_and_not_what_begins_like_them() -> None:
    shown = Stacked()
    shown.put(layer({"a/b/c": b"1", "a/bc": b"1", "ab": b"1", "d/e": b"1", "d/f/g": b"1", "h": b"1"}))
    shown.put(layer({"a/.wh.b": b"", "d/.wh..wh..opq": b"", ".wh.h": b""}))
    assert set(shown.files) == {"a/bc", "ab"}


def test_many_whiteouts_upon_many_files() -> None:
    """As when a package manager's whole tree is replaced."""
    shown = Stacked()
    shown.put(LayerFiles({f"usr/lib/{number:06}/file": LayerFile(1, 1) for number in range(200_000)}))
    shown.put(LayerFiles(hidden=[f"usr/lib/{number:06}" for number in range(1, 200_000)]))
    assert set(shown.files) == {"usr/lib/000000/file"}


@pytest.mark.parametrize("most", [1000, 300])
def test_no_more_is_held_than_memory_is_for(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.report.layer_files._MAX_HELD", most)
    content = tar({"srv/node_modules/x/package.json": bytes(500), "a": b"1"})
    assert (read(content) is None) == (most < 500)


def test_a_layer_that_decompresses_to_too_much_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.UNPACKED, "value", 1 << 20)
    blob = ENCODERS["go"](tar({"a": bytes(2 << 20)}))
    assert read(blob) is None


def test_long_paths_are_cut() -> None:
    found = layer({"d/" * 5000 + "a": b"1"})
    assert [len(path) for path in found.files] == [4095]
