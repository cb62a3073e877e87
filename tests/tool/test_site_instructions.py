"""What lies beside a bundle says what to type for that very bundle, in both languages."""

from __future__ import annotations

from airpatch.format.index import Base, Disposition, Index
from airpatch.model.digest import Digest
from airpatch.tool.site_instructions import instructions
from tests.support import sample

RELEASE = sample().release
SUMS = {"airpatch-linux-x86_64": "ab" * 32, "airpatch-linux-aarch64": "cd" * 32}


def test_a_full_bundle() -> None:
    text = instructions("shop 1.tar.zst", Index.full(RELEASE), SUMS, is_signed=False)
    assert text.count(f'echo "{"ab" * 32}  airpatch-linux-x86_64" | sha256sum -c') == 2
    assert text.count("sudo airpatch apply 'shop 1.tar.zst' --root ROOT\n") == 2
    assert text.count(f"\n   {'cd' * 32}\n") == 2
    assert 'Where "uname -m" says aarch64, the program is airpatch-linux-aarch64' in text
    assert "the full bundle" in text
    assert "must already hold" not in text
    assert "ALLOWED_SIGNERS" not in text


def test_a_signed_patch() -> None:
    index = Index(RELEASE, (Disposition.LEFT_OUT,) * len(RELEASE.blobs), (Base(Digest.of(b"base"), "r1"),))
    text = instructions("patch.tar.zst", index, SUMS, is_signed=True)
    assert "ALLOWED_SIGNERS stands for" in text
    assert text.count("sudo airpatch apply patch.tar.zst --root ROOT --trust ALLOWED_SIGNERS\n") == 2
    assert "This is a patch: ROOT must already hold r1.\n" in text
    assert "the patch patch.tar.zst" in text
