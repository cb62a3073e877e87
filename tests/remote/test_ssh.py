"""Sending to another host. A script stands for ssh, which runs on this machine and can have the line break; a real sshd
follows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.errors import SourceError, TargetError, TrustError, UsageError
from airpatch.operations.send_bundle import _any_product
from airpatch.remote import ssh
from airpatch.remote.ssh import RemoteRoot
from airpatch.sources.gather import gather
from tests.cli.support import IMAGES
from tests.cli.support import airpatch as command
from tests.remote.sshd import Line, ssh_words, sshd
from tests.sources.sample_sources import pack

SHELL = """#!{python}
import os, subprocess, sys
host, script = sys.argv[1:]
folder = {folder!r}
with open(folder + "/asked", "a") as log:
    log.write(script + chr(10))
environment = dict(os.environ, HOME=folder, XDG_CACHE_HOME=folder + "/cache")
limits = folder + "/limits"  # one line each: after how many bytes a stream breaks
lines = open(limits).read().split() if os.path.exists(limits) else []
if " apply - " not in script:
    sys.exit(subprocess.run(["sh", "-c", script], env=environment).returncode)
limit = int(lines.pop(0)) if lines else None
open(limits, "w").write(" ".join(lines))
process = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, env=environment)
count = 0
while piece := sys.stdin.buffer.read(1 if limit is not None and limit - count < 1000 else 1000):
    if limit is not None and count >= limit:
        process.stdin.close()
        process.wait()
        sys.exit(255)
    try:
        process.stdin.write(piece)
    except BrokenPipeError:
        break
    count += len(piece)
with open(folder + "/sent", "a") as log:
    log.write(str(count) + chr(10))
try:
    process.stdin.close()
except BrokenPipeError:
    pass
sys.exit(process.wait())
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    script = tmp_path / "shell"
    script.write_text(SHELL.format(python=sys.executable, folder=str(tmp_path)))
    script.chmod(0o755)
    monkeypatch.setattr(ssh.RemoteHost.__init__, "__defaults__", (5, 0.0))
    return str(script)


PROGRAM = f"{sys.executable} -P -m airpatch"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch files lie in the current folder, where those of other tests would be taken for left ones."""
    monkeypatch.chdir(tmp_path)


def send(tree: str | Path, root: Path, shell: str, **options: Any) -> airpatch.SentBundle:
    return airpatch.send(tree, f"qa:{root}", shell=shell, program=PROGRAM, **options)


def check(root: Path, release: str) -> None:
    found = {str(image.name): image.manifest for image in gather([f"registry:{root}"]).release.images}
    for image in gather([str(IMAGES / release)]).release.images:
        assert found[str(image.name)] == image.manifest


def test_a_new_host_gets_all_and_then_patches(shell: str, tmp_path: Path) -> None:
    root = tmp_path / "the root"
    said: list[str] = []
    first = send(IMAGES / "r1", root, shell, said=said.append)
    assert (first.is_patch, first.applied) == (False, True)
    check(root, "r1")
    second = send(IMAGES / "r2", root, shell, sequence=2, effort="fast")
    assert second.is_patch
    check(root, "r2")
    assert second.bundle.size < first.bundle.size
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    assert not list(Path.cwd().glob(".airpatch-send-*"))


@pytest.mark.slow
def test_content_makes_layer_patches(shell: str, tmp_path: Path) -> None:
    airpatch.create(IMAGES / "r1", tmp_path / "full")
    airpatch.apply(tmp_path / "full", tmp_path / "root")
    done = send(IMAGES / "r2", tmp_path / "root", shell, content=tmp_path / "full")
    assert done.bundle.index.patched
    check(tmp_path / "root", "r2")


@pytest.mark.slow
def test_what_has_arrived_is_not_sent_again(shell: str, tmp_path: Path) -> None:
    (tmp_path / "limits").write_text("300000 1 200000")
    done = send(IMAGES / "r1", tmp_path / "root", shell)
    (last,) = map(int, (tmp_path / "sent").read_text().split())
    assert last == done.bundle.size - 500_001
    check(tmp_path / "root", "r1")


@pytest.mark.slow
def test_a_line_that_stays_broken_is_told_and_the_next_run_goes_on(shell: str, tmp_path: Path) -> None:
    (tmp_path / "limits").write_text("100000 0 0 0 0")
    with pytest.raises(TargetError, match="cannot be reached"):
        send(IMAGES / "r1", tmp_path / "root", shell, release="1")
    done = send(IMAGES / "r1", tmp_path / "root", shell, release="1")
    assert int((tmp_path / "sent").read_text()) == done.bundle.size - 100_000
    check(tmp_path / "root", "r1")


@pytest.mark.slow
def test_via_leaves_a_file(shell: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    send(IMAGES / "r1", root, shell)
    done = send(IMAGES / "r2", root, shell, via=tmp_path / "patch")
    assert not done.applied
    check(root, "r1")
    airpatch.apply(tmp_path / "patch", root)
    check(root, "r2")


def test_errors_of_the_host_are_told_as_they_are(shell: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    send(IMAGES / "r2", root, shell, sequence=7)
    said: list[str] = []
    with pytest.raises(TrustError, match=r"qa: .*(older|downgrade)") as caught:
        send(IMAGES / "r1", root, shell, sequence=3, said=said.append)
    assert caught.value.message.removeprefix("qa: ") not in said
    with pytest.raises(TargetError, match="has no /nowhere/airpatch"):
        airpatch.send(IMAGES / "r1", f"qa:{root}", shell=shell, program="/nowhere/airpatch")
    (root / "docker/registry/v2/blobs").rename(root / "gone")
    (root / ".airpatch").rename(root / "state")
    with pytest.raises(TargetError, match="cannot be run"):
        airpatch.send(IMAGES / "r1", f"qa:{root}", shell="/nowhere/ssh")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (tmp_path / "signers").write_text(f"us {(tmp_path / 'key.pub').read_text()}")
    with pytest.raises(UsageError, match="--trust"):
        send(IMAGES / "r1", root, shell, trusted=airpatch.trusted_signers(tmp_path / "signers"))


def test_what_the_host_says_is_passed_on_and_its_error_once(tmp_path: Path) -> None:
    """Where the error comes without a document, too."""
    said: list[str] = []
    script = tmp_path / "shell"
    lines = ["airpatch: a remark", "  of two lines", "sh: a noise", "airpatch: what is wrong", "  where"]
    script.write_text("#!/bin/sh\n" + "".join(f"echo '{line}' >&2\n" for line in lines) + "exit 7\n")
    script.chmod(0o755)
    host = ssh.RemoteHost("qa", [str(script)], "airpatch", said.append)
    with pytest.raises(SourceError, match=r"^qa: what is wrong\n") as caught:
        host.airpatch("inventory")
    assert caught.value.findings == ("where",)
    assert said == ["a remark", "  of two lines", "sh: a noise"]
    script.write_text(script.read_text().replace("exit 7", "exit 0"))
    said.clear()
    host.airpatch("inventory")
    assert said == ["a remark", "  of two lines", "sh: a noise", "what is wrong", "  where"]


def test_a_root_of_several_products_is_asked_for_the_one_that_is_sent(shell: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for product in ("shop", "till"):
        send(IMAGES / "r1", root, shell, product=product)
    with pytest.raises(UsageError, match=r"^qa: .*has several products: shop, till; choose one with --product$"):
        send(IMAGES / "r2", root, shell)
    assert send(IMAGES / "r2", root, shell, product="till", effort="fast").is_patch


def test_a_bundle_tells_which_of_several_products_it_belongs_to(shell: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for product in ("shop", "till"):
        send(IMAGES / "r1", root, shell, product=product)
    airpatch.create(IMAGES / "r2", tmp_path / "r2.tar.zst", product="till")
    done = send(tmp_path / "r2.tar.zst", root, shell, effort="fast")
    release = done.bundle.index.release
    assert (done.is_patch, release.product, release.name) == (True, "till", "r2")


def test_a_further_product_needs_only_what_the_root_lacks(shell: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    send(IMAGES / "r1", root, shell, product="shop", sequence=4)
    for product in ("till", "depot"):
        done = send(IMAGES / "r1/infra", root, shell, product=product)
        index = done.bundle.index
        assert (done.is_patch, index.release.product, index.release.sequence) == (True, product, 0)
        assert (index.stored, index.removed) == ((), ())


def test_an_internal_error_of_the_host_is_told(shell: str, tmp_path: Path) -> None:
    """Its exit code is that of no class of errors."""
    error = {"class": "InternalError", "exit": 1, "message": "ImportError: no module", "findings": []}
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'error': error})}'; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(TargetError, match=r"^qa: ImportError: no module$"):
        airpatch.send(IMAGES / "r1", f"qa:{tmp_path / 'root'}", shell=shell, program=str(program))


@pytest.mark.parametrize("broken_before", [False, True])
def test_a_name_that_cannot_be_resolved_is_an_error_at_once_unless_it_could_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_before: bool
) -> None:
    """The real ssh resolves it; a line that breaks may take the way to the name server with it."""
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh (openssh-client)")
    monkeypatch.setattr(ssh.RemoteHost.__init__, "__defaults__", (3, 0.0))
    script = tmp_path / "shell"
    once = f"mkdir {tmp_path}/broken 2>/dev/null && exit 255; " if broken_before else ""
    script.write_text(f'#!/bin/sh\n{once}echo x >>{tmp_path}/tried; exec ssh -F none "$@"\n')
    script.chmod(0o755)
    expected = "3 attempts" if broken_before else r"^no-such-host\.invalid: the name cannot be resolved"
    with pytest.raises(TargetError, match=expected):
        airpatch.send(IMAGES / "r1", f"no-such-host.invalid:{tmp_path / 'root'}", shell=str(script))
    assert (tmp_path / "tried").read_text().count("x") == (2 if broken_before else 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("Host key verification failed.", "^qa: its host key is unknown or has changed; log in once with ssh"),
        ("me@qa: Permission denied (publickey,password).", "^qa: ssh cannot log in; check the user and the key"),
        ("connect to host qa port 22: Connection refused", r"cannot be reached \(3 attempts\): nothing listens there"),
        (
            "kex_exchange_identification: read: Connection reset by peer",
            r"\(3 attempts\): the connection was lost; see ssh's",
        ),
    ],
)
def test_what_another_attempt_does_not_change_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, message: str
) -> None:
    monkeypatch.setattr(ssh.RemoteHost.__init__, "__defaults__", (3, 0.0))
    script = tmp_path / "shell"
    script.write_text(f"#!/bin/sh\necho x >>{tmp_path}/tried; echo '{words}' >&2; exit 255\n")
    script.chmod(0o755)
    said: list[str] = []
    with pytest.raises(TargetError, match=message):
        airpatch.send(IMAGES / "r1", f"qa:{tmp_path / 'root'}", shell=str(script), said=said.append)
    assert (tmp_path / "tried").read_text().count("x") == (3 if "attempts" in message else 1)
    assert said.count("the connection was lost") == (3 if "was lost" in message else 0)


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("qa.example:/var/lib/registry", "qa.example", "/var/lib/registry"),
        ("ci@qa:below/home", "ci@qa", "below/home"),
        ("qa:~/registry", "qa", "registry"),
        ("qa:~", "qa", "."),
        ("root@[fe80::1%eth0]:/a:b", "root@fe80::1%eth0", "/a:b"),
    ],
)
def test_places_on_other_hosts(text: str, host: str, path: str) -> None:
    assert RemoteRoot.parse(text) == RemoteRoot(host, path)


@pytest.mark.parametrize(
    "text", ["host", ":/root", "host:", "-oProxyCommand=x:/root", "u@-ox:/root", "a/b:c", "qa:~ci/root", "::1:/root"]
)
def test_what_names_no_root_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"write HOST:ROOT"):
        RemoteRoot.parse(text)


def test_the_command(shell: str, tmp_path: Path) -> None:
    words = ("send", IMAGES / "r1", f"qa:{tmp_path / 'root'}", "--ssh", shell, "--remote-airpatch", PROGRAM)
    done = command(*words, "--json")
    assert done.document["patch"] is False
    assert "qa: " in done.err
    again = command(*words)
    assert again.code == 0
    assert pack(gather([f"registry:{tmp_path / 'root'}"]))


@pytest.mark.slow
@pytest.mark.parametrize("is_half_open", [False, True])
def test_a_real_line_breaks_and_the_rest_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_half_open: bool
) -> None:
    """Even where the host does not notice: there the first `apply` still waits, and has the lock of the root."""
    monkeypatch.setattr(ssh.RemoteHost.__init__, "__defaults__", (5, 0.0))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "root"

    def arrived() -> bool:
        return any(path.stat().st_size > 350_000 for path in (tmp_path / "cache").rglob("*.partial"))

    with sshd(tmp_path) as port, closing(Line(port, 400_000, arrived, is_half_open=is_half_open)) as line:
        said: list[str] = []
        options: dict[str, Any] = {"shell": ssh_words(tmp_path, line.port), "program": PROGRAM, "said": said.append}
        done = airpatch.send(IMAGES / "r1", f"127.0.0.1:{root}", **options)
        assert line.breaks == 1
        assert "the connection was lost" in said
        assert line.sent < done.bundle.size + 150_000  # what was under way, and handshakes
        check(root, "r1")
        second = airpatch.send(IMAGES / "r2", f"127.0.0.1:{root}", sequence=2, **options)
        assert second.is_patch
        check(root, "r2")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def babbling(tmp_path: Path, script: str) -> ssh.RemoteHost:
    """A host that runs `script`, whatever it is asked for."""
    shell = tmp_path / "babbling"
    shell.write_text(f"#!/bin/sh\n{script}\n")
    shell.chmod(0o755)
    return ssh.RemoteHost("qa", [str(shell)], "airpatch", lambda _: None, pause=0.0)


@pytest.mark.parametrize(
    "output",
    [
        "[" * 200_000,
        '{"error": [5]}',
        '{"error": {"message": {}, "findings": 5, "exit": []}}',
        '{"error": {"message": "m", "findings": {"a": 1}, "exit": "7"}}',
        '{"error": 5}',
    ],
)
def test_whatever_a_host_babbles_as_its_error(output: str, tmp_path: Path) -> None:
    (tmp_path / "output").write_text(output)
    with pytest.raises(TargetError, match=r"^qa: "):
        babbling(tmp_path, f"cat {tmp_path / 'output'}; exit 1").airpatch("inspect")


@pytest.mark.parametrize("output", ["9" * 5000, "-1", "many", "7 8"])
def test_a_host_that_cannot_count_has_nothing(output: str, tmp_path: Path) -> None:
    assert babbling(tmp_path, f"echo {output}")._arrived("file", "name", 100) == 0


def test_a_host_that_prints_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_MOST_OUTPUT", 1 << 20)
    with pytest.raises(TargetError, match="prints more than 1048576 bytes"):
        babbling(tmp_path, "yes").airpatch("inspect")
    with pytest.raises(SourceError) as caught:
        babbling(tmp_path, "echo 'airpatch: what' >&2; yes ' where' | head -30000 >&2; exit 7").airpatch("inspect")
    assert len(caught.value.findings) < 30_000


@pytest.mark.parametrize("output", ["", "[", "[]", '{"current": 5}', '{"current": [5]}', '{"current": {"\\u001b": 1}}'])
def test_products_that_a_host_babbles(output: str, tmp_path: Path) -> None:
    (tmp_path / "output").write_text(output)
    host = babbling(tmp_path, f"cat {tmp_path / 'output'}")
    with pytest.raises(TargetError, match="is no JSON document of 'inspect'"):
        _any_product(host, RemoteRoot.parse("qa:/root"))
