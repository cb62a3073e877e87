"""Where bundles are written: all of it under the final name, or nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airpatch.blobs.output import DescriptorSink, output_file
from airpatch.errors import TargetError


class Interruption(BaseException):
    """As Ctrl-C is one."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with output_file(path) as sink:
        sink.write([b"abc", b"", bytearray(b"de"), memoryview(b"f")])
        assert not path.exists()
        assert sink.is_file
    assert path.read_bytes() == b"abcdef"
    assert sink.size == 6
    assert names(tmp_path) == {"x"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~os.umask(os.umask(0o022) or 0o022)


@pytest.mark.parametrize("error", [TargetError("x"), Interruption(), KeyboardInterrupt()], ids=repr)
def test_an_error_leaves_the_old_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), output_file(path) as sink:  # noqa: PT012
        sink.write([b"new"])
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"x"}


def test_a_symbolic_link_is_kept_and_its_target_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    with output_file(tmp_path / "link") as sink:
        sink.write([b"x"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["x" * 255, "\u00e9" * 127, "\U0001f600" * 63])
def test_names_as_long_as_they_may_be(name: str, tmp_path: Path) -> None:
    with output_file(tmp_path / name) as sink:
        sink.write([b"x"])
    assert names(tmp_path) == {name}


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing" / "x", tmp_path / ("x" * 256)):
        with pytest.raises(TargetError, match=path.name[:50]), output_file(path):
            pass
    assert names(tmp_path) == set()


def test_many_pieces(tmp_path: Path) -> None:
    with output_file(tmp_path / "x") as sink:
        sink.write([b"ab"] * 5000)
    assert (tmp_path / "x").read_bytes() == b"ab" * 5000


def test_adversary_49_short_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def writev(fd: int, views: list[memoryview]) -> int:
        return os.write(fd, b"".join(views)[:3])

    monkeypatch.setattr("airpatch.blobs.output.os.writev", writev)
    with output_file(tmp_path / "x") as sink:
        sink.write([b"abcd", b"e", b"fghijk"])
    assert (tmp_path / "x").read_bytes() == b"abcdefghijk"


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of this process may have 1000 bytes at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_files")
def test_adversary_48_a_file_over_the_limit(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="ulimit"), output_file(tmp_path / "x") as sink:
        sink.write([b"x" * 600, b"x" * 600])
    assert names(tmp_path) == set()


def test_adversary_48_no_space() -> None:
    with pytest.raises(TargetError, match="free some space"), output_file(Path("/dev/full")) as sink:
        sink.write([b"x"])


def test_adversary_47_a_failed_fsync_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[int] = []

    def fsync(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("airpatch.blobs.output.os.fsync", fsync)
    with pytest.raises(TargetError, match="Input/output error"), output_file(tmp_path / "x") as sink:
        sink.write([b"x"])
    assert len(calls) == 1
    assert names(tmp_path) == set()


def test_a_reader_that_went_away() -> None:
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(TargetError, match="the reader went away"):
        DescriptorSink(write, "standard output").write([b"x"])
    os.close(write)


def test_an_abandoned_writer_does_not_wait_for_its_reader() -> None:
    read, write = os.pipe()
    sink = DescriptorSink(write, "standard output")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(sink.write, [bytes(1 << 20)])
        os.read(read, 1)  # there is no room for the rest
        sink.abandon()
        with pytest.raises(TargetError, match="abandoned"):
            writing.result()
    assert not fcntl.fcntl(write, fcntl.F_GETFL) & os.O_NONBLOCK  # others may share the open file
    os.close(read)
    os.close(write)


def test_a_pipe_is_written_straight_through(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with output_file(fifo) as sink:
        sink.write([b"x"])
        assert os.read(read, 10) == b"x"
    os.close(read)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def partials(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".partial"))


def test_what_a_killed_run_left_is_swept_by_the_next_of_the_same_output(tmp_path: Path) -> None:
    program = "import os, sys; from pathlib import Path; from airpatch.blobs.output import output_file\n"
    program += "with output_file(Path(sys.argv[1])) as sink: sink.write([b'x']); os.kill(os.getpid(), 9)"
    for name in ("bundle", "bundle.other"):
        subprocess.run([sys.executable, "-c", program, str(tmp_path / name)], check=False)
    assert len(partials(tmp_path)) == 2
    with output_file(tmp_path / "bundle") as sink:
        sink.write([b"new"])
    (left,) = partials(tmp_path)
    assert left.startswith(".bundle.other.")
    assert (tmp_path / "bundle").read_bytes() == b"new"


def test_what_another_run_is_writing_is_left_alone(tmp_path: Path) -> None:
    with output_file(tmp_path / "bundle") as first:
        first.write([b"first"])
        with output_file(tmp_path / "bundle") as second:
            second.write([b"second"])
        assert len(partials(tmp_path)) == 1
    assert (tmp_path / "bundle").read_bytes() == b"first"
    assert partials(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_a_folder_that_may_be_written_and_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    folder.chmod(0o311)
    for above in (tmp_path, *tmp_path.parents):
        above.chmod(above.stat().st_mode | 0o011)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setresuid(65534, 65534, 65534)
            with output_file(folder / "bundle") as sink:
                sink.write([b"content"])
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (folder / "bundle").read_bytes() == b"content"
