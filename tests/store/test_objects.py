"""Objects in a folder and in S3: whole or not at all, created once, and errors that say what to do."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airpatch.errors import IntegrityError, SourceError, TargetError, UsageError
from airpatch.store import objects as client
from airpatch.store.objects import Objects, moment_of
from airpatch.store.store_address import parse_store_address
from tests.registry_api.http_server import Reply, Request, http_server
from tests.store.conftest import set_s3


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    place = str(tmp_path) if request.param == "folder" else f"{request.getfixturevalue('bucket')}/prefix"
    return Objects(parse_store_address(place))


def test_objects_come_back(objects: Objects) -> None:
    objects.put("a/b", b"content")
    assert objects.get("a/b", 7) == b"content"
    assert objects.size("a/b") == 7
    assert [each.name for each in objects.list("a")] == ["a/b"]
    assert list(objects.list("elsewhere")) == []
    objects.delete("a/b")
    objects.delete("a/b")
    assert objects.get("a/b", 7) is None
    assert objects.size("a/b") is None


def test_an_object_is_created_once(objects: Objects) -> None:
    assert objects.create("a", b"first")
    assert not objects.create("a", b"second")
    assert objects.get("a", 9) == b"first"
    objects.require_conditions()
    assert [each.name for each in objects.list("probe")] == []


def test_a_large_object_is_read_in_any_order(objects: Objects) -> None:
    content = os.urandom(20 << 20)
    objects.put("large", (content[start : start + (3 << 20)] for start in range(0, len(content), 3 << 20)))
    reader = objects.open("large", len(content))
    for offset, size in ((0, 10), (10, 1 << 20), (19 << 20, 1 << 20), (5, 12 << 20), (len(content), 0)):
        buffer = bytearray(size)
        reader.read_into(memoryview(buffer), offset)
        assert buffer == content[offset : offset + size]
    reader.close()


def test_an_object_that_fails_half_way_is_not_there(objects: Objects) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(9 << 20)
        raise IntegrityError("wrong")

    with pytest.raises(IntegrityError, match="wrong"):
        objects.put("half", pieces())
    assert objects.size("half") is None


def test_an_empty_object(objects: Objects) -> None:
    objects.put("empty", iter(()))
    assert objects.get("empty", 0) == b""


def test_limits_and_losses_are_told(objects: Objects) -> None:
    objects.put("a", b"content")
    with pytest.raises(SourceError, match="a: has 7 bytes, more than 6"):
        objects.get("a", 6)
    with pytest.raises(SourceError, match="ends within"):
        objects.range("a", 5, 5)
    with pytest.raises(SourceError, match="b: is missing"):
        objects.range("b", 0, 1)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing: no such folder"):
        Objects(parse_store_address(str(tmp_path / "nothing")))


def test_what_a_folder_refuses_is_told_without_the_clients_innards(tmp_path: Path) -> None:
    (tmp_path / "blobs").touch()
    with pytest.raises(TargetError, match=r"storage cannot be used: Unable to .*blobs/one.*: Not a directory$"):
        Objects(parse_store_address(str(tmp_path))).put("blobs/one", b"content")


@pytest.mark.slow
@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there() -> None:
    with pytest.raises(TargetError, match="no such bucket"):
        Objects(parse_store_address("s3://bucket-of-nobody")).create("a", b"")


def test_storage_that_ignores_the_condition_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `rclone serve s3` does: the second write replaces the first."""
    kept: dict[str, bytes] = {}

    def serve(request: Request) -> Reply:
        match request.method:
            case "PUT":
                kept[request.path] = request.body
                return Reply(200, {"ETag": '"1"'})
            case "POST":  # DeleteObjects
                for key in re.findall(rb"<Key>(.*?)</Key>", request.body):
                    del kept[f"/bucket/{key.decode()}"]
                return Reply(200, {}, b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>")
            case _ if request.path in kept:
                headers = {"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
                return Reply(200, headers, kept[request.path])
        return Reply(404)

    with http_server(serve) as server:
        set_s3(monkeypatch, f"http://{server}")
        with pytest.raises(TargetError, match="ignores the condition of a write"):
            Objects(parse_store_address("s3://bucket")).require_conditions()
    assert kept == {}


def test_storage_that_denies_access(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server(lambda _: Reply(403)) as server:
        set_s3(monkeypatch, f"http://{server}")
        with pytest.raises(TargetError, match="denies access"):
            Objects(parse_store_address("s3://bucket")).create("a", b"")


def test_storage_that_fails_now_and_then_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([503, 500, 200])

    def serve(request: Request) -> Reply:
        return Reply(next(answers), {"ETag": '"1"'})

    with http_server(serve) as server:
        set_s3(monkeypatch, f"http://{server}")
        assert Objects(parse_store_address("s3://bucket")).create("a", b"")
    assert list(answers) == []


def test_a_signal_ends_a_command_while_storage_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage takes the request, and answers nothing until the command has ended."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        set_s3(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}")
        words = [sys.executable, "-P", "-m", "airpatch", "store", "list", "s3://bucket"]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, process_group=0) as command:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(4) == b"GET "
                command.send_signal(signal.SIGTERM)  # as Ctrl-C, which those who run tests may ignore
                assert command.communicate()[1] == "airpatch: terminated; nothing is half-done\n"
    assert command.returncode == 128 + signal.SIGTERM


def test_missing_credentials_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in client._CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()
    monkeypatch.setattr(client, "_METADATA", nobody)
    with pytest.raises(TargetError, match="set AWS_ACCESS_KEY_ID"):
        Objects(parse_store_address("s3://bucket/prefix"))


def test_a_metadata_service_without_credentials_is_told() -> None:
    refused = OSError("Error performing PUT http://169.254.169.254/latest/api/token: 403")
    assert "set AWS_ACCESS_KEY_ID" in client._brief(refused)


def test_times_of_files_that_no_calendar_has() -> None:
    assert moment_of(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert [moment_of(seconds).year for seconds in (1e20, -1e20, 1e12, -1e12)] == [9999, 1, 9999, 1]
