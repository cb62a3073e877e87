"""Commands upon a live registry."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from airpatch.registry_api.access import RegistryAccess
from tests.cli.support import airpatch
from tests.registry_api.registries import registry
from tests.registry_api.sample import NAMES


def test_bundles_and_patches_out_of_a_registry(plain: str, root: Path, tmp_path: Path) -> None:
    lines = tmp_path / "list"
    lines.write_text("\n".join(NAMES))
    listed = ("--images-list", lines, "--from", f"docker://{plain}", "--plain-http")
    assert airpatch("create", *listed, "-o", tmp_path / "remote").code == 0
    assert airpatch("create", f"registry:{root}", "-o", tmp_path / "local").code == 0
    assert (tmp_path / "remote").read_bytes() == (tmp_path / "local").read_bytes()
    one = (f"docker://{plain}/shop/web:r1", "--plain-http", "--connections", "2")
    assert airpatch("create", *one, "-o", tmp_path / "one").code == 0
    assert airpatch("diff", "--base", tmp_path / "one", *listed, "--effort", "fast", "-o", tmp_path / "patch").code == 0
    assert airpatch("explain", "--base", tmp_path / "one", *listed, "--cache", tmp_path / "cache").code == 0
    merged = airpatch("merge", tmp_path / "one", tmp_path / "patch", "-o", tmp_path / "merged")
    assert merged.code == 0
    assert airpatch("verify", tmp_path / "merged").code == 0


def test_pushes_say_what_they_did(root: Path, tmp_path: Path) -> None:
    with registry(tmp_path / "target", tmp_path) as host:
        words = ("push", root, f"docker://{host}/mirror", "--plain-http", "--json")
        dry = airpatch(*words, "--dry-run")
        done = airpatch(*words)
        assert (dry.code, done.code) == (0, 0)
        assert dry.document["dry_run"] is True
        assert {**dry.document, "dry_run": False} == done.document
        assert airpatch(*words).document["uploaded"] == []
        text = airpatch("push", root, f"docker://{host}/other", "--plain-http", "--image", "shop/web")
        assert text.out.startswith(f"docker://{host}/other: 1 image; ")


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['urllib3'] = None; from airpatch_cli.main import main; sys.exit(main())"
    words = ["create", "docker://localhost:1/web:1", "-o", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "airpatch: this needs urllib3, which is not installed: pip install 'airpatch[registry]'\n",
    )


def test_ctrl_c_ends_the_wait_for_a_silent_registry(root: Path, tmp_path: Path) -> None:
    """Long before the connection would count as broken."""
    lines = tmp_path / "list"
    lines.write_text("web:1\ndb:1\n")
    words = [sys.executable, "-m", "airpatch"]
    for rest in (["create", "--images-list", str(lines), "-o", str(tmp_path / "out"), "--from"], ["push", str(root)]):
        with socket.create_server(("127.0.0.1", 0)) as server:
            program = [*words, *rest, f"docker://127.0.0.1:{server.getsockname()[1]}", "--plain-http"]
            with (
                subprocess.Popen(program, stderr=subprocess.PIPE, text=True, preexec_fn=_sigint_as_usual) as process,
                server.accept()[0] as line,
            ):
                assert line.recv(1)
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=RegistryAccess().timeout / 2)
            assert process.returncode == 128 + signal.SIGINT
            assert said.endswith("interrupted; nothing is half-done\n")


def _sigint_as_usual() -> None:
    """Whatever the caller of the tests ignores."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
